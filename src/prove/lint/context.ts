import { NAMESPACE_LABEL, NAMESPACE_LABELS_PREFIX } from "../../model/identity.ts";
import type { Labels } from "../../model/label.ts";
import { type LabelSelector, selects } from "../../model/selector.ts";
import type { PeerRule, PortSpec, Rule } from "../../policy/rule.ts";
import { Cluster, policyName } from "../cluster.ts";
import type { Inventory, PolicyObject } from "../inventory.ts";
import type { ManifestObject } from "../manifest.ts";
import { labelsOfWorkload } from "../party.ts";
import type { Workload } from "../workload.ts";
import type { Code, Finding } from "./finding.ts";

/** A workload with its labels as policy sees them. */
export interface Subject {
  readonly workload: Workload;
  readonly labels: Labels;
}

/** What every check looks at. */
export interface LintContext {
  readonly inventory: Inventory;
  readonly cluster: Cluster;
  /** Without those that share their node's network. */
  readonly subjects: readonly Subject[];
  /** Whether Pods and Jobs of Helm's hooks need policies too. */
  readonly hooks: boolean;
}

export function contextOf(inventory: Inventory, hooks = false): LintContext {
  const subjects = inventory.workloads
    .filter(({ isHostNetwork }) => !isHostNetwork)
    .map((workload) => ({ workload, labels: labelsOfWorkload(workload, inventory) }));
  return { inventory, cluster: new Cluster(inventory), subjects, hooks };
}

/** Whom a rule is about. */
export function subjectsOf({ subjects }: LintContext, { key }: PolicyObject, rule: Rule): Subject[] {
  if (rule.isNode) return [];
  const isNear = ({ workload }: Subject) => key.namespace === "" || workload.namespace === key.namespace;
  return subjects.filter((each) => isNear(each) && selects(rule.subject, each.labels));
}

/** Every element of every rule. */
export function* elementsOf({
  inventory,
}: LintContext): Iterable<{ policy: PolicyObject; rule: Rule; element: PeerRule }> {
  for (const policy of inventory.policies)
    for (const rule of policy.rules) for (const element of rule.elements) yield { policy, rule, element };
}

/** A finding at a field of an object. */
export function found(
  code: Code,
  object: ManifestObject,
  field: string,
  message: string,
  mend: string,
  name?: string,
): Finding {
  const title = name ?? `${object.kind} ${object.namespace === "" ? "" : `${object.namespace}/`}${object.name}`;
  return { code, object: title, ...object.placeOf(field), message, mend };
}

/** A finding at a field of a policy. */
export function inPolicy(
  code: Code,
  { object, key }: PolicyObject,
  field: string,
  message: string,
  mend: string,
): Finding {
  return found(code, object, field, message, mend, policyName(key));
}

/**
 * True when whom the selector means cannot be seen in these files: somebody in a namespace of which they describe nobody, a
 * namespace whose labels they do not say, or what is no pod at all.
 */
export function isOutOfSight({ requirements }: LabelSelector, { inventory }: LintContext): boolean {
  const described = new Set(inventory.workloads.map(({ namespace }) => namespace));
  const undeclared = [...described].some((namespace) => !inventory.namespaces.has(namespace));
  return requirements.some(({ source, key, operator, values }) => {
    if (source !== "k8s" && source !== "any") return true;
    if (key === NAMESPACE_LABEL) return operator === "In" && !values.some((value) => described.has(value));
    return key.startsWith(NAMESPACE_LABELS_PREFIX) && !key.endsWith(".kubernetes.io/metadata.name") && undeclared;
  });
}

/** Ports of an element by number; names, and every port, are left out. */
export function numbersOf({ ports = [] }: PeerRule): PortSpec[] {
  return ports.flatMap((rule) => rule.ports).filter(({ name, endPort }) => name === undefined && endPort !== 0);
}
