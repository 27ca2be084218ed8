import { NAMESPACE_LABELS_PREFIX } from "../model/identity.ts";
import type { Rule } from "../policy/rule.ts";
import { endpointName, policyName } from "./cluster.ts";
import type { Inventory, PolicyObject } from "./inventory.ts";
import { valuesByLabel } from "./namespace-labels.ts";
import type { Workload } from "./workload.ts";

/** What is different between two readings of the same manifests, as far as verdicts hang on it. */
export interface InventoryChange {
  readonly gone: readonly PolicyObject[];
  readonly come: readonly PolicyObject[];
  /** Rules of policies that are others now, those that name services included when services are. */
  readonly rules: readonly Rule[];
  /** Names in the engine's world of pods that came, went, or look different. */
  readonly pods: ReadonlySet<string>;
  /** Workloads, namespaces, services and groups are what they were. */
  readonly isWorldSame: boolean;
  /** Policies ask for the same labels of namespaces as before, and none of the changed rules for its subject's. */
  readonly areNamespacesAskedAlike: boolean;
}

/** Undefined = settings or secrets differ: anything may be another now. */
export function changeBetween(before: Inventory, after: Inventory): InventoryChange | undefined {
  if (isOther([before.config, before.secrets], [after.config, after.secrets])) return undefined;
  const { gone, come } = policyChange(before.policies, after.policies);
  const pods = changedPods(before, after);
  const areNamespacesSame = changedNamespaces(before, after).size === 0;
  const areServicesSame = !isOther(servicesOf(before), servicesOf(after));
  const areGroupsSame = !isOther(groupsOf(before), groupsOf(after));
  const rules = [...gone, ...come, ...(areServicesSame ? [] : after.policies.filter(namesServices))].flatMap(
    (policy) => policy.rules,
  );
  const looksAtNamespace = rules.some(({ subject }) =>
    subject.requirements.some(({ key }) => key.startsWith(NAMESPACE_LABELS_PREFIX)),
  );
  return {
    gone,
    come,
    rules,
    pods,
    isWorldSame: pods.size === 0 && areNamespacesSame && areServicesSame && areGroupsSame,
    areNamespacesAskedAlike: !looksAtNamespace && !isOther(askedOf(before), askedOf(after)),
  };
}

function isOther(before: unknown, after: unknown): boolean {
  return JSON.stringify(before) !== JSON.stringify(after);
}

/** What was not read again is the same object. */
function isLike(before: unknown, after: unknown): boolean {
  return before === after || !isOther(before, after);
}

function policyChange(before: readonly PolicyObject[], after: readonly PolicyObject[]) {
  const known = new Map(before.map((policy) => [policyName(policy.key), policy]));
  const come: PolicyObject[] = [];
  for (const policy of after) {
    const name = policyName(policy.key);
    if (isLike(known.get(name)?.value, policy.value)) known.delete(name);
    else come.push(policy);
  }
  return { gone: [...known.values()], come };
}

function namesServices({ rules }: PolicyObject): boolean {
  return rules.some(({ elements }) => elements.some(({ peers }) => peers.some(({ kind }) => kind === "service")));
}

function servicesOf({ services, backends }: Inventory): unknown {
  return [services.map(({ object: _object, ...facts }) => facts), [...backends]];
}

function groupsOf({ groups }: Inventory): unknown {
  return groups.map(({ value }) => value);
}

function askedOf(inventory: Inventory): unknown {
  return [...valuesByLabel(inventory)].map(([key, values]) => [key, [...values].sort()]).sort();
}

function changedNamespaces({ namespaces: before }: Inventory, { namespaces: after }: Inventory): Set<string> {
  const names = [...before.keys(), ...after.keys()];
  return new Set(names.filter((name) => isOther(before.get(name)?.labels, after.get(name)?.labels)));
}

function changedPods(before: Inventory, after: Inventory): Set<string> {
  const namespaces = changedNamespaces(before, after);
  const known = new Map(Map.groupBy(before.workloads, podName));
  const changed = new Set<string>();
  for (const [name, workloads] of Map.groupBy(after.workloads, podName)) {
    const last = known.get(name) ?? [];
    known.delete(name);
    const isSame = last.length === workloads.length && workloads.every((each, index) => looksLike(each, last[index]!));
    if (!isSame || namespaces.has(workloads[0]!.namespace)) changed.add(name);
  }
  for (const name of known.keys()) changed.add(name);
  return changed;
}

function podName(workload: Workload): string {
  return `${workload.namespace}/${endpointName(workload)}`;
}

function looksLike(workload: Workload, last: Workload): boolean {
  return (
    isLike(last.object.value, workload.object.value) &&
    workload.ips.join() === last.ips.join() &&
    workload.pods.join() === last.pods.join()
  );
}
