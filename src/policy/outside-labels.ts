import { type Cidr, formatCidr, parseCidr, supernet } from "../model/cidr.ts";
import { cidrGroupLabels } from "../model/cidr-group-label.ts";
import { cidrKey, WORLD_KEYS } from "../model/cidr-label.ts";
import { type Label, type Labels, toLabels } from "../model/label.ts";
import { type Repository, requiredCidrs } from "./repository.ts";

/** A prefix outside the pods' range that is told apart from others, with the labels that it has by itself. */
export interface OutsidePrefix {
  readonly cidr: Cidr;
  readonly labels: readonly Label[];
}

export type OutsidePrefixes = ReadonlyMap<string, OutsidePrefix>;

export interface OutsideOptions {
  /** Key of the reserved label of what is outside, by family. */
  readonly worldKey: (family: 4 | 6) => string;
  /** Whether CIDRs select nodes too; default false. */
  readonly cidrsMatchNodes?: boolean;
}

const IN_CLUSTER = ["host", "remote-node", "health", "ingress"];
const OUTSIDE_SOURCES = ["cidr", "fqdn", "cidrgroup"];

function isReserved(label: Label, keys: readonly string[]): boolean {
  return label.source === "reserved" && keys.includes(label.key);
}

/**
 * Every prefix that policies tell apart, by its text: those that they name and those of groups that they select, and those
 * of `given`, whose labels come from elsewhere (names of addresses, API servers).
 */
export function outsidePrefixes(
  repository: Repository,
  given: Iterable<readonly [prefix: string, labels: readonly Label[]]>,
): OutsidePrefixes {
  const found = new Map<string, { readonly cidr: Cidr; readonly labels: Label[] }>();
  const add = (text: string, labels: readonly Label[]) => {
    const cidr = parseCidr(text);
    if (cidr === undefined) return;
    const key = formatCidr(cidr);
    const known = found.get(key) ?? { cidr, labels: [] };
    known.labels.push(...labels);
    found.set(key, known);
  };
  for (const { cidrs, ...group } of repository.cidrGroups()) {
    for (const cidr of cidrs) add(cidr, cidrGroupLabels(group));
  }
  // A group's prefix has the group's labels alone, unless a policy names it too.
  for (const text of requiredCidrs(repository, { groups: false })) {
    add(text, [{ source: "cidr", key: cidrKey(parseCidr(text)!), value: "" }]);
  }
  for (const [text, labels] of given) add(text, labels);
  return found;
}

/** The labels of a prefix's identity: its own and those of all wider prefixes, at most one `cidr:` label, the longest. */
export function labelsOutside(cidr: Cidr, prefixes: OutsidePrefixes, options: OutsideOptions): Labels {
  const labels = inheritedLabels(cidr, prefixes);
  const isNode = labels.some((label) => isReserved(label, ["host", "remote-node"]));
  if (!isNode && !labels.some((label) => isReserved(label, IN_CLUSTER)))
    return toLabels([...labels, { source: "reserved", key: options.worldKey(cidr.family), value: "" }]);
  // What is in the cluster is not outside it: the labels that contradict each other go.
  const keepsCidr = isNode && options.cidrsMatchNodes === true;
  return toLabels(
    labels.filter((label) => !isReserved(label, WORLD_KEYS) && (keepsCidr || !OUTSIDE_SOURCES.includes(label.source))),
  );
}

/** The nearer prefix's labels first; of equal keys the nearer counts. */
export function inheritedLabels(cidr: Cidr, prefixes: OutsidePrefixes): Label[] {
  const labels = new Map<string, Label>();
  let hasCidr = false;
  for (let length = cidr.length; length >= 0; length--) {
    for (const label of prefixes.get(formatCidr(supernet(cidr, length)))?.labels ?? []) {
      if (label.source === "cidr" && hasCidr) continue;
      hasCidr ||= label.source === "cidr";
      if (!labels.has(label.key)) labels.set(label.key, label);
    }
  }
  return [...labels.values()];
}
