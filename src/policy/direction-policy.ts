import { Limits } from "../model/limits.ts";
import type { Direction } from "../model/verdict.ts";
import { type Clause, mergeStatements } from "./clause.ts";
import { BlockTable, blocksOf, type Column, type ColumnEntry, neededEntries, neededWithAuth } from "./column.ts";
import { type ClauseGroup, groupClauses, type NamedPort, type NamedPortsOf } from "./named-ports.ts";
import type { Origins } from "./origin.ts";
import { neededPassEntries, passEntries } from "./pass-column.ts";
import { adoptGroups, areSameClauses, PeerParts, type Peers } from "./peer-parts.ts";
import { type Levels, rankLevels } from "./precedence.ts";
import { Redirects, type SelectedClause } from "./redirects.ts";
import type { Repository } from "./repository.ts";
import type { IdentityChange, Selection, SelectorCache } from "./selector-cache.ts";
import type { Stance } from "./stance.ts";

interface Surroundings {
  readonly repository: Repository;
  readonly subjectPorts: readonly NamedPort[];
  readonly portsOf: NamedPortsOf;
}

function selectedClauses(
  everyPeer: readonly Clause[],
  groups: readonly ClauseGroup[],
  selectors: SelectorCache,
): SelectedClause[] {
  const forSome = groups.flatMap(({ rows, clauses }) => {
    const identities = () => rows.map((row) => selectors.identityAt(row));
    return clauses.map((clause) => ({ clause, identities }));
  });
  return [...everyPeer.map((clause) => ({ clause, identities: undefined })), ...forSome];
}

function filterKey({ filter, tier }: Clause): number {
  return filter.id * 256 + tier;
}

/** One direction of one endpoint's policy: clauses, and the entries that they come to for every peer. */
export class DirectionPolicy {
  readonly direction: Direction;
  readonly enforced: boolean;
  /** Rules that turned default deny on; undefined = nothing is denied by default. */
  readonly defaultOrigins: Origins | undefined;
  readonly levels: Levels;
  readonly redirects: Redirects;
  /** Clauses on names of ports, as they were written. */
  readonly named: readonly Clause[];
  /** Clauses for every peer. */
  readonly everyPeer: readonly Clause[];
  /** What peers that nothing selects get: the entries of identity 0. */
  readonly anyColumn: Column;
  /** Whether a new identity changes only what belongs to it; else the whole is to be computed again. */
  readonly isIncremental: boolean;
  /** Whether every identity matters, selected or not: it may have the port name that every peer is allowed on. */
  readonly followsEveryIdentity: boolean;
  /** Selections whose identities this policy depends on, those without a peer that has the port's name included. */
  readonly selections: readonly Selection[];
  /** Rises whenever an identity comes or goes. */
  version = 0;
  /** Of the computation that goes on now. */
  private comparisons = 0;
  private readonly anyBlocks: BlockTable;
  private readonly hasPass: boolean;
  private readonly hasAuth: boolean;
  /** Whether the ports of a redirect are cut by other rules' ports. */
  private readonly hasRedirectedRange: boolean;
  private readonly coveredFilters: ReadonlyMap<number, Clause>;
  private readonly parts: PeerParts;

  /**
   * `earlier` = the same direction of the subject's last policy, no longer in use, over the same identities: what it has in
   * common with this one is taken over. Throws PolicyConflict, and an Error where computing would take too long.
   */
  constructor(
    direction: Direction,
    stance: Stance,
    { repository, subjectPorts, portsOf }: Surroundings,
    earlier?: DirectionPolicy,
  ) {
    const { selectors, filters } = repository;
    this.direction = direction;
    this.enforced = stance.enforced;
    this.defaultOrigins = stance.defaultOrigins;
    this.levels = rankLevels(stance.ranks);
    const clauses = mergeStatements(stance.statements, this.levels, stance.defaultOrigins === undefined);
    this.selections = [...new Set(clauses.flatMap(({ selection }) => selection ?? []))];
    this.named = clauses.filter(({ filter }) => filter.name !== undefined);
    const grouped = groupClauses(clauses, direction, subjectPorts, { selectors, filters, portsOf });
    this.everyPeer = grouped.everyPeer;
    const groups = adoptGroups(grouped.groups, earlier?.groups ?? []);
    this.hasPass = stance.ranks.some(({ verdict }) => verdict === "pass");
    this.hasAuth = clauses.some(({ auth }) => auth !== undefined);
    this.hasRedirectedRange = clauses.some(({ l7, filter }) => l7 !== undefined && filter.first !== filter.last);
    this.isIncremental = direction === "ingress" || this.named.length === 0;
    this.followsEveryIdentity = !this.isIncremental && this.named.some(({ selection }) => selection === undefined);
    this.coveredFilters = new Map(this.everyPeer.map((clause) => [filterKey(clause), clause]));
    this.redirects = new Redirects(direction, selectedClauses(this.everyPeer, groups, selectors));
    const blocks = this.blocksFor([]);
    this.anyBlocks = new BlockTable(blocks);
    this.anyColumn = { entries: this.needed(this.anyBlocks, undefined), clauses: [] };
    this.parts = new PeerParts(groups, (some) => this.columnFor(some));
    const { idsByRow } = selectors;
    const isTakenOver = earlier !== undefined && this.isLike(earlier) && this.parts.fillFrom(earlier.parts, idsByRow);
    if (!isTakenOver) this.parts.fill(idsByRow);
  }

  get groups(): readonly ClauseGroup[] {
    return this.parts.groups;
  }

  get peers(): readonly Peers[] {
    return this.parts.all;
  }

  /** Clauses that select the identity, those for every peer left out. */
  clausesOf(identity: number): readonly Clause[] {
    return this.peers.find(({ ids }) => ids.includes(identity))?.column.clauses ?? [];
  }

  /** The identity joined these selections. Returns the column that is its own now; undefined = that of every peer. */
  addIdentity(id: number, { selections }: IdentityChange): Column | undefined {
    this.comparisons = 0;
    const column = this.parts.add(id, selections);
    if (column !== undefined) this.version++;
    return column;
  }

  /** Returns the column that the identity had; undefined = none of its own. */
  removeIdentity(id: number, { selections }: IdentityChange): Column | undefined {
    const column = this.parts.remove(id, selections);
    if (column !== undefined) this.version++;
    return column;
  }

  /** Whether equal clauses make equal columns here and there: nothing that reaches across clauses differs. */
  private isLike(other: DirectionPolicy): boolean {
    const isPlain = (each: DirectionPolicy) =>
      each.isIncremental && !each.hasPass && !each.hasAuth && !each.hasRedirectedRange;
    return isPlain(this) && isPlain(other) && areSameClauses(this.everyPeer, other.everyPeer);
  }

  private columnFor(groups: readonly ClauseGroup[]): Column {
    const clauses = groups.flatMap((group) => group.clauses);
    return { clauses, entries: this.needed(new BlockTable(this.blocksFor(clauses)), this.anyBlocks) };
  }

  private blocksFor(own: readonly Clause[]): Map<number, ColumnEntry> {
    const { piecesOf } = this.redirects;
    if (this.hasPass) return passEntries(own, this.everyPeer, this.levels, piecesOf, this.spend);
    return blocksOf(own.length === 0 ? this.everyPeer : own.filter((clause) => !this.isCovered(clause)), piecesOf);
  }

  private readonly spend = (comparisons: number): void => {
    this.comparisons += comparisons;
    if (this.comparisons > Limits.PassComparisons)
      throw new Error("too many port ranges meet rules that pass traffic on: write fewer ranges, or no pass");
  };

  private needed(own: BlockTable, everyPeer: BlockTable | undefined): ColumnEntry[] {
    if (this.hasPass) return neededPassEntries(own, everyPeer);
    return this.hasAuth ? neededWithAuth(own, everyPeer) : neededEntries(own, everyPeer);
  }

  /** True when the clause for every peer on the same, not every, port does the same in the datapath. */
  private isCovered(clause: Clause): boolean {
    if (clause.filter.isEveryPort) return false;
    const wildcard = this.coveredFilters.get(filterKey(clause));
    return (
      wildcard !== undefined &&
      wildcard.precedence === clause.precedence &&
      wildcard.l7?.parser === clause.l7?.parser &&
      wildcard.l7?.listener?.name === clause.l7?.listener?.name &&
      wildcard.auth === clause.auth
    );
  }
}
