import type { KubeObject } from "../../kube/client/index.ts";
import { type Fields, fieldsOf, listOf } from "../../kube/object.ts";
import { templateHash } from "../deployment/hash.ts";
import {
  availableIn,
  controllerReference,
  hasEnded,
  isActive,
  isReady,
  labelsOf,
  numberOf,
  objectsOf,
  specOf,
  statusOf,
} from "../objects.ts";
import { podFromTemplate } from "../pod-from-template.ts";
import { matchesNode, repellingTaint, type Taint, taintsOf } from "../scheduling.ts";

/** Names the template that a pod was made from. */
export const HASH_LABEL = "controller-revision-hash";

const tolerateAll = (key: string, effect: string): Fields => ({
  key: `node.kubernetes.io/${key}`,
  operator: "Exists",
  effect,
});

/** Daemons run where other pods may not: also on nodes in trouble. */
const TOLERATIONS: readonly Fields[] = [
  tolerateAll("not-ready", "NoExecute"),
  tolerateAll("unreachable", "NoExecute"),
  tolerateAll("disk-pressure", "NoSchedule"),
  tolerateAll("memory-pressure", "NoSchedule"),
  tolerateAll("pid-pressure", "NoSchedule"),
  tolerateAll("unschedulable", "NoSchedule"),
];
const HOST_NETWORK_TOLERATION = tolerateAll("network-unavailable", "NoSchedule");
/** A daemon may be what makes its node ready. */
const NOT_READY_TOLERATION = tolerateAll("not-ready", "NoSchedule");

export interface DaemonPlan {
  readonly create: readonly KubeObject[];
  readonly remove: readonly KubeObject[];
  readonly status: Fields;
  /** Milliseconds until a pod becomes available by time alone. */
  readonly lookAgainIn: number | undefined;
}

function addedTolerations(template: Fields): Fields[] {
  const spec = fieldsOf(template.spec);
  const own = objectsOf(spec.tolerations);
  const more = [...TOLERATIONS, NOT_READY_TOLERATION, ...(spec.hostNetwork === true ? [HOST_NETWORK_TOLERATION] : [])];
  const isOwn = (toleration: Fields): boolean =>
    own.some((item) => item.key === toleration.key && item.effect === toleration.effect && item.operator === "Exists");
  return [...own, ...more.filter((toleration) => !isOwn(toleration))];
}

/** The node's terms that the template has, narrowed to one node by name. */
function pinned(affinity: Fields, nodeName: string): Fields {
  const nodeAffinity = fieldsOf(affinity.nodeAffinity);
  const only = { key: "metadata.name", operator: "In", values: [nodeName] };
  const terms = objectsOf(fieldsOf(nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution).nodeSelectorTerms);
  const narrowed =
    terms.length === 0 ? [{ matchFields: [only] }] : terms.map((term) => ({ ...term, matchFields: [only] }));
  const required = { nodeSelectorTerms: narrowed };
  return { ...affinity, nodeAffinity: { ...nodeAffinity, requiredDuringSchedulingIgnoredDuringExecution: required } };
}

/** The node that a daemon is on, or is meant for. */
export function nodeOf(pod: KubeObject): string | undefined {
  const spec = specOf(pod);
  if (spec.nodeName) return String(spec.nodeName);
  const required = fieldsOf(
    fieldsOf(fieldsOf(spec.affinity).nodeAffinity).requiredDuringSchedulingIgnoredDuringExecution,
  );
  const fields = objectsOf(required.nodeSelectorTerms).flatMap((term) => objectsOf(term.matchFields));
  const name = listOf(fields.find((field) => field.key === "metadata.name")?.values)[0];
  return name === undefined ? undefined : String(name);
}

function isOn(set: KubeObject, node: KubeObject, taints: readonly Taint[]): boolean {
  const template = fieldsOf(specOf(set).template);
  return matchesNode(fieldsOf(template.spec), node) && repellingTaint(addedTolerations(template), taints) === undefined;
}

/** True when a daemon belongs on the node. */
export const belongs = (set: KubeObject, node: KubeObject): boolean => isOn(set, node, taintsOf(node));

/** True when a daemon that is on the node stays there: of taints only those that end what runs count. */
const mayStay = (set: KubeObject, node: KubeObject): boolean =>
  isOn(
    set,
    node,
    taintsOf(node).filter(({ effect }) => effect === "NoExecute"),
  );

export function currentHash(set: KubeObject): string {
  return templateHash(specOf(set).template);
}

function newDaemon(set: KubeObject, nodeName: string): KubeObject {
  const template = fieldsOf(specOf(set).template);
  const pod = podFromTemplate(set, controllerReference(set, "apps", "v1", "DaemonSet"), template);
  const generation = String(numberOf(set.metadata.generation, 1));
  const labels = { ...pod.metadata.labels, [HASH_LABEL]: currentHash(set), "pod-template-generation": generation };
  const spec = fieldsOf(pod.spec);
  return {
    ...pod,
    metadata: { ...pod.metadata, labels },
    spec: { ...spec, affinity: pinned(fieldsOf(spec.affinity), nodeName), tolerations: addedTolerations(template) },
  };
}

const older = (a: KubeObject, b: KubeObject): number =>
  Date.parse(a.metadata.creationTimestamp ?? "") - Date.parse(b.metadata.creationTimestamp ?? "");

function share(value: unknown, of: number): number {
  if (typeof value === "number") return value;
  const percent = /^(\d+)%$/.exec(String(value));
  return percent ? Math.ceil((Number(percent[1]) * of) / 100) : 1;
}

/** Outdated daemons to replace now: broken ones at once, working ones as far as the update may interrupt. */
function outdated(set: KubeObject, daemons: readonly KubeObject[], nodes: number, now: number): KubeObject[] {
  const strategy = fieldsOf(specOf(set).updateStrategy);
  if (strategy.type === "OnDelete") return [];
  const minReady = numberOf(specOf(set).minReadySeconds);
  const works = (pod: KubeObject): boolean => availableIn(pod, minReady, now) === 0;
  const old = daemons.filter((pod) => labelsOf(pod)[HASH_LABEL] !== currentHash(set));
  const missing = nodes - daemons.filter(works).length;
  const allowed = Math.max(0, share(fieldsOf(strategy.rollingUpdate).maxUnavailable ?? 1, nodes) - missing);
  return [...old.filter((pod) => !works(pod)), ...old.filter(works).slice(0, allowed)];
}

function counts(
  set: KubeObject,
  placed: readonly KubeObject[],
  desired: number,
  misplaced: number,
  now: number,
): Fields {
  const minReady = numberOf(specOf(set).minReadySeconds);
  const available = placed.filter((pod) => availableIn(pod, minReady, now) === 0).length;
  const { conditions } = statusOf(set);
  return {
    currentNumberScheduled: placed.length,
    desiredNumberScheduled: desired,
    numberMisscheduled: misplaced,
    numberReady: placed.filter(isReady).length,
    observedGeneration: numberOf(set.metadata.generation),
    ...nonZero("updatedNumberScheduled", placed.filter((pod) => labelsOf(pod)[HASH_LABEL] === currentHash(set)).length),
    ...nonZero("numberAvailable", available),
    ...nonZero("numberUnavailable", desired - available),
    ...(conditions ? { conditions } : {}),
  };
}

function nonZero(name: string, value: number): Fields {
  return value > 0 ? { [name]: value } : {};
}

/** What a daemon set wants done: one pod on each node where it belongs. `now` is milliseconds since the epoch. */
export function planDaemons(
  set: KubeObject,
  nodes: readonly KubeObject[],
  pods: readonly KubeObject[],
  now: number,
): DaemonPlan {
  const wanted = nodes.filter((node) => belongs(set, node)).map((node) => node.metadata.name);
  const onNode = new Map<string, KubeObject[]>();
  for (const pod of pods.filter(isActive).sort(older)) {
    const node = nodeOf(pod) ?? "";
    onNode.set(node, [...(onNode.get(node) ?? []), pod]);
  }
  const placed = wanted.flatMap((node) => onNode.get(node)?.slice(0, 1) ?? []);
  const staying = new Set(nodes.filter((node) => mayStay(set, node)).map((node) => node.metadata.name));
  const extra = [...onNode].flatMap(([node, found]) => (staying.has(node) ? found.slice(1) : found));
  const misplaced = [...onNode.keys()].filter((node) => !wanted.includes(node));
  const ended = pods.filter((pod) => hasEnded(pod) && pod.metadata.deletionTimestamp === undefined);
  // The name is free only when the pod that is going is gone: two daemons must not share host ports.
  const leaving = new Set(pods.filter((pod) => !isActive(pod)).map((pod) => nodeOf(pod)));
  const missing = wanted.filter((node) => !onNode.has(node) && !leaving.has(node));
  const replaced = outdated(set, placed, wanted.length, now);
  const minReady = numberOf(specOf(set).minReadySeconds);
  const waits = placed.map((pod) => availableIn(pod, minReady, now) ?? 0).filter((wait) => wait > 0);
  return {
    create: missing.map((node) => newDaemon(set, node)),
    remove: [...new Set([...extra, ...ended, ...replaced])],
    status: counts(set, placed, wanted.length, misplaced.length, now),
    lookAgainIn: waits.length === 0 ? undefined : Math.min(...waits),
  };
}
