import { parseAddress } from "../model/cidr.ts";
import { hasPorts } from "../model/protocol.ts";
import { isObject } from "../policy/field.ts";
import type { ManifestObject, Problem } from "./manifest.ts";

/** A port that a container declares. */
export interface DeclaredPort {
  readonly name?: string;
  readonly port: number;
  /** `TCP`, `UDP` or `SCTP`. */
  readonly protocol: string;
}

/** Pods that are all alike: those of a Deployment, or one Pod. */
export interface Workload {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly serviceAccount: string;
  readonly ports: readonly DeclaredPort[];
  /** Addresses of its pods, where the objects say them. */
  readonly ips: readonly string[];
  /** Names of pods that were listed beside it. */
  readonly pods: readonly string[];
  /** Its pods share the node's network: to policy they are the node. */
  readonly isHostNetwork: boolean;
  /** A Pod or Job of a Helm hook: it runs while a release is installed, upgraded or tested, and ends. */
  readonly isHook: boolean;
  readonly object: ManifestObject;
  /** Where the pod's own fields stand in the object: empty for a Pod, `spec.template` for most. */
  readonly templatePath: string;
}

type Fields = Readonly<Record<string, unknown>>;

/** What the controller of a kind adds to the labels of its pods, as far as identities see it. */
const ADDED_LABELS: Readonly<Record<string, (name: string) => Record<string, string>>> = {
  Job: (name) => ({ "job-name": name, "batch.kubernetes.io/job-name": name }),
  // The name of each run ends with a number that nobody knows before; no selector can name this one.
  CronJob: (name) => ({ "job-name": `${name}-<run>`, "batch.kubernetes.io/job-name": `${name}-<run>` }),
};

/** Where pods are described, by kind; others that have a template of pods are workloads too (Rollout, for one). */
const TEMPLATE_PATHS: Readonly<Record<string, string>> = { Pod: "", CronJob: "spec.jobTemplate.spec.template" };

/** The field at a path of plain names. */
export function fieldAt(value: unknown, path: string): unknown {
  return path === ""
    ? value
    : path.split(".").reduce<unknown>((at, name) => (isObject(at) ? at[name] : undefined), value);
}

/** Undefined = the object describes no pods. What is wrong with one that does is added to `problems`. */
export function readWorkload(object: ManifestObject, namespace: string, problems: Problem[]): Workload | undefined {
  const templatePath = TEMPLATE_PATHS[object.kind] ?? "spec.template";
  const template = fieldAt(object.value, templatePath);
  const pod = fieldAt(template, "spec");
  const isKnown = WORKLOAD_KINDS.has(object.kind);
  if (!isObject(pod) || !Array.isArray(pod["containers"])) {
    if (isKnown) complain(object, `${templatePath}.spec`.replace(/^\./, ""), "describes no containers", problems);
    return undefined;
  }
  const labels = textMap(object, `${templatePath}.metadata.labels`.replace(/^\./, ""), problems);
  const account = pod["serviceAccountName"] ?? pod["serviceAccount"];
  return {
    kind: object.kind,
    namespace,
    name: object.name,
    labels: { ...labels, ...ADDED_LABELS[object.kind]?.(object.name) },
    serviceAccount: typeof account === "string" && account !== "" ? account : "default",
    ports: portsOf(pod, object, problems),
    ips: addressesOf(object.value),
    pods: [],
    isHostNetwork: pod["hostNetwork"] === true,
    isHook: HOOK_KINDS.has(object.kind) && isHook(object.value),
    object,
    templatePath,
  };
}

const WORKLOAD_KINDS = new Set(
  "Pod Deployment ReplicaSet StatefulSet DaemonSet ReplicationController Job CronJob".split(" "),
);

/** What Helm waits for the end of; others of a hook go on after it. */
const HOOK_KINDS = new Set(["Pod", "Job"]);

function isHook(value: Fields): boolean {
  const annotations = fieldAt(value, "metadata.annotations");
  return isObject(annotations) && typeof annotations["helm.sh/hook"] === "string";
}

function complain(object: ManifestObject, field: string, message: string, problems: Problem[]): void {
  problems.push({ severity: "error", ...object.placeOf(field), message: `${object.kind} ${object.name}: ${message}` });
}

/** Reads a map of texts at a path; what is none of it is an error. */
export function textMap(object: ManifestObject, path: string, problems: Problem[]): Record<string, string> {
  const value = fieldAt(object.value, path) ?? {};
  if (!isObject(value)) {
    complain(object, path, `${path} must be a map of strings`, problems);
    return {};
  }
  const entries = Object.entries(value);
  for (const [key, content] of entries) {
    if (typeof content === "string") continue;
    const field = `${path}[${JSON.stringify(key)}]`;
    complain(object, field, `${field} must be a string: put it in quotes`, problems);
  }
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => typeof entry[1] === "string"));
}

/** Ports of all containers; those of init containers count while these go on beside the others. */
function portsOf(pod: Fields, object: ManifestObject, problems: Problem[]): DeclaredPort[] {
  const init = Array.isArray(pod["initContainers"]) ? pod["initContainers"] : [];
  const sidecars = init.filter((container) => isObject(container) && container["restartPolicy"] === "Always");
  const found: DeclaredPort[] = [];
  for (const container of [...sidecars, ...(pod["containers"] as unknown[])] as unknown[]) {
    const ports = isObject(container) ? (container["ports"] ?? []) : [];
    if (!Array.isArray(ports)) complain(object, "spec", "ports of a container must be a list", problems);
    else for (const each of ports) found.push(...portOf(each, object, problems));
  }
  return found;
}

function portOf(value: unknown, object: ManifestObject, problems: Problem[]): DeclaredPort[] {
  const { name, containerPort, protocol = "TCP" } = isObject(value) ? value : {};
  const isPort = typeof containerPort === "number" && Number.isInteger(containerPort);
  if (!isPort || typeof protocol !== "string" || !hasPorts(protocol)) {
    complain(object, "spec", `not a port of a container: ${JSON.stringify(value)}`, problems);
    return [];
  }
  return [{ port: containerPort, protocol: protocol.toUpperCase(), ...(typeof name === "string" ? { name } : {}) }];
}

function addressesOf(value: Fields): string[] {
  const phase = fieldAt(value, "status.phase");
  if (phase === "Succeeded" || phase === "Failed") return [];
  const list = fieldAt(value, "status.podIPs");
  const several = Array.isArray(list) ? list.map((each) => fieldAt(each, "ip")) : [];
  const all = [fieldAt(value, "status.podIP"), ...several];
  return [...new Set(all)].filter((ip): ip is string => typeof ip === "string" && parseAddress(ip) !== undefined);
}
