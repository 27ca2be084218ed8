/** Which nodes a pod may run on: what the scheduler and the daemon sets ask alike. */
import type { KubeObject } from "../kube/client/index.ts";
import { type Fields, fieldsOf, listOf } from "../kube/object.ts";
import { labelsOf, objectsOf, specOf } from "./objects.ts";

export interface Taint {
  readonly key: string;
  readonly value: string;
  readonly effect: string;
}

function taint(fields: Fields): Taint {
  return { key: String(fields.key), value: String(fields.value ?? ""), effect: String(fields.effect) };
}

/** A node's taints, with the one that stands for `spec.unschedulable`. */
export function taintsOf(node: KubeObject): Taint[] {
  const own = objectsOf(specOf(node).taints).map(taint);
  const cordoned =
    specOf(node).unschedulable === true && !own.some((item) => item.key === "node.kubernetes.io/unschedulable");
  return cordoned ? [...own, { key: "node.kubernetes.io/unschedulable", value: "", effect: "NoSchedule" }] : own;
}

function tolerates({ key, operator = "Equal", value = "", effect }: Fields, { key: wanted, ...rest }: Taint): boolean {
  if (effect && effect !== rest.effect) return false;
  if (key && key !== wanted) return false;
  if (operator === "Exists") return true;
  return Boolean(key) && value === rest.value;
}

/** The first taint that keeps a pod with these tolerations away; undefined when none does. */
export function repellingTaint(tolerations: readonly Fields[], taints: readonly Taint[]): Taint | undefined {
  const strict = taints.filter((item) => item.effect === "NoSchedule" || item.effect === "NoExecute");
  return strict.find((item) => !tolerations.some((toleration) => tolerates(toleration, item)));
}

/**
 * Seconds that a pod with these tolerations stays on a node with these taints: infinite when no `NoExecute` taint is
 * there or all are tolerated for ever, 0 when one is not tolerated.
 */
export function patience(tolerations: readonly Fields[], taints: readonly Taint[]): number {
  const waits = taints
    .filter(({ effect }) => effect === "NoExecute")
    .map((item) => {
      const [first] = tolerations.filter((toleration) => tolerates(toleration, item));
      if (first === undefined) return 0;
      return typeof first.tolerationSeconds === "number"
        ? Math.max(0, first.tolerationSeconds)
        : Number.POSITIVE_INFINITY;
    });
  return Math.min(Number.POSITIVE_INFINITY, ...waits);
}

function meets({ operator, values }: Fields, value: string | undefined): boolean {
  const listed = listOf(values).map(String);
  if (operator === "In") return value !== undefined && listed.includes(value);
  if (operator === "NotIn") return value === undefined || !listed.includes(value);
  if (operator === "Exists") return value !== undefined;
  if (operator === "DoesNotExist") return value === undefined;
  if (value === undefined || listed.length !== 1) return false;
  return operator === "Gt" ? Number(value) > Number(listed[0]) : operator === "Lt" && Number(value) < Number(listed[0]);
}

function termMatches(term: Fields, node: KubeObject): boolean {
  const expressions = objectsOf(term.matchExpressions);
  const fields = objectsOf(term.matchFields);
  // An empty term matches no node.
  if (expressions.length + fields.length === 0) return false;
  return (
    expressions.every((item) => meets(item, labelsOf(node)[String(item.key)])) &&
    fields.every((item) => item.key === "metadata.name" && meets(item, node.metadata.name))
  );
}

/** True when the node has the labels and the name that the pod's spec asks for. */
export function matchesNode(podSpec: Fields, node: KubeObject): boolean {
  const selector = Object.entries(fieldsOf(podSpec.nodeSelector));
  if (!selector.every(([key, value]) => labelsOf(node)[key] === value)) return false;
  const affinity = fieldsOf(fieldsOf(podSpec.affinity).nodeAffinity);
  const required = affinity.requiredDuringSchedulingIgnoredDuringExecution;
  if (required === undefined || required === null) return true;
  return objectsOf(fieldsOf(required).nodeSelectorTerms).some((term) => termMatches(term, node));
}

/** What nodes that are preferred, not required, add up to. */
export function nodePreference(podSpec: Fields, node: KubeObject): number {
  const affinity = fieldsOf(fieldsOf(podSpec.affinity).nodeAffinity);
  return objectsOf(affinity.preferredDuringSchedulingIgnoredDuringExecution)
    .filter((item) => termMatches(fieldsOf(item.preference), node))
    .reduce((sum, item) => sum + Number(item.weight ?? 0), 0);
}
