import { formatCidr } from "../model/cidr.ts";
import { compareText, type Labels } from "../model/label.ts";
import { Limits } from "../model/limits.ts";
import { type FqdnSelector, isWildcard, type Selector, selects } from "../model/selector.ts";
import type { Direction } from "../model/verdict.ts";
import { type Origins, originOf } from "./origin.ts";
import type { Ranked } from "./precedence.ts";
import type { CidrGroup, Peer, PeerRule, PolicyKey, Rule } from "./rule.ts";
import { type Selection, SelectorCache } from "./selector-cache.ts";
import { type ServiceFacts, selectorsOfService } from "./service-peers.ts";
import { EVERY_PORT, l7SettingsOf, PortFilters, type Side, type Statement } from "./statement.ts";

/** A rule as resolution needs it. */
export interface CompiledRule {
  readonly rule: Rule;
  /** Absent where it has no element. */
  readonly sides: Readonly<Partial<Record<Direction, Side>>>;
}

/** A policy in force: its name and its rules. */
export interface StoredPolicy {
  readonly key: PolicyKey;
  readonly rules: readonly Rule[];
}

interface MutableSide extends Side {
  readonly statements: Statement[];
  readonly ranks: Ranked[];
}

interface Entry extends StoredPolicy {
  readonly id: string;
  /** Made when an endpoint first needs it, and again when a service changes. */
  compiled: readonly CompiledRule[] | undefined;
  /** What `compiled` holds of the selector cache. */
  selections: Selection[];
}

/** A policy with those of its rules that select a subject. */
interface Match {
  readonly entry: Entry;
  readonly rules: readonly Rule[];
}

/** The policies of one subject: endpoints are computed again and again, and mostly for a change of one policy. */
interface SubjectMatches {
  readonly namespace: string;
  readonly isNode: boolean;
  /** Clusterwide policies and those of the namespace, each part sorted by name. */
  readonly parts: readonly [Match[], Match[]];
}

const NO_ENTRIES: readonly Entry[] = [];
const NO_RULES: readonly Rule[] = [];

function idOf({ kind, namespace, name }: Omit<PolicyKey, "uid">): string {
  return `${kind}\n${namespace}\n${name}`;
}

/** Every policy that this agent knows and has accepted, over the identities of one selector cache. */
export class Repository {
  readonly selectors: SelectorCache;
  readonly filters = new PortFilters();
  private readonly policies = new Map<string, Entry>();
  private readonly byNamespace = new Map<string, Entry[]>();
  private readonly services = new Map<string, ServiceFacts>();
  private readonly groups = new Map<string, CidrGroup>();
  /** By the labels of the subject (one array a subject: equal arrays are not looked for); the oldest go first. */
  private readonly subjects = new Map<Labels, SubjectMatches>();
  private count = 1;

  constructor(selectors: SelectorCache = new SelectorCache()) {
    this.selectors = selectors;
  }

  /** Grows with every change. */
  get revision(): number {
    return this.count;
  }

  /** Adds the policy or replaces the one with the same kind, namespace and name. */
  upsert(key: PolicyKey, rules: readonly Rule[]): void {
    const id = idOf(key);
    const old = this.policies.get(id);
    const entry: Entry = { id, key, rules, compiled: undefined, selections: [] };
    this.policies.set(id, entry);
    const siblings = this.byNamespace.get(key.namespace) ?? [];
    // Kept sorted by name, so that results do not depend on the order of arrival.
    siblings.splice(placeOf(siblings, id, itself), old === undefined ? 0 : 1, entry);
    this.byNamespace.set(key.namespace, siblings);
    for (const [labels, matches] of this.subjects) rematch(labels, matches, old, entry);
    // What the new rules share with the old ones is not computed again.
    if (old?.compiled !== undefined) this.compiledOf(entry);
    if (old !== undefined) this.drop(old);
    this.count++;
  }

  /** False when there was no such policy. */
  remove(key: Omit<PolicyKey, "uid">): boolean {
    const entry = this.policies.get(idOf(key));
    if (entry === undefined) return false;
    this.policies.delete(entry.id);
    const siblings = this.byNamespace.get(key.namespace)!;
    siblings.splice(placeOf(siblings, entry.id, itself), 1);
    if (siblings.length === 0) this.byNamespace.delete(key.namespace);
    for (const [labels, matches] of this.subjects) rematch(labels, matches, entry, undefined);
    this.drop(entry);
    this.count++;
    return true;
  }

  /** Rules of a policy that is in force; none when there is no such policy. */
  rulesOf(key: Omit<PolicyKey, "uid">): readonly Rule[] {
    return this.policies.get(idOf(key))?.rules ?? [];
  }

  /** The same as resolution needs them: made now where no endpoint needed them before. */
  compiledRulesOf(key: Omit<PolicyKey, "uid">): readonly CompiledRule[] {
    const entry = this.policies.get(idOf(key));
    return entry === undefined ? [] : this.compiledOf(entry);
  }

  /** What `toServices` sees; undefined = the service is gone. True when some policy names services. */
  setService(namespace: string, name: string, service: ServiceFacts | undefined): boolean {
    const id = `${namespace}/${name}`;
    if (service === undefined) this.services.delete(id);
    else this.services.set(id, service);
    const naming = [...this.policies.values()].filter((entry) => entry.rules.some(namesServices));
    for (const entry of naming) this.drop(entry);
    this.count++;
    return naming.length > 0;
  }

  /** Undefined = the group is gone. Its prefixes are in `requiredCidrs` while a policy selects groups. */
  setCidrGroup(name: string, group: CidrGroup | undefined): void {
    if (group === undefined) this.groups.delete(name);
    else this.groups.set(name, group);
    this.count++;
  }

  cidrGroups(): Iterable<CidrGroup> {
    return this.groups.values();
  }

  /** Whom the peer means now. */
  selectorsOf(peer: Peer): readonly Selector[] {
    return peer.kind === "service" ? selectorsOfService(peer, this.services.values()) : [peer];
  }

  /** Every policy, sorted by name. */
  list(): readonly StoredPolicy[] {
    return [...this.policies.values()].sort((a, b) => compareText(a.id, b.id));
  }

  /**
   * Rules whose subject has these labels: clusterwide ones and those of its namespace. Rules for nodes select the node alone,
   * all others never do.
   */
  rulesSelecting(labels: Labels, namespace: string | undefined, isNode: boolean): CompiledRule[] {
    const found: CompiledRule[] = [];
    for (const part of this.matchesFor(labels, namespace ?? "", isNode).parts) {
      for (const { entry, rules } of part) {
        for (const compiled of this.compiledOf(entry)) if (rules.includes(compiled.rule)) found.push(compiled);
      }
    }
    return found;
  }

  private matchesFor(labels: Labels, namespace: string, isNode: boolean): SubjectMatches {
    const known = this.subjects.get(labels);
    if (known !== undefined && known.namespace === namespace && known.isNode === isNode) return known;
    const matches: SubjectMatches = { namespace, isNode, parts: [[], []] };
    const own = namespace === "" ? undefined : this.byNamespace.get(namespace);
    for (const [place, entries] of [this.byNamespace.get(""), own].entries()) {
      for (const entry of entries ?? NO_ENTRIES) {
        const rules = rulesAbout(entry, labels, isNode);
        if (rules.length > 0) matches.parts[place]!.push({ entry, rules });
      }
    }
    this.subjects.set(labels, matches);
    if (this.subjects.size > Limits.CachedSubjects) this.subjects.delete(this.subjects.keys().next().value!);
    return matches;
  }

  /** The rules as `cilium policy get` prints them. */
  toApi(): unknown[] {
    return this.list().flatMap(({ rules }) => rules.map(({ api }) => api));
  }

  private compiledOf(entry: Entry): readonly CompiledRule[] {
    entry.compiled ??= entry.rules.map((rule) => this.compile(entry, rule));
    return entry.compiled;
  }

  private drop(entry: Entry): void {
    for (const selection of entry.selections) this.selectors.release(selection);
    entry.selections = [];
    entry.compiled = undefined;
  }

  private compile(entry: Entry, rule: Rule): CompiledRule {
    const sides: Partial<Record<Direction, MutableSide>> = {};
    const { labels, log } = rule;
    for (const element of rule.elements) {
      const origins = [originOf(entry.key, labels, log, element.path)];
      sides[element.direction] ??= { statements: [], ranks: [], first: origins };
      const side = sides[element.direction]!;
      if (!side.ranks.some((known) => isSameRank(known, element))) side.ranks.push(element);
      this.state(element, log ?? "", origins, this.selectionsOf(entry, element.peers), side.statements);
    }
    return { rule, sides };
  }

  /** Writes out what the element says to each selection; no `ports` = every port of every protocol. */
  private state(
    { ports, verdict, tier, priority, auth }: PeerRule,
    log: string,
    origins: Origins,
    selections: readonly (Selection | undefined)[],
    statements: Statement[],
  ): void {
    for (const rule of ports ?? EVERY_PORT) {
      for (const spec of rule.ports) {
        const filter = this.filters.of(spec);
        const l7 = l7SettingsOf(rule, spec.protocol);
        for (const selection of selections)
          statements.push({ filter, selection, verdict, tier, priority, l7, auth, log, origins });
      }
    }
  }

  /** Undefined stands for every peer. Beside it the element's other peers are nobody by themselves, as in Cilium. */
  private selectionsOf(entry: Entry, peers: readonly Peer[]): (Selection | undefined)[] {
    if (peers.some((peer) => peer.kind === "labels" && isWildcard(peer))) return [undefined];
    const selections: (Selection | undefined)[] = [];
    for (const peer of peers) {
      for (const selector of this.selectorsOf(peer)) {
        const selection = this.selectors.retain(selector);
        entry.selections.push(selection);
        selections.push(selection);
      }
    }
    return selections;
  }
}

/** Those of its rules that select the subject. */
function rulesAbout({ rules }: Entry, labels: Labels, isNode: boolean): readonly Rule[] {
  let count = 0;
  for (let index = 0; index < rules.length; index++) if (isAbout(rules[index]!, labels, isNode)) count++;
  // There are many lists of one rule, and a filtered one has room to spare.
  if (count === rules.length) return rules;
  return count === 0 ? NO_RULES : rules.filter((rule) => isAbout(rule, labels, isNode)).slice();
}

function isAbout(rule: Rule, labels: Labels, isNode: boolean): boolean {
  return rule.isNode === isNode && selects(rule.subject, labels);
}

/** Takes the old policy out of a subject's list and the new one in, at its place. */
function rematch(labels: Labels, matches: SubjectMatches, old: Entry | undefined, fresh: Entry | undefined): void {
  const { id, key } = (fresh ?? old)!;
  const { namespace } = key;
  if (namespace !== "" && namespace !== matches.namespace) return;
  const before = old === undefined ? NO_RULES : rulesAbout(old, labels, matches.isNode);
  const rules = fresh === undefined ? NO_RULES : rulesAbout(fresh, labels, matches.isNode);
  if (before.length + rules.length === 0) return;
  const part = matches.parts[namespace === "" ? 0 : 1];
  const place = placeOf(part, id, ({ entry }) => entry);
  part.splice(place, before.length > 0 ? 1 : 0, ...(rules.length > 0 ? [{ entry: fresh!, rules }] : []));
}

function itself(entry: Entry): Entry {
  return entry;
}

/** Where a policy with this id stands, or would stand, in a list sorted by id. */
function placeOf<T>(list: readonly T[], id: string, entryOf: (item: T) => Entry): number {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareText(entryOf(list[middle]!).id, id) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function isSameRank(a: Ranked, b: Ranked): boolean {
  return a.tier === b.tier && a.priority === b.priority && a.verdict === b.verdict;
}

function namesServices(rule: Rule): boolean {
  return rule.elements.some(({ peers }) => peers.some(({ kind }) => kind === "service"));
}

function selectorsIn(repository: Repository): Selector[] {
  return repository
    .list()
    .flatMap(({ rules }) => rules)
    .flatMap(({ elements }) => elements)
    .flatMap(({ peers }) => peers.flatMap((peer) => repository.selectorsOf(peer)));
}

function prefixesOf(selector: Selector): string[] {
  if (selector.kind === "cidr")
    return [selector.cidr, ...selector.except].filter(({ length }) => length > 0).map(formatCidr);
  return selector.kind === "cidrGroup" ? selector.except.filter(({ length }) => length > 0).map(formatCidr) : [];
}

/**
 * Prefixes that need an identity of their own (labels: `cidrLabels`) for the policies to be enforceable, exceptions and the
 * prefixes of selectable groups included unless `groups` is false; sorted. A prefix of length 0 is the world identity and is left out.
 */
export function requiredCidrs(repository: Repository, { groups = true } = {}): string[] {
  const selectors = selectorsIn(repository);
  const found = new Set(selectors.flatMap(prefixesOf));
  if (groups && selectors.some(({ kind }) => kind === "cidrGroup")) {
    for (const { cidrs } of repository.cidrGroups()) for (const cidr of cidrs) found.add(cidr);
  }
  return [...found].sort(compareText);
}

/** The names of `toFQDNs`: an address whose name matches one needs the label that the selector looks for. */
export function requiredFqdns(repository: Repository): FqdnSelector[] {
  const byText = new Map(selectorsIn(repository).map((selector) => [selector.text, selector]));
  return [...byText.values()].filter((selector) => selector.kind === "fqdn");
}
