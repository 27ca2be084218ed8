import { CLUSTER_NAME } from "../../model/addresses.ts";
import {
  CLUSTER_LABEL,
  NAMESPACE_LABEL,
  NAMESPACE_LABELS_PREFIX,
  SERVICE_ACCOUNT_LABEL,
} from "../../model/identity.ts";
import { type LabelSelector, type Requirement, selects } from "../../model/selector.ts";
import type { ScenarioEndpoint } from "../../policy/scenario-format.ts";
import { namespaceLabelsOf } from "../cluster.ts";
import type { Inventory } from "../inventory.ts";
import { labelsOfWorkload } from "../party.ts";

/** Pods that nobody described, one for each way in which policies may see one. */
export interface Witnesses {
  readonly pods: readonly ScenarioEndpoint[];
  /** Namespaces where there are more ways than are tried. */
  readonly unasked: readonly string[];
}

/** Ways that are tried in one namespace. */
const MOST_WAYS = 400;
/** Stands for every value that no policy names. */
const ANOTHER_VALUE = "another-value";
/** No namespace can be called that, so no policy names it. */
export const OTHER_NAMESPACE = "any other namespace";

/** A selector as far as it hangs on what a pod of the namespace may choose: its labels and its service account. */
interface OpenSelector {
  readonly whole: LabelSelector;
  readonly open: readonly Requirement[];
}

/**
 * For each namespace of either inventory or that a policy names, and for one that neither knows, a pod for every set of selectors that one pod can meet
 * together and no workload there meets. `merged` has the workloads and the policies of both; `moved` workloads are other ones on
 * the other side, so that they stand for nothing.
 */
export function witnessesOf(
  merged: Inventory,
  moved: ReadonlySet<string>,
  titleOf: (workload: Inventory["workloads"][number]) => string,
): Witnesses {
  const selectors = selectorsOf(merged);
  const names = new Set([
    ...merged.workloads.map(({ namespace }) => namespace),
    ...merged.namespaces.keys(),
    ...merged.policies.map(({ key }) => key.namespace),
    ...selectors.flatMap(({ selector }) => selector.requirements.flatMap(namespacesIn)),
  ]);
  names.delete("");
  const pods: ScenarioEndpoint[] = [];
  const unasked: string[] = [];
  const settled = merged.workloads.filter((each) => !each.isHostNetwork && !moved.has(titleOf(each)));
  const workloads = Map.groupBy(settled, ({ namespace }) => namespace);
  for (const namespace of [...[...names].sort(), OTHER_NAMESPACE]) {
    const open = selectors.flatMap((each) => openSelector(each, namespace, merged) ?? []);
    const ways = waysToMeet(open.map(({ open: requirements }) => requirements));
    if (ways === undefined) {
      unasked.push(namespace);
      continue;
    }
    const wanted = open.map(({ whole }) => whole);
    const met = new Set(
      (workloads.get(namespace) ?? []).map((each) => {
        const labels = labelsOfWorkload(each, merged);
        return wanted.flatMap((selector, index) => (selects(selector, labels) ? [index] : [])).join();
      }),
    );
    for (const [signature, chosen] of ways) if (!met.has(signature)) pods.push(podOf(namespace, chosen, merged));
  }
  return { pods, unasked };
}

const NAMES_NAMESPACE = new Set([NAMESPACE_LABEL, `${NAMESPACE_LABELS_PREFIX}.kubernetes.io/metadata.name`]);

/** The namespaces that a requirement names: of some the files hold nothing. */
function namespacesIn({ source, key, values }: Requirement): readonly string[] {
  return (source === "k8s" || source === "any") && NAMES_NAMESPACE.has(key) ? values : [];
}

interface ScopedSelector {
  readonly selector: LabelSelector;
  /** Of a policy's subjects: they are sought in its namespace alone. */
  readonly namespace: string | undefined;
}

function selectorsOf({ policies }: Inventory): ScopedSelector[] {
  const found = new Map<string, ScopedSelector>();
  const add = (selector: LabelSelector, namespace: string | undefined) =>
    found.set(`${namespace ?? ""}\n${selector.text}`, { selector, namespace });
  for (const { key, rules } of policies) {
    for (const { subject, isNode, elements } of rules) {
      if (!isNode) add(subject, key.namespace === "" ? undefined : key.namespace);
      for (const { peers } of elements) for (const peer of peers) if (peer.kind === "labels") add(peer, undefined);
    }
  }
  return [...found.values()];
}

/** Undefined = no pod of the namespace meets it, or every one does. */
function openSelector(
  { selector, namespace: scope }: ScopedSelector,
  namespace: string,
  inventory: Inventory,
): OpenSelector | undefined {
  if (scope !== undefined && scope !== namespace) return undefined;
  const open: Requirement[] = [];
  for (const requirement of selector.requirements) {
    const isMet = isMetByNamespace(requirement, namespace, inventory);
    if (isMet === false) return undefined;
    if (isMet === undefined) open.push(requirement);
  }
  return open.length === 0 ? undefined : { whole: selector, open };
}

/** Undefined = it hangs on the pod. */
function isMetByNamespace(
  { source, key, operator, values }: Requirement,
  namespace: string,
  { namespaces, config }: Inventory,
): boolean | undefined {
  const isNegative = operator === "NotIn" || operator === "DoesNotExist";
  if (source !== "k8s" && source !== "any") return isNegative;
  const judge = (value: string | undefined) => {
    if (operator === "Exists" || operator === "DoesNotExist") return (value !== undefined) !== isNegative;
    return (value !== undefined && values.includes(value)) !== isNegative;
  };
  if (key === NAMESPACE_LABEL) return judge(namespace);
  if (key === CLUSTER_LABEL) return judge(config.clusterName ?? CLUSTER_NAME);
  if (key.startsWith(`${NAMESPACE_LABELS_PREFIX}.`)) {
    const name = key.slice(NAMESPACE_LABELS_PREFIX.length + 1);
    if (name === "kubernetes.io/metadata.name") return judge(namespace);
    const declared = namespaces.get(namespace);
    return declared === undefined ? undefined : judge(declared.labels[name]);
  }
  return undefined;
}

interface State {
  /** Selectors that are not failed yet. */
  readonly alive: readonly number[];
  readonly chosen: Readonly<Record<string, string>>;
}

/**
 * Every set of these selectors that one pod can meet together and no other, with the fewest labels that do it. Keys are decided
 * one by one; what leaves the same selectors alive is one way. Undefined = there are too many.
 */
function waysToMeet(selectors: readonly (readonly Requirement[])[]): Map<string, Record<string, string>> | undefined {
  const valuesByKey = new Map<string, Set<string>>();
  for (const requirements of selectors) {
    for (const { key, values } of requirements) {
      const known = valuesByKey.get(key) ?? new Set<string>();
      for (const value of values) known.add(value);
      valuesByKey.set(key, known);
    }
  }
  let states = new Map<string, State>([["", { alive: selectors.map((_, index) => index), chosen: {} }]]);
  for (const [key, values] of valuesByKey) {
    const next = new Map<string, State>();
    for (const { alive, chosen } of states.values()) {
      for (const value of [undefined, ...values, ANOTHER_VALUE]) {
        const left = alive.filter((index) => selectors[index]!.every((each) => each.key !== key || isMet(each, value)));
        const text = left.join();
        if (next.has(text)) continue;
        if (next.size >= MOST_WAYS) return undefined;
        next.set(text, { alive: left, chosen: value === undefined ? chosen : { ...chosen, [key]: value } });
      }
    }
    states = next;
  }
  return new Map([...states].map(([text, { chosen }]) => [text, chosen]));
}

function isMet({ operator, values }: Requirement, value: string | undefined): boolean {
  if (operator === "Exists") return value !== undefined;
  if (operator === "DoesNotExist") return value === undefined;
  return (value !== undefined && values.includes(value)) === (operator === "In");
}

function podOf(namespace: string, chosen: Readonly<Record<string, string>>, inventory: Inventory): ScenarioEndpoint {
  const labels: Record<string, string> = {};
  const namespaceLabels = namespaceLabelsOf(inventory, namespace);
  let serviceAccount = "default";
  for (const [key, value] of Object.entries(chosen)) {
    if (key === SERVICE_ACCOUNT_LABEL) serviceAccount = value;
    else if (!key.startsWith(`${NAMESPACE_LABELS_PREFIX}.`)) labels[key] = value;
    else if (namespace === OTHER_NAMESPACE) namespaceLabels[key.slice(NAMESPACE_LABELS_PREFIX.length + 1)] = value;
  }
  const text = Object.entries(chosen)
    .map(([key, value]) => `${key.replace(`${NAMESPACE_LABELS_PREFIX}.`, "namespace's ")}=${value}`)
    .sort()
    .join(",");
  const name = text === "" ? "any other pod" : `any pod with ${text}`;
  return { name, namespace, labels, namespaceLabels, serviceAccount };
}
