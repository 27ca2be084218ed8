import { NAMESPACE_LABELS_PREFIX } from "../model/identity.ts";
import type { Requirement, Selector } from "../model/selector.ts";
import type { Suppositions } from "./cluster.ts";
import type { Inventory } from "./inventory.ts";

/** One way in which namespaces that no object declares may be labelled. */
export type SupposedLabels = NonNullable<Suppositions["namespaceLabels"]>;

/** Ways that are tried; beyond them the labels count as unknown whatever the verdicts are. */
const MOST_WAYS = 64;
/** Stands for every value that no policy names; no label may have it. */
const ANOTHER_VALUE = "<another value>";

interface Unknown {
  readonly namespace: string;
  readonly key: string;
  /** Undefined = the label is not there. */
  readonly values: readonly (string | undefined)[];
}

/** By the policies: the same ones are asked about for every pair of namespaces. */
const knownValues = new WeakMap<Inventory["policies"], ReadonlyMap<string, ReadonlySet<string>>>();

/** Labels of namespaces that policies look at, and the values that they compare them with. */
export function valuesByLabel(inventory: Inventory): ReadonlyMap<string, ReadonlySet<string>> {
  const known = knownValues.get(inventory.policies);
  if (known !== undefined) return known;
  const valuesByKey = new Map<string, Set<string>>();
  for (const { key, operator, values } of requirementsOf(inventory)) {
    if (!key.startsWith(`${NAMESPACE_LABELS_PREFIX}.`)) continue;
    const name = key.slice(NAMESPACE_LABELS_PREFIX.length + 1);
    const found = valuesByKey.get(name) ?? new Set<string>();
    if (operator === "In" || operator === "NotIn") for (const value of values) found.add(value);
    valuesByKey.set(name, found);
  }
  // Every namespace has its name as a label, whoever declares it.
  valuesByKey.delete("kubernetes.io/metadata.name");
  knownValues.set(inventory.policies, valuesByKey);
  return valuesByKey;
}

/** What of the namespaces' labels the policies look at and no object says. */
function unknownsOf(inventory: Inventory, namespaces: Iterable<string>): Unknown[] {
  const undeclared = [...new Set(namespaces)].filter((namespace) => !inventory.namespaces.has(namespace));
  return undeclared.flatMap((namespace) =>
    [...valuesByLabel(inventory)].map(([key, values]) => ({
      namespace,
      key,
      values: [undefined, ...values, ANOTHER_VALUE],
    })),
  );
}

function* requirementsOf({ policies }: Inventory): Iterable<Requirement> {
  const of = (selector: Selector | { readonly kind: "service" }) =>
    selector.kind === "labels" ? selector.requirements : [];
  for (const { rules } of policies) {
    for (const { subject, elements } of rules) {
      yield* subject.requirements;
      for (const { peers } of elements) for (const peer of peers) yield* of(peer);
    }
  }
}

/** Undefined = there are more ways than can be tried. The first one has no labels. */
export function waysToLabel(inventory: Inventory, namespaces: Iterable<string>): SupposedLabels[] | undefined {
  let ways: SupposedLabels[] = [{}];
  for (const { namespace, key, values } of unknownsOf(inventory, namespaces)) {
    if (ways.length * values.length > MOST_WAYS) return undefined;
    ways = ways.flatMap((way) =>
      values.map((value) => {
        if (value === undefined) return way;
        return { ...way, [namespace]: { ...way[namespace], [key]: value } };
      }),
    );
  }
  return ways;
}

/**
 * The fact that is missing where `verdicts`, one for each way, differ: the labels without which they would not. Without
 * verdicts all labels are named that policies look at.
 */
export function missingLabels(
  inventory: Inventory,
  namespaces: Iterable<string>,
  ways: readonly SupposedLabels[] = [],
  verdicts: readonly string[] = [],
): string {
  const decides = ({ namespace, key }: Unknown) => {
    const byRest = Map.groupBy(ways.keys(), (index) => {
      const { [key]: _left, ...rest } = ways[index]![namespace] ?? {};
      return JSON.stringify({ ...ways[index], [namespace]: rest }, sortedKeys);
    });
    return [...byRest.values()].some((indexes) => new Set(indexes.map((index) => verdicts[index])).size > 1);
  };
  const unknowns = unknownsOf(inventory, namespaces).filter((each) => verdicts.length === 0 || decides(each));
  const names = [...new Set(unknowns.map(({ namespace }) => namespace))].join(", ");
  const keys = [...new Set(unknowns.map(({ key }) => key))].join(", ");
  return `the labels of namespace ${names}: policies look at ${keys}, and no Namespace object says it`;
}

/** For JSON that does not hang on the order in which keys came, nor on empty parts. */
function sortedKeys(_key: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(
    ([, part]) => typeof part !== "object" || Object.keys(part as object).length > 0,
  );
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}
