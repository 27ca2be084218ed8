import { type Cidr, cidrContains, formatCidr } from "./cidr.ts";
import { cidrOfKey, cidrOfLabels, hasWorldLabel } from "./cidr-label.ts";
import { type Labels, splitSource } from "./label.ts";

export type SelectorOperator = "In" | "NotIn" | "Exists" | "DoesNotExist";

/** One condition on a label. `source` is `any` when a label of every source will do. */
export interface Requirement {
  readonly source: string;
  readonly key: string;
  readonly operator: SelectorOperator;
  readonly values: readonly string[];
}

/** Selects identities whose labels meet every requirement; none = all identities. */
export interface LabelSelector {
  readonly kind: "labels";
  readonly requirements: readonly Requirement[];
  /** Equal text, equal selector. */
  readonly text: string;
}

/** Selects what is outside the cluster, in `cidr` and in none of `except`. */
export interface CidrSelector {
  readonly kind: "cidr";
  readonly cidr: Cidr;
  readonly except: readonly Cidr[];
  readonly text: string;
}

export type Selector = LabelSelector | CidrSelector;

/** A requirement on `source:key`; a key without a source matches every source. */
export function requirement(key: string, operator: SelectorOperator, values: readonly string[] = []): Requirement {
  const { source, rest } = splitSource(key);
  return { source: source || "any", key: rest, operator, values: [...new Set(values)].sort() };
}

function requirementText({ source, key, operator, values }: Requirement): string {
  return JSON.stringify([source, key, operator, ...values]);
}

/** Makes a selector of requirements; their order does not matter. */
export function labelSelector(requirements: readonly Requirement[]): LabelSelector {
  const text = requirements.map(requirementText).sort().join(",");
  return { kind: "labels", requirements, text: `{${text}}` };
}

/** The selector of every identity. */
export const WILDCARD = labelSelector([]);

export function cidrSelector(cidr: Cidr, except: readonly Cidr[] = []): CidrSelector {
  const minus = except.map(formatCidr).sort();
  return { kind: "cidr", cidr, except, text: `cidr:${[formatCidr(cidr), ...minus].join("-")}` };
}

export function isWildcard(selector: Selector): boolean {
  return selector.kind === "labels" && selector.requirements.length === 0;
}

/** True when an identity with these labels is selected. */
export function selects(selector: Selector, labels: Labels): boolean {
  if (selector.kind === "cidr") return cidrSelects(selector, labels);
  return selector.requirements.every((condition) => isMet(condition, labels));
}

function isMet({ source, key, operator, values }: Requirement, labels: Labels): boolean {
  const value = source === "cidr" ? cidrValue(key, labels) : labelValue(source, key, labels);
  switch (operator) {
    case "In":
      return value !== undefined && values.includes(value);
    case "NotIn":
      return value === undefined || !values.includes(value);
    case "Exists":
      return value !== undefined;
    case "DoesNotExist":
      return value === undefined;
  }
}

function labelValue(source: string, key: string, labels: Labels): string | undefined {
  for (const label of labels) {
    if (label.key === key && (source === "any" || label.source === source)) return label.value;
  }
  return undefined;
}

/** A `cidr:` label satisfies every `cidr:` key that contains it. */
function cidrValue(key: string, labels: Labels): string | undefined {
  const outer = cidrOfKey(key);
  const inner = cidrOfLabels(labels);
  return outer !== undefined && inner !== undefined && cidrContains(outer, inner) ? "" : undefined;
}

function cidrSelects({ cidr, except }: CidrSelector, labels: Labels): boolean {
  if (!hasWorldLabel(labels)) return false;
  const inner = cidrOfLabels(labels);
  if (!cidrCovers(cidr, inner, labels)) return false;
  return !except.some((excluded) => cidrCovers(excluded, inner, labels));
}

/** A prefix of length 0 stands for the world label of its family, so it covers identities without a prefix too. */
function cidrCovers(outer: Cidr, inner: Cidr | undefined, labels: Labels): boolean {
  if (outer.length > 0) return inner !== undefined && cidrContains(outer, inner);
  return labels.some(
    (label) => label.source === "reserved" && (label.key === "world" || label.key === `world-ipv${outer.family}`),
  );
}
