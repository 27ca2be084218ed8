import { type Cidr, cidrContains, formatCidr } from "./cidr.ts";
import { encodedGroupKey } from "./cidr-group-label.ts";
import { cidrOfKey, cidrOfLabels, hasWorldLabel } from "./cidr-label.ts";
import { type Label, type Labels, splitSource } from "./label.ts";

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

/** Selects the addresses that a name stands for: identities that carry the label `fqdn:<name or pattern>`. */
export interface FqdnSelector {
  readonly kind: "fqdn";
  readonly matchName?: string;
  readonly matchPattern?: string;
  readonly text: string;
}

/**
 * Selects what is outside the cluster and in a CIDR group, and in none of `except`. A value is sought as Cilium encodes it:
 * as a label whose key is `key<separator>value`, because one prefix may be in several groups.
 */
export interface CidrGroupSelector {
  readonly kind: "cidrGroup";
  readonly requirements: readonly Requirement[];
  readonly except: readonly Cidr[];
  readonly text: string;
}

export type Selector = LabelSelector | CidrSelector | FqdnSelector | CidrGroupSelector;

/** A requirement on `source:key`; a key without a source matches every source. */
export function requirement(key: string, operator: SelectorOperator, values: readonly string[] = []): Requirement {
  const { source, rest } = splitSource(key);
  return {
    source: source || "any",
    key: rest,
    operator,
    values: values.length > 1 ? [...new Set(values)].sort() : values,
  };
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

export function fqdnSelector(name: { readonly matchName?: string; readonly matchPattern?: string }): FqdnSelector {
  return { kind: "fqdn", ...name, text: `fqdn:${name.matchName ?? ""},${name.matchPattern ?? ""}` };
}

/** Requirements have the source `cidrgroup`. A group by its name: `Exists` on the key `CIDR_GROUP_NAME_PREFIX + name`. */
export function cidrGroupSelector(
  requirements: readonly Requirement[],
  except: readonly Cidr[] = [],
): CidrGroupSelector {
  const text = requirements.map(requirementText).sort().join(",");
  const minus = except.map(formatCidr).sort();
  return { kind: "cidrGroup", requirements, except, text: `cidrgroup:${[`{${text}}`, ...minus].join("-")}` };
}

export function isWildcard(selector: Selector): boolean {
  return selector.kind === "labels" && selector.requirements.length === 0;
}

export interface SelectOptions {
  /** Whether CIDRs select nodes too (Cilium's `policy-cidr-match-mode=nodes`); default false. */
  readonly cidrsMatchNodes?: boolean;
  /** The family that the label `reserved:world` stands for; 0 = none, where both are enabled; default 4. */
  readonly worldFamily?: 4 | 6 | 0;
}

/** True when an identity with these labels is selected. */
export function selects(selector: Selector, labels: Labels, options: SelectOptions = {}): boolean {
  switch (selector.kind) {
    case "labels":
      for (const requirement of selector.requirements) if (!isMet(requirement, labels)) return false;
      return true;
    case "cidr":
      return (
        isOutside(labels, options) &&
        covers(selector.cidr, labels, options) &&
        !isExcepted(selector.except, labels, options)
      );
    case "cidrGroup":
      return (
        isOutside(labels, options) &&
        selector.requirements.every((condition) => isGroupMet(condition, labels)) &&
        !isExcepted(selector.except, labels, options)
      );
    case "fqdn": {
      const key = fqdnLabelKey(selector);
      return labels.some((label) => label.source === "fqdn" && label.key === key);
    }
  }
}

/** Key of the label, source `fqdn`, that an address gets when its name matches. */
export function fqdnLabelKey({ matchName, matchPattern }: Omit<FqdnSelector, "kind" | "text">): string {
  return matchName ?? matchPattern ?? "";
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

/** CIDR selectors are for what is outside the cluster, and for nodes where that is asked for. */
function isOutside(labels: Labels, { cidrsMatchNodes = false }: SelectOptions): boolean {
  return hasWorldLabel(labels) || (cidrsMatchNodes && labels.some(isNodeLabel));
}

function isNodeLabel({ source, key }: Label): boolean {
  return source === "reserved" && (key === "host" || key === "remote-node");
}

function isExcepted(except: readonly Cidr[], labels: Labels, options: SelectOptions): boolean {
  return except.some((excluded) => covers(excluded, labels, options));
}

/** In and NotIn look for the encoded value, the others for the plain key. */
function isGroupMet({ source, key, operator, values }: Requirement, labels: Labels): boolean {
  const has = (wanted: string) => labels.some((label) => label.source === source && label.key === wanted);
  switch (operator) {
    case "In":
      return values.some((value) => has(encodedGroupKey(key, value)));
    case "NotIn":
      return !values.some((value) => has(encodedGroupKey(key, value)));
    case "Exists":
      return has(key);
    case "DoesNotExist":
      return !has(key);
  }
}

/** Keys of the labels that a prefix of length 0 stands for: the world of its family. */
export function worldKeys(family: 4 | 6, { worldFamily = 4 }: SelectOptions): string[] {
  return family === worldFamily ? ["world", `world-ipv${family}`] : [`world-ipv${family}`];
}

/** A prefix of length 0 covers identities without a prefix too. */
function covers(outer: Cidr, labels: Labels, options: SelectOptions): boolean {
  if (outer.length > 0) {
    const inner = cidrOfLabels(labels);
    return inner !== undefined && cidrContains(outer, inner);
  }
  const keys = worldKeys(outer.family, options);
  return labels.some(({ source, key }) => source === "reserved" && keys.includes(key));
}
