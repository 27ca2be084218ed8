import { type Fields, fieldsOf, type KubeObject, timestamp } from "../../object.ts";
import { forbidden } from "../../status.ts";
import type { Preparation } from "../kind.ts";
import { generateName } from "../names.ts";
import { itemsOf, setDefault } from "./pod.ts";

const PODS = { group: "", resource: "pods", kind: "Pod" };
const PRIORITIES: Readonly<Record<string, number>> = {
  "system-cluster-critical": 2_000_000_000,
  "system-node-critical": 2_000_001_000,
};
const PRIORITY_CLASSES = "scheduling.k8s.io/priorityclasses";
/** How long pods stay on a node that does not answer, as everywhere in Kubernetes. */
const NOT_READY_SECONDS = 300;

/** A stored class; without a name the one for all, if there is one. */
function classOf(name: string, { find, list }: Preparation): Fields | undefined {
  if (name !== "") return find(PRIORITY_CLASSES, "", name) as Fields | undefined;
  return list(PRIORITY_CLASSES)
    .map(fieldsOf)
    .find(({ globalDefault }) => globalDefault === true);
}

/** The number of the pod's class, though nothing is preferred by it. */
function admitPriority(name: string, spec: Fields, preparation: Preparation): void {
  const wanted = typeof spec.priorityClassName === "string" ? spec.priorityClassName : "";
  const own = PRIORITIES[wanted];
  const found = own === undefined ? classOf(wanted, preparation) : { value: own };
  if (wanted !== "" && !found) throw forbidden(PODS, name, `no PriorityClass with name ${wanted} was found`);
  if (found) spec.priority = found.value ?? 0;
  if (found && wanted === "") spec.priorityClassName = fieldsOf(found.metadata).name;
  setDefault(spec, "priority", 0);
  setDefault(spec, "preemptionPolicy", found?.preemptionPolicy ?? "PreemptLowerPriority");
}

/** Every pod tolerates nodes that do not answer for a while, whatever an update says. */
export function admitTolerations(spec: Fields): void {
  const tolerations = itemsOf(spec, "tolerations");
  for (const key of ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"]) {
    const covers = (item: Fields) =>
      (item.key === key || (!item.key && item.operator === "Exists")) && (!item.effect || item.effect === "NoExecute");
    if (tolerations.some(covers)) continue;
    tolerations.push({ key, operator: "Exists", effect: "NoExecute", tolerationSeconds: NOT_READY_SECONDS });
  }
  spec.tolerations = tolerations;
}

/** `default` may be missing, because a new namespace gets it a moment later. */
function admitServiceAccount(name: string, namespace: string, spec: Fields, preparation: Preparation): void {
  setDefault(spec, "serviceAccountName", "default");
  setDefault(spec, "serviceAccount", spec.serviceAccountName);
  const account = String(spec.serviceAccountName);
  const found = preparation.find("/serviceaccounts", namespace, account);
  if (itemsOf(spec, "imagePullSecrets").length === 0 && found && itemsOf(found, "imagePullSecrets").length > 0)
    spec.imagePullSecrets = itemsOf(found, "imagePullSecrets");
  if (account === "default" || found) return;
  const why = `error looking up service account ${namespace}/${account}: serviceaccount "${account}" not found`;
  throw forbidden(PODS, name, why);
}

const ACCOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount";
const VOLUME_PREFIX = "kube-api-access-";
/** A little over an hour, so that a token that is renewed in time is never seen to be over. */
const TOKEN_SECONDS = 3607;

function mountsToken(namespace: string, spec: Fields, preparation: Preparation): boolean {
  if (typeof spec.automountServiceAccountToken === "boolean") return spec.automountServiceAccountToken;
  const account = preparation.find("/serviceaccounts", namespace, String(spec.serviceAccountName));
  return account?.automountServiceAccountToken !== false;
}

/** A token of its account, the cluster's authority and the namespace's name, for every container that does not mount something else there. */
function admitToken(namespace: string, spec: Fields, preparation: Preparation): void {
  if (!mountsToken(namespace, spec, preparation)) return;
  const containers = [...itemsOf(spec, "containers"), ...itemsOf(spec, "initContainers")];
  const isFree = (container: Fields) =>
    !itemsOf(container, "volumeMounts").some(({ mountPath }) => mountPath === ACCOUNT_PATH);
  const wanting = containers.filter(isFree);
  if (wanting.length === 0) return;
  const name = generateName(VOLUME_PREFIX);
  for (const container of wanting)
    container.volumeMounts = [...itemsOf(container, "volumeMounts"), { name, readOnly: true, mountPath: ACCOUNT_PATH }];
  const sources = [
    { serviceAccountToken: { expirationSeconds: TOKEN_SECONDS, path: "token" } },
    { configMap: { name: "kube-root-ca.crt", items: [{ key: "ca.crt", path: "ca.crt" }] } },
    {
      downwardAPI: { items: [{ path: "namespace", fieldRef: { apiVersion: "v1", fieldPath: "metadata.namespace" } }] },
    },
  ];
  spec.volumes = [...itemsOf(spec, "volumes"), { name, projected: { sources, defaultMode: 0o644 } }];
}

/** The quality of service class, from the containers' requests and limits. */
function qosClass(spec: Fields): "Guaranteed" | "Burstable" | "BestEffort" {
  const containers = [...itemsOf(spec, "containers"), ...itemsOf(spec, "initContainers")];
  const resources = containers.map((container) => fieldsOf(container.resources));
  const any = resources.some((entry) =>
    ["limits", "requests"].some((part) => Object.keys(fieldsOf(entry[part])).length > 0),
  );
  if (!any) return "BestEffort";
  const guaranteed = resources.every((entry) => {
    const [limits, requests] = [fieldsOf(entry.limits), fieldsOf(entry.requests)];
    return ["cpu", "memory"].every(
      (name) => limits[name] !== undefined && (requests[name] ?? limits[name]) === limits[name],
    );
  });
  return guaranteed ? "Guaranteed" : "Burstable";
}

/** That a pod waits for its scheduling gates is said from its first moment. */
function gatedConditions(spec: Fields, now: number): Fields {
  if (itemsOf(spec, "schedulingGates").length === 0) return {};
  const message = "Scheduling is blocked due to non-empty scheduling gates";
  const why = { status: "False", reason: "SchedulingGated", message };
  return { conditions: [{ type: "PodScheduled", lastTransitionTime: timestamp(now), ...why }] };
}

/** What the server decides about a new pod: priority, tolerations, service account, first status. Throws 403. */
export function preparePod(pod: KubeObject, preparation: Preparation): void {
  const spec = fieldsOf(pod.spec);
  const { name, namespace = "" } = pod.metadata;
  admitServiceAccount(name, namespace, spec, preparation);
  admitToken(namespace, spec, preparation);
  admitPriority(name, spec, preparation);
  admitTolerations(spec);
  pod.status = { phase: "Pending", qosClass: qosClass(spec), ...gatedConditions(spec, preparation.now) };
}
