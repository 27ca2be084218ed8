import { type Cidr, formatCidr, parseCidr, supernet } from "../model/cidr.ts";
import { cidrGroupLabels } from "../model/cidr-group-label.ts";
import { cidrKey, WORLD_KEYS } from "../model/cidr-label.ts";
import { type Label, type Labels, toLabels } from "../model/label.ts";
import { fqdnLabelKey } from "../model/selector.ts";
import { type Repository, requiredCidrs, requiredFqdns } from "./repository.ts";

/** A prefix outside the pods' range that is told apart from others, with the labels that it has by itself. */
export interface OutsidePrefix {
  readonly cidr: Cidr;
  readonly labels: readonly Label[];
}

/** Prefixes by their text, and the lengths that they have. */
export class OutsidePrefixes {
  private readonly byText = new Map<string, { readonly cidr: Cidr; readonly labels: Label[] }>();
  private readonly lengths = { 4: new Set<number>(), 6: new Set<number>() };

  add(text: string, labels: readonly Label[]): void {
    const cidr = parseCidr(text);
    if (cidr === undefined) return;
    const key = formatCidr(cidr);
    const known = this.byText.get(key) ?? { cidr, labels: [] };
    known.labels.push(...labels);
    this.byText.set(key, known);
    this.lengths[cidr.family].add(cidr.length);
  }

  has(cidr: Cidr): boolean {
    return this.byText.has(formatCidr(cidr));
  }

  entries(): Iterable<readonly [text: string, prefix: OutsidePrefix]> {
    return this.byText.entries();
  }

  /** The labels of the prefix and of all wider ones, each prefix's in a list, the longest first. */
  *around(cidr: Cidr): Iterable<readonly Label[]> {
    const lengths = [...this.lengths[cidr.family]].filter((length) => length <= cidr.length).sort((a, b) => b - a);
    for (const length of lengths) {
      const prefix = this.byText.get(formatCidr(supernet(cidr, length)));
      if (prefix !== undefined) yield prefix.labels;
    }
  }
}

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
 * Every prefix that policies tell apart: those that they name and those of groups that they select, and those of `given`,
 * whose labels come from elsewhere (names of addresses, API servers).
 */
export function outsidePrefixes(
  repository: Repository,
  given: Iterable<readonly [prefix: string, labels: readonly Label[]]>,
): OutsidePrefixes {
  const found = new OutsidePrefixes();
  for (const { cidrs, ...group } of repository.cidrGroups()) {
    for (const cidr of cidrs) found.add(cidr, cidrGroupLabels(group));
  }
  // A group's prefix has the group's labels alone, unless a policy names it too.
  for (const text of requiredCidrs(repository, { groups: false })) {
    found.add(text, [{ source: "cidr", key: cidrKey(parseCidr(text)!), value: "" }]);
  }
  for (const [text, labels] of given) found.add(text, labels);
  return found;
}

/**
 * The labels of a prefix's identity: its own and those of all wider prefixes, at most one `cidr:` label, the longest.
 * `more` are labels that an address has beside those that `prefixes` knows.
 */
export function labelsOutside(
  cidr: Cidr,
  prefixes: OutsidePrefixes,
  options: OutsideOptions,
  more: readonly Label[] = [],
): Labels {
  const labels = inheritedLabels(cidr, prefixes, more);
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
export function inheritedLabels(cidr: Cidr, prefixes: OutsidePrefixes, more: readonly Label[] = []): Label[] {
  const labels = new Map<string, Label>();
  let hasCidr = false;
  const around = [...prefixes.around(cidr)];
  around.splice(prefixes.has(cidr) ? 1 : 0, 0, more);
  for (const own of around) {
    for (const label of own) {
      if (label.source === "cidr" && hasCidr) continue;
      hasCidr ||= label.source === "cidr";
      if (!labels.has(label.key)) labels.set(label.key, label);
    }
  }
  return [...labels.values()];
}

/**
 * Who is outside, for the policies in force: each prefix that they tell apart with its identity's labels, and single
 * addresses that other things tell apart (`given`), all together or one by one as they change.
 */
export class OutsideLabels {
  private readonly repository: Repository;
  private readonly options: OutsideOptions;
  private readonly families: readonly (4 | 6)[];
  private known: { readonly revision: number; readonly prefixes: OutsidePrefixes } | undefined;

  constructor(repository: Repository, options: OutsideOptions & { readonly families: readonly (4 | 6)[] }) {
    this.repository = repository;
    this.options = options;
    this.families = options.families;
  }

  /** Every prefix of the families that are here, by its text. The whole address space is the world, which has an identity of its own. */
  all(given: Iterable<readonly [address: string, labels: readonly Label[]]>): ReadonlyMap<string, Labels> {
    const found = new Map<string, Labels>();
    for (const [text, { cidr }] of this.prefixes().entries()) {
      if (cidr.length > 0 && this.isHere(cidr)) found.set(text, labelsOutside(cidr, this.prefixes(), this.options));
    }
    const byAddress = new Map<string, Label[]>();
    for (const [address, labels] of given) {
      const together = byAddress.get(address);
      if (together === undefined) byAddress.set(address, [...labels]);
      else together.push(...labels);
    }
    for (const [address, labels] of byAddress) {
      const one = this.of(address, labels);
      if (one !== undefined) found.set(one.prefix, one.labels);
    }
    return found;
  }

  /**
   * What `all` says of one address when these are all the labels that it has beside the policies': its prefix and its
   * identity's labels. Undefined when nothing tells it apart, or when its family is not here.
   */
  of(address: string, given: readonly Label[]): { readonly prefix: string; readonly labels: Labels } | undefined {
    const cidr = parseCidr(address);
    if (cidr === undefined || !this.isHere(cidr)) return undefined;
    const prefixes = this.prefixes();
    if (given.length === 0 && !prefixes.has(cidr)) return undefined;
    return { prefix: formatCidr(cidr), labels: labelsOutside(cidr, prefixes, this.options, given) };
  }

  /**
   * The labels that an address gets when one `toFQDNs` selector selects a name of it and nothing else tells it apart, by
   * selector and family: an identity with them can be in the policies before the first answer comes.
   */
  expected(): ReadonlyMap<string, Labels> {
    const found = new Map<string, Labels>();
    for (const selector of requiredFqdns(this.repository)) {
      for (const family of this.families) {
        const world = { source: "reserved", key: this.options.worldKey(family), value: "" };
        found.set(
          `${selector.text} ${family}`,
          toLabels([{ source: "fqdn", key: fqdnLabelKey(selector), value: "" }, world]),
        );
      }
    }
    return found;
  }

  private isHere({ family }: Cidr): boolean {
    return this.families.includes(family);
  }

  private prefixes(): OutsidePrefixes {
    const { revision } = this.repository;
    if (this.known?.revision !== revision) {
      this.known = { revision, prefixes: outsidePrefixes(this.repository, []) };
    }
    return this.known.prefixes;
  }
}
