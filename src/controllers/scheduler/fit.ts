import type { KubeObject } from "../../kube/client/index.ts";
import { type Fields, fieldsOf } from "../../kube/object.ts";
import { selects } from "../../kube/schema/index.ts";
import { hasCondition, labelsOf, numberOf, objectsOf, specOf, statusOf } from "../objects.ts";
import { matchesNode, repellingTaint, taintsOf } from "../scheduling.ts";
import { quantity } from "./quantity.ts";

/** A node with the pods that are on it or on their way. */
export interface Candidate {
  readonly node: KubeObject;
  readonly pods: readonly KubeObject[];
}

const NOT_READY = "node.kubernetes.io/not-ready";

function requests(pod: KubeObject, resource: string): number {
  const of = (container: Fields): number => quantity(fieldsOf(fieldsOf(container.resources).requests)[resource]);
  const spec = specOf(pod);
  const running = objectsOf(spec.containers).reduce((sum, container) => sum + of(container), 0);
  return Math.max(running, ...objectsOf(spec.initContainers).map(of));
}

function lacking(pod: KubeObject, { node, pods }: Candidate): string | undefined {
  const allocatable = fieldsOf(statusOf(node).allocatable);
  if (allocatable.pods !== undefined && pods.length + 1 > quantity(allocatable.pods)) return "Too many pods";
  for (const resource of ["cpu", "memory"]) {
    const wanted = requests(pod, resource);
    if (wanted === 0 || allocatable[resource] === undefined) continue;
    const used = pods.reduce((sum, other) => sum + requests(other, resource), 0);
    if (used + wanted > quantity(allocatable[resource])) return `Insufficient ${resource}`;
  }
  return undefined;
}

function hostPorts(pod: KubeObject): string[] {
  return objectsOf(specOf(pod).containers)
    .flatMap((container) => objectsOf(container.ports))
    .filter((port) => numberOf(port.hostPort) > 0)
    .map((port) => `${port.protocol ?? "TCP"}/${port.hostPort}`);
}

function portsTaken(pod: KubeObject, pods: readonly KubeObject[]): boolean {
  const wanted = new Set(hostPorts(pod));
  return wanted.size > 0 && pods.some((other) => hostPorts(other).some((port) => wanted.has(port)));
}

function required(pod: KubeObject, kind: "podAffinity" | "podAntiAffinity"): Fields[] {
  const affinity = fieldsOf(fieldsOf(specOf(pod).affinity)[kind]);
  return objectsOf(affinity.requiredDuringSchedulingIgnoredDuringExecution);
}

function concerns(term: Fields, owner: KubeObject, other: KubeObject): boolean {
  const namespaces =
    Array.isArray(term.namespaces) && term.namespaces.length > 0 ? term.namespaces : [owner.metadata.namespace];
  return namespaces.includes(other.metadata.namespace) && selects(term.labelSelector, labelsOf(other));
}

/** Pods in the same topology domain as the node, of which a term speaks. */
function inDomain(term: Fields, owner: KubeObject, node: KubeObject, all: readonly Candidate[]): KubeObject[] {
  const key = String(term.topologyKey);
  const domain = labelsOf(node)[key];
  if (domain === undefined) return [];
  const near = all.filter((candidate) => labelsOf(candidate.node)[key] === domain);
  return near.flatMap((candidate) => candidate.pods).filter((other) => concerns(term, owner, other));
}

function affinityProblem(pod: KubeObject, { node }: Candidate, all: readonly Candidate[]): string | undefined {
  for (const term of required(pod, "podAffinity")) {
    const anywhere = all.some((candidate) => candidate.pods.some((other) => concerns(term, pod, other)));
    // The first of a group that wants to be together may start anywhere.
    if (!anywhere && concerns(term, pod, pod)) continue;
    if (inDomain(term, pod, node, all).length === 0) return "node(s) didn't match pod affinity rules";
  }
  for (const term of required(pod, "podAntiAffinity")) {
    if (inDomain(term, pod, node, all).length > 0) return "node(s) didn't match pod anti-affinity rules";
  }
  for (const { node: other, pods } of all) {
    const hit = pods.some((there) =>
      required(there, "podAntiAffinity").some((term) => {
        const key = String(term.topologyKey);
        const same = labelsOf(other)[key] !== undefined && labelsOf(other)[key] === labelsOf(node)[key];
        return same && concerns(term, there, pod);
      }),
    );
    if (hit) return "node(s) didn't satisfy existing pods anti-affinity rules";
  }
  return undefined;
}

function spreadProblem(pod: KubeObject, { node }: Candidate, all: readonly Candidate[]): string | undefined {
  const strict = objectsOf(specOf(pod).topologySpreadConstraints).filter(
    (item) => item.whenUnsatisfiable !== "ScheduleAnyway",
  );
  for (const constraint of strict) {
    const key = String(constraint.topologyKey);
    const domain = labelsOf(node)[key];
    if (domain === undefined) return "node(s) didn't match pod topology spread constraints (missing required label)";
    const counts = new Map<string, number>();
    for (const { node: other, pods } of all) {
      const place = labelsOf(other)[key];
      if (place === undefined || !matchesNode(specOf(pod), other)) continue;
      counts.set(place, (counts.get(place) ?? 0) + pods.filter((item) => concerns(constraint, pod, item)).length);
    }
    const least = Math.min(...counts.values());
    const own = concerns(constraint, pod, pod) ? 1 : 0;
    if ((counts.get(domain) ?? 0) + own - least > numberOf(constraint.maxSkew, 1)) {
      return "node(s) didn't match pod topology spread constraints";
    }
  }
  return undefined;
}

/** Why a pod cannot run on a node, in the scheduler's words; undefined when it can. */
export function misfit(pod: KubeObject, candidate: Candidate, all: readonly Candidate[]): string | undefined {
  const { node, pods } = candidate;
  const tolerations = objectsOf(specOf(pod).tolerations);
  const taints = taintsOf(node);
  // No other controller taints nodes that are not ready here, so it is read from the condition.
  if (!hasCondition(node, "Ready")) taints.push({ key: NOT_READY, value: "", effect: "NoSchedule" });
  const taint = repellingTaint(tolerations, taints);
  if (taint?.key === "node.kubernetes.io/unschedulable") return "node(s) were unschedulable";
  if (taint) return `node(s) had untolerated taint {${taint.key}: ${taint.value}}`;
  if (!matchesNode(specOf(pod), node)) return "node(s) didn't match Pod's node affinity/selector";
  if (portsTaken(pod, pods)) return "node(s) didn't have free ports for the requested pod ports";
  return lacking(pod, candidate) ?? affinityProblem(pod, candidate, all) ?? spreadProblem(pod, candidate, all);
}
