import { formatLabels } from "../../model/label.ts";
import type { Somebody } from "../../policy/scenario-world.ts";
import { Cluster, namespaceLabelsOf, policyName } from "../cluster.ts";
import type { Inventory } from "../inventory.ts";
import { missingLabels, type SupposedLabels, waysToLabel } from "../namespace-labels.ts";
import { type DiffParty, type SharedParties, sharedParties } from "./parties.ts";
import { type PortChange, portChanges } from "./port-changes.ts";
import { Contents, differingRules, type SideContent, SideWorld } from "./side.ts";
import { OTHER_NAMESPACE } from "./witness.ts";

/** Connections that change alike: from each of these to each of those. */
export interface DiffGroup {
  readonly from: readonly DiffParty[];
  readonly to: readonly DiffParty[];
  /** Empty where it is not known. */
  readonly changes: readonly PortChange[];
  /** The fact that is missing, where what changes hangs on it. */
  readonly missing?: string;
}

/** A policy that is not the same on both sides. */
export interface ChangedPolicy {
  readonly policy: string;
  readonly change: "added" | "removed" | "changed";
}

/** What becomes possible, and what no longer is, when one set of manifests takes the place of another. */
export interface PolicyDiff {
  /** Everybody who was asked about. */
  readonly parties: readonly DiffParty[];
  readonly policies: readonly ChangedPolicy[];
  readonly groups: readonly DiffGroup[];
  readonly onlyBefore: readonly string[];
  readonly onlyAfter: readonly string[];
  readonly moved: readonly string[];
  /** What could not be tried: nothing is known of it. */
  readonly unasked: readonly string[];
}

/** Compares what two sets of manifests let everybody do whom either of them, or a policy of either, tells apart. */
export function diffOf(before: Inventory, after: Inventory): PolicyDiff {
  const shared = sharedParties(before, after);
  const { parties, onlyBefore, onlyAfter, moved, unasked } = shared;
  const groups = new Comparison(shared).groups();
  return { parties, policies: changedPolicies(before, after), groups, onlyBefore, onlyAfter, moved, unasked };
}

function changedPolicies(before: Inventory, after: Inventory): ChangedPolicy[] {
  const textOf = ({ policies, groups }: Inventory) =>
    new Map([
      ...policies.map(({ key, rules }) => [policyName(key), JSON.stringify(rules.map(({ api }) => api))] as const),
      ...groups.map(({ name, value }) => [`CiliumCIDRGroup ${name}`, JSON.stringify(value["spec"])] as const),
    ]);
  const [was, is] = [textOf(before), textOf(after)];
  const names = [...new Set([...was.keys(), ...is.keys()])].sort();
  return names.flatMap((policy): ChangedPolicy[] => {
    if (was.get(policy) === is.get(policy)) return [];
    return [{ policy, change: !was.has(policy) ? "added" : !is.has(policy) ? "removed" : "changed" }];
  });
}

interface Change {
  readonly changes: readonly PortChange[];
  readonly missing?: string;
}

const UNCHANGED: readonly PortChange[] = [];

/** Which ends of a connection may say something else than before. */
interface ChangedEnds {
  readonly egress: boolean;
  readonly ingress: boolean;
}

/** A pair that may change, by places in the list of parties. */
interface Suspect extends ChangedEnds {
  readonly from: number;
  readonly to: number;
}

class Comparison {
  private readonly shared: SharedParties;
  private readonly contents = new Contents();
  private readonly worlds = new Map<string, WorldPair>();
  /** Whose labels decide about the ways to label namespaces: those that neither side declares. */
  private readonly labelled: Inventory;
  private readonly ways = new Map<string, readonly SupposedLabels[] | undefined>();

  constructor(shared: SharedParties) {
    this.shared = shared;
    const { before, after } = shared;
    this.labelled = { ...after, policies: [...before.policies, ...after.policies] };
  }

  /** Pairs that change, those that change alike together. */
  groups(): DiffGroup[] {
    const { parties } = this.shared;
    const byChange = new Map<string, { change: Change; pairs: (readonly [number, number])[] }>();
    for (const suspect of this.suspects()) {
      const { from, to } = suspect;
      const change = this.compare(parties[from]!, parties[to]!, suspect);
      if (change === undefined) continue;
      const key = JSON.stringify(change);
      const known = byChange.get(key) ?? { change, pairs: [] };
      byChange.set(key, known);
      known.pairs.push([from, to]);
    }
    return [...byChange.values()].flatMap(({ change, pairs }) =>
      rectangles(pairs).map(([from, to]) => ({
        from: from.map((index) => parties[index]!),
        to: to.map((index) => parties[index]!),
        ...change,
      })),
    );
  }

  /** Pairs that may change: one end has other rules than before, or is seen as another than before. */
  private *suspects(): Iterable<Suspect> {
    const { parties } = this.shared;
    const { before, after } = this.world({});
    // What other objects say to rules, nobody finds in the rules.
    const isForeign = !isSameElsewhere(this.shared);
    const [rulesBefore, rulesAfter] = differingRules(this.shared.before, this.shared.after);
    const changed = parties.map((party) => {
      const [was, is] = [before.find(party), after.find(party)];
      if (!was.isEndpoint) return { isPod: false, isOther: false, egress: false, ingress: false };
      // Another way to label its namespace may make it the subject of other rules.
      const isVague = party.namespace !== OTHER_NAMESPACE && this.waysFor([party.namespace])?.length !== 1;
      const isOther = isForeign || isVague || seen(was) !== seen(is);
      if (isOther) return { isPod: true, isOther, egress: true, ingress: true };
      const [old, now] = [before.side.rulesOf(was, rulesBefore), after.side.rulesOf(is, rulesAfter)];
      return { isPod: true, isOther, egress: old.egress !== now.egress, ingress: old.ingress !== now.ingress };
    });
    const changedTargets = parties.flatMap((_, index) => (changed[index]!.ingress ? [index] : []));
    for (const [from, source] of parties.entries()) {
      if (source.isDestinationOnly) continue;
      const one = changed[from]!;
      for (const to of one.egress ? parties.keys() : changedTargets) {
        const other = changed[to]!;
        if (!one.isPod && !other.isPod) continue;
        const isOther = one.isOther || other.isOther;
        yield { from, to, egress: isOther || one.egress, ingress: isOther || other.ingress };
      }
    }
  }

  /** Undefined = nothing changes. */
  private compare(from: DiffParty, to: DiffParty, ends: ChangedEnds): Change | undefined {
    const namespaces = [from.namespace, to.namespace].filter((name) => name !== "" && name !== OTHER_NAMESPACE);
    const ways = this.waysFor(namespaces);
    const all = (ways ?? [{}]).map((way) => this.world(way).compare(from, to, ends));
    const [first] = all;
    if (all.includes("conflict")) return { changes: [], missing: "rules that can stand together" };
    if (ways === undefined) return { changes: [], missing: missingLabels(this.labelled, namespaces) };
    if (all.length > 1) {
      const texts = all.map((each) => JSON.stringify(each));
      if (new Set(texts).size > 1)
        return { changes: [], missing: missingLabels(this.labelled, namespaces, ways, texts) };
    }
    const changes = first as readonly PortChange[];
    return changes.length === 0 ? undefined : { changes };
  }

  private waysFor(namespaces: readonly string[]): readonly SupposedLabels[] | undefined {
    const key = namespaces.join("\n");
    if (!this.ways.has(key)) this.ways.set(key, waysToLabel(this.labelled, namespaces));
    return this.ways.get(key);
  }

  private world(way: SupposedLabels): WorldPair {
    const key = JSON.stringify(way);
    const known = this.worlds.get(key) ?? new WorldPair(this.shared, way, this.contents);
    this.worlds.set(key, known);
    return known;
  }
}

function seen({ labels, namedPorts }: Somebody): string {
  return JSON.stringify([formatLabels(labels), namedPorts]);
}

/** Whether services, groups and secrets are the same, which rules speak of without holding them. */
function isSameElsewhere({ before, after }: SharedParties): boolean {
  const text = ({ services, backends, groups, secrets }: Inventory) =>
    JSON.stringify([
      services.map(({ object }) => object.value),
      [...backends],
      groups.map(({ value }) => value),
      secrets,
    ]);
  return text(before) === text(after);
}

/** Both worlds for one way to label the namespaces that nobody declares. */
class WorldPair {
  readonly before: OneWorld;
  readonly after: OneWorld;
  private readonly known = new Map<string, readonly PortChange[]>();

  constructor(shared: SharedParties, namespaceLabels: SupposedLabels, contents: Contents) {
    const numbers = new Map<string, number>();
    [this.before, this.after] = [shared.before, shared.after].map((inventory) => {
      const endpoints = shared.endpoints.map((endpoint) => ({
        ...endpoint,
        namespaceLabels: {
          ...endpoint.namespaceLabels,
          ...namespaceLabelsOf(inventory, endpoint.namespace!, namespaceLabels),
        },
      }));
      const cluster = new Cluster(inventory, { namespaceLabels, endpoints, fqdnCache: shared.fqdnCache });
      return new OneWorld(new SideWorld(cluster, contents, numbers));
    }) as [OneWorld, OneWorld];
  }

  compare(from: DiffParty, to: DiffParty, ends: ChangedEnds): readonly PortChange[] | "conflict" {
    const [a, b] = [this.before.find(from), this.before.find(to)];
    const [c, d] = [this.after.find(from), this.after.find(to)];
    const sides = {
      egress: () => [this.before.side.contentOf("egress", a, b), this.after.side.contentOf("egress", c, d)] as const,
      ingress: () => [this.before.side.contentOf("ingress", b, a), this.after.side.contentOf("ingress", d, c)] as const,
    };
    // Where one end is as before, nobody need look at it unless the other end says something else.
    if (!ends.egress && isSame(sides.ingress())) return UNCHANGED;
    if (!ends.ingress && isSame(sides.egress())) return UNCHANGED;
    const [[eb, ea], [ib, ia]] = [sides.egress(), sides.ingress()];
    if (eb === "conflict" || ea === "conflict" || ib === "conflict" || ia === "conflict") return "conflict";
    if (eb === ea && ib === ia) return UNCHANGED;
    const key = `${eb.id} ${ib.id} ${ea.id} ${ia.id}`;
    const known = this.known.get(key) ?? portChanges({ before: [eb, ib], after: [ea, ia] });
    this.known.set(key, known);
    return known;
  }
}

function isSame([before, after]: readonly [SideContent | "conflict", SideContent | "conflict"]): boolean {
  return before === after && before !== "conflict";
}

class OneWorld {
  readonly side: SideWorld;
  private readonly people = new Map<DiffParty, Somebody>();

  constructor(side: SideWorld) {
    this.side = side;
  }

  find(party: DiffParty): Somebody {
    const known = this.people.get(party) ?? this.side.cluster.engine.world.find(party.name)!;
    this.people.set(party, known);
    return known;
  }
}

/** Pairs as the products of sources and destinations that they are; by whichever end makes fewer of them. */
function rectangles(pairs: readonly (readonly [number, number])[]): [number[], number[]][] {
  const bySource = products(pairs, ([from, to]) => [from, to]);
  const byTarget = products(pairs, ([from, to]) => [to, from]);
  return bySource.length <= byTarget.length ? bySource : byTarget.map(([to, from]) => [from, to]);
}

function products(
  pairs: readonly (readonly [number, number])[],
  order: (pair: readonly [number, number]) => readonly [number, number],
): [number[], number[]][] {
  const byFirst = new Map<number, number[]>();
  for (const pair of pairs) {
    const [first, second] = order(pair);
    const known = byFirst.get(first);
    if (known === undefined) byFirst.set(first, [second]);
    else known.push(second);
  }
  const bySeconds = Map.groupBy(byFirst.keys(), (first) => byFirst.get(first)!.join());
  return [...bySeconds.values()].map((firsts) => [firsts, byFirst.get(firsts[0]!)!]);
}
