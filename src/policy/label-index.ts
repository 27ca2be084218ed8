import { type Cidr, cidrContains, formatCidr } from "../model/cidr.ts";
import { encodedGroupKey } from "../model/cidr-group-label.ts";
import { cidrOfKey, WORLD_KEYS } from "../model/cidr-label.ts";
import type { Label } from "../model/label.ts";
import { prefixKeys } from "../model/prefix-keys.ts";
import {
  type CidrGroupSelector,
  type CidrSelector,
  fqdnLabelKey,
  type Requirement,
  type SelectOptions,
  type Selector,
  type SelectorOperator,
  worldKeys,
} from "../model/selector.ts";

/**
 * One condition of a selector, as a set of labels: it is met by an identity that has one of them, or, when `negative`, has
 * none of them. Every kind of selector comes down to a conjunction of these, because an identity has at most one label a key.
 */
export interface Condition {
  readonly negative: boolean;
  /** Numbers of the labels that exist and belong to the set; grows as labels appear. */
  readonly labels: ReadonlySet<number>;
  /** The label of a set of one, as most are; else -1. */
  readonly only: number;
}

/** What belongs to a condition's set: labels of some keys that pass a test, and labels of prefixes in another prefix. */
interface Membership {
  readonly keys: readonly string[];
  /** The only values that may pass; absent = any may. */
  readonly values?: readonly string[];
  readonly hasLabel: (label: Label) => boolean;
  /** Labels of prefixes in this one belong to it too. */
  readonly around?: Cidr;
}

interface SharedCondition extends Condition, Membership {
  readonly id: string;
  readonly labels: Set<number>;
  only: number;
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
  return { keys, hasLabel: (label) => label.source === source };
}

function inPrefix(outer: Cidr, options: SelectOptions): Membership {
  if (outer.length === 0) return withKeys(worldKeys(outer.family, options), "reserved");
  return { keys: [], hasLabel: () => false, around: outer };
}

function meeting({ source, key, operator, values }: Requirement, options: SelectOptions): Membership {
  const outer = source === "cidr" ? cidrOfKey(key) : undefined;
  // A `cidr:` label has no value and satisfies every `cidr:` key that contains it.
  if (outer !== undefined)
    return !hasValues(operator) || values.includes("") ? inPrefix(outer, options) : withKeys([], "none");
  const isOfSource = (label: Label) => source === "any" || label.source === source;
  if (!hasValues(operator)) return { keys: [key], hasLabel: isOfSource };
  const wanted = new Set(values);
  return { keys: [key], values, hasLabel: (label) => isOfSource(label) && wanted.has(label.value) };
}

function meetingGroup({ source, key, operator, values }: Requirement): Membership {
  return withKeys(hasValues(operator) ? values.map((value) => encodedGroupKey(key, value)) : [key], source);
}

function hasValues(operator: SelectorOperator): boolean {
  return operator === "In" || operator === "NotIn";
}

/** Numbers every label that occurs, and keeps the conditions of all selectors up to date with them. */
export class LabelIndex {
  private readonly labels: Label[] = [];
  /** By `key=value`: the last such label. */
  private readonly latest = new Map<string, number>();
  /** By label number: the one before it with the same key and value, of another source. Most have none. */
  private readonly earlier = new Map<number, number>();
  private readonly byKey = new Map<string, number[]>();
  /** Labels of the source `cidr`, with the prefix that each names, under all of its `prefixKeys`. */
  private readonly prefixes = new Map<number, { readonly number: number; readonly cidr: Cidr }[]>();
  private readonly conditions = new Map<string, SharedCondition>();
  private readonly keyConditions = new Map<string, SharedCondition[]>();
  /** Under the last of the `prefixKeys` of what they are around. */
  private readonly prefixConditions = new Map<number, SharedCondition[]>();
  /** By label number: the conditions whose set holds it; most labels are in none. */
  private readonly holders = new Map<number, SharedCondition[]>();
  private readonly options: SelectOptions;

  constructor(options: SelectOptions = {}) {
    this.options = options;
  }

  label(number: number): Label {
    return this.labels[number]!;
  }

  /** The number of a label, a new one if it was never seen. */
  number(label: Label): number {
    const { source, key, value } = label;
    const text = `${key}=${value}`;
    const last = this.latest.get(text);
    for (let number = last; number !== undefined; number = this.earlier.get(number)) {
      const known = this.labels[number]!;
      if (known.source === source && known.key === key) return number;
    }
    const number = this.labels.push(label) - 1;
    this.latest.set(text, number);
    if (last !== undefined) this.earlier.set(number, last);
    append(this.byKey, label.key, number);
    for (const condition of this.keyConditions.get(label.key) ?? []) {
      if (condition.hasLabel(label)) this.include(condition, number);
    }
    const cidr = label.source === "cidr" ? cidrOfKey(label.key) : undefined;
    if (cidr === undefined) return number;
    for (const key of prefixKeys(cidr)) {
      append(this.prefixes, key, { number, cidr });
      for (const condition of this.prefixConditions.get(key) ?? [])
        if (cidrContains(condition.around!, cidr)) this.include(condition, number);
    }
    return number;
  }

  /** Conditions whose set holds the label. */
  conditionsWith(number: number): readonly Condition[] {
    return this.holders.get(number) ?? NO_CONDITIONS;
  }

  /** Conditions that are all met by exactly the identities that the selector selects. Give them back with `release`. */
  conditionsOf(selector: Selector): readonly Condition[] {
    switch (selector.kind) {
      case "labels":
        return selector.requirements.map((each) => this.required(each, meeting));
      case "fqdn": {
        const key = fqdnLabelKey(selector);
        return [this.condition(`fqdn ${key}`, false, () => withKeys([key], "fqdn"))];
      }
      case "cidr":
        return [this.inside(selector.cidr, false), this.outside(), ...this.except(selector)];
      case "cidrGroup": {
        const groups = selector.requirements.map((each) => this.required(each, meetingGroup));
        return [...groups, this.outside(), ...this.except(selector)];
      }
    }
  }

  release(conditions: readonly Condition[]): void {
    for (const condition of conditions as readonly SharedCondition[]) {
      if (--condition.users > 0) continue;
      this.conditions.delete(condition.id);
      for (const key of condition.keys) remove(this.keyConditions.get(key), condition);
      if (condition.around !== undefined)
        remove(this.prefixConditions.get(prefixKeys(condition.around).at(-1)!), condition);
      for (const number of condition.labels) remove(this.holders.get(number), condition);
    }
  }

  private required(wanted: Requirement, membershipOf: typeof meeting): Condition {
    const { source, key, operator, values } = wanted;
    const negative = operator === "NotIn" || operator === "DoesNotExist";
    const id = JSON.stringify([negative, source, key, hasValues(operator) ? values : null]);
    return this.condition(id, negative, () => membershipOf(wanted, this.options));
  }

  private inside(cidr: Cidr, negative: boolean): Condition {
    return this.condition(`${negative} ${formatCidr(cidr)}`, negative, () => inPrefix(cidr, this.options));
  }

  private except({ except }: CidrSelector | CidrGroupSelector): Condition[] {
    return except.map((cidr) => this.inside(cidr, true));
  }

  /** Whom CIDR selectors may select: what is outside the cluster, and nodes where that is asked for. */
  private outside(): Condition {
    const { cidrsMatchNodes = false } = this.options;
    const keys = cidrsMatchNodes ? [...WORLD_KEYS, ...NODE_KEYS] : WORLD_KEYS;
    return this.condition("outside", false, () => withKeys(keys, "reserved"));
  }

  /** Labels with this key and value, of any source. */
  private considerEach(condition: SharedCondition, key: string, value: string): void {
    for (let number = this.latest.get(`${key}=${value}`); number !== undefined; number = this.earlier.get(number))
      if (this.labels[number]!.key === key) this.consider(condition, number);
  }

  private consider(condition: SharedCondition, number: number): void {
    if (condition.hasLabel(this.labels[number]!)) this.include(condition, number);
  }

  private include(condition: SharedCondition, number: number): void {
    condition.labels.add(number);
    condition.only = condition.labels.size === 1 ? number : -1;
    append(this.holders, number, condition);
  }

  private condition(id: string, negative: boolean, membershipOf: () => Membership): Condition {
    const known = this.conditions.get(id);
    if (known !== undefined) {
      known.users++;
      return known;
    }
    const condition: SharedCondition = { ...membershipOf(), id, negative, labels: new Set(), only: -1, users: 1 };
    this.conditions.set(id, condition);
    this.fill(condition);
    return condition;
  }

  private fill(condition: SharedCondition): void {
    const { keys, values, around } = condition;
    for (const key of keys) {
      append(this.keyConditions, key, condition);
      if (values === undefined) for (const number of this.byKey.get(key) ?? []) this.consider(condition, number);
      else for (const value of values) this.considerEach(condition, key, value);
    }
    if (around === undefined) return;
    const key = prefixKeys(around).at(-1)!;
    append(this.prefixConditions, key, condition);
    for (const { number, cidr } of this.prefixes.get(key) ?? []) {
      if (cidrContains(around, cidr)) this.include(condition, number);
    }
  }
}
