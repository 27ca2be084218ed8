import { type Cidr, cidrContains, formatCidr } from "../model/cidr.ts";
import { encodedGroupKey } from "../model/cidr-group-label.ts";
import { cidrOfKey, WORLD_KEYS } from "../model/cidr-label.ts";
import { formatLabel, type Label } from "../model/label.ts";
import { fqdnLabelKey, type Requirement, type SelectOptions, type Selector, worldKeys } from "../model/selector.ts";

/**
 * One condition of a selector, as a set of labels: it is met by an identity that has one of them, or, when `negative`, has
 * none of them. Every kind of selector comes down to a conjunction of these, because an identity has at most one label a key.
 */
export interface Condition {
  readonly negative: boolean;
  /** Numbers of the labels that exist and belong to the set; grows as labels appear. */
  readonly labels: ReadonlySet<number>;
}

/** What belongs to a condition's set: labels of some keys that pass a test, and labels of prefixes that pass another. */
interface Membership {
  readonly text: string;
  readonly keys: readonly string[];
  readonly hasLabel: (label: Label) => boolean;
  readonly hasPrefix?: (cidr: Cidr) => boolean;
}

interface SharedCondition extends Condition, Membership {
  readonly labels: Set<number>;
  users: number;
}

const NODE_KEYS = ["host", "remote-node"];

const NO_CONDITIONS: readonly Condition[] = [];

function append<K, T>(index: Map<K, T[]>, key: K, item: T): void {
  const list = index.get(key);
  if (list === undefined) index.set(key, [item]);
  else list.push(item);
}

function remove<T>(list: T[] | undefined, item: T): void {
  const index = list?.indexOf(item) ?? -1;
  if (index !== -1) list!.splice(index, 1);
}

/** Labels of one source and of these keys, whatever their value. */
function withKeys(keys: readonly string[], source: string): Membership {
  return { text: JSON.stringify([source, ...keys]), keys, hasLabel: (label) => label.source === source };
}

function inPrefix(outer: Cidr, options: SelectOptions): Membership {
  if (outer.length === 0) return withKeys(worldKeys(outer.family, options), "reserved");
  return {
    text: formatCidr(outer),
    keys: [],
    hasLabel: () => false,
    hasPrefix: (cidr) => cidrContains(outer, cidr),
  };
}

function meeting({ source, key, operator, values }: Requirement, options: SelectOptions): Membership {
  const wanted = operator === "In" || operator === "NotIn" ? new Set(values) : undefined;
  const outer = source === "cidr" ? cidrOfKey(key) : undefined;
  // A `cidr:` label has no value and satisfies every `cidr:` key that contains it.
  if (outer !== undefined)
    return wanted === undefined || wanted.has("") ? inPrefix(outer, options) : withKeys([], "none");
  return {
    text: JSON.stringify([source, key, wanted === undefined ? null : values]),
    keys: [key],
    hasLabel: (label) =>
      (source === "any" || label.source === source) && (wanted === undefined || wanted.has(label.value)),
  };
}

function meetingGroup({ source, key, operator, values }: Requirement): Membership {
  const hasValue = operator === "In" || operator === "NotIn";
  return withKeys(hasValue ? values.map((value) => encodedGroupKey(key, value)) : [key], source);
}

function isNegative({ operator }: Requirement): boolean {
  return operator === "NotIn" || operator === "DoesNotExist";
}

/** Numbers every label that occurs, and keeps the conditions of all selectors up to date with them. */
export class LabelIndex {
  private readonly labels: Label[] = [];
  private readonly numbers = new Map<string, number>();
  private readonly byKey = new Map<string, number[]>();
  /** Labels of the source `cidr`, with the prefix that each names. */
  private readonly prefixes: { readonly number: number; readonly cidr: Cidr }[] = [];
  private readonly conditions = new Map<string, SharedCondition>();
  private readonly keyConditions = new Map<string, SharedCondition[]>();
  private readonly prefixConditions: SharedCondition[] = [];
  /** By label number: the conditions whose set holds it; most labels are in none. */
  private readonly holders = new Map<number, SharedCondition[]>();
  /** Whom CIDR selectors may select: what is outside the cluster, and nodes where that is asked for. */
  private readonly outside: Membership;
  private readonly options: SelectOptions;

  constructor(options: SelectOptions = {}) {
    const { cidrsMatchNodes = false } = options;
    this.options = options;
    this.outside = withKeys(cidrsMatchNodes ? [...WORLD_KEYS, ...NODE_KEYS] : WORLD_KEYS, "reserved");
  }

  label(number: number): Label {
    return this.labels[number]!;
  }

  /** The number of a label, a new one if it was never seen. */
  number(label: Label): number {
    const text = formatLabel(label);
    const known = this.numbers.get(text);
    if (known !== undefined) return known;
    const number = this.labels.push(label) - 1;
    this.numbers.set(text, number);
    append(this.byKey, label.key, number);
    for (const condition of this.keyConditions.get(label.key) ?? []) {
      if (condition.hasLabel(label)) this.include(condition, number);
    }
    const cidr = label.source === "cidr" ? cidrOfKey(label.key) : undefined;
    if (cidr === undefined) return number;
    this.prefixes.push({ number, cidr });
    for (const condition of this.prefixConditions) if (condition.hasPrefix!(cidr)) this.include(condition, number);
    return number;
  }

  /** Conditions whose set holds the label. */
  conditionsWith(number: number): readonly Condition[] {
    return this.holders.get(number) ?? NO_CONDITIONS;
  }

  /** Conditions that are all met by exactly the identities that the selector selects. Give them back with `release`. */
  conditionsOf(selector: Selector): readonly Condition[] {
    const except = (cidrs: readonly Cidr[]) => cidrs.map((cidr) => this.condition(inPrefix(cidr, this.options), true));
    switch (selector.kind) {
      case "labels":
        return selector.requirements.map((each) => this.condition(meeting(each, this.options), isNegative(each)));
      case "fqdn":
        return [this.condition(withKeys([fqdnLabelKey(selector)], "fqdn"), false)];
      case "cidr":
        return [
          this.condition(inPrefix(selector.cidr, this.options), false),
          this.condition(this.outside, false),
          ...except(selector.except),
        ];
      case "cidrGroup":
        return [
          ...selector.requirements.map((each) => this.condition(meetingGroup(each), isNegative(each))),
          this.condition(this.outside, false),
          ...except(selector.except),
        ];
    }
  }

  release(conditions: readonly Condition[]): void {
    for (const condition of conditions as readonly SharedCondition[]) {
      if (--condition.users > 0) continue;
      this.conditions.delete(`${condition.negative}${condition.text}`);
      for (const key of condition.keys) remove(this.keyConditions.get(key), condition);
      remove(this.prefixConditions, condition);
      for (const number of condition.labels) remove(this.holders.get(number), condition);
    }
  }

  private include(condition: SharedCondition, number: number): void {
    condition.labels.add(number);
    append(this.holders, number, condition);
  }

  private condition(membership: Membership, negative: boolean): Condition {
    const id = `${negative}${membership.text}`;
    const known = this.conditions.get(id);
    if (known !== undefined) {
      known.users++;
      return known;
    }
    const condition: SharedCondition = { ...membership, negative, labels: new Set(), users: 1 };
    this.conditions.set(id, condition);
    this.fill(condition);
    return condition;
  }

  private fill(condition: SharedCondition): void {
    const { keys, hasLabel, hasPrefix } = condition;
    for (const key of keys) {
      append(this.keyConditions, key, condition);
      for (const number of this.byKey.get(key) ?? [])
        if (hasLabel(this.labels[number]!)) this.include(condition, number);
    }
    if (hasPrefix === undefined) return;
    this.prefixConditions.push(condition);
    for (const { number, cidr } of this.prefixes) if (hasPrefix(cidr)) this.include(condition, number);
  }
}
