import { Limits } from "../model/limits.ts";
import type { Direction } from "../model/verdict.ts";
import type { Clause } from "./clause.ts";
import { type ClauseSet, clauseSetOf, patchedClauseSet, type Surroundings } from "./clause-set.ts";
import {
  BlockTable,
  blocksOf,
  type Column,
  type ColumnEntry,
  neededEntries,
  neededWithAuth,
  type Piece,
} from "./column.ts";
import type { ClauseGroup } from "./named-ports.ts";
import type { Origins } from "./origin.ts";
import { neededPassEntries, passEntries } from "./pass-column.ts";
import { type Difference, differenceOf, type Move, PeerParts, type Peers } from "./peer-parts.ts";
import type { Levels } from "./precedence.ts";
import { Redirects, type SelectedClause } from "./redirects.ts";
import type { SideChange } from "./rule-change.ts";
import type { IdentityChange, Selection, SelectorCache } from "./selector-cache.ts";
import type { Stance } from "./stance.ts";

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

/** The same direction of the subject's last policy, over the same identities, and what has changed in its rules since. */
export interface EarlierDirection {
  readonly earlier: DirectionPolicy;
  readonly change: SideChange;
}

/** A direction after its rules changed. The earlier one stays as it was, and can only be read from then on. */
export interface RenewedDirection {
  readonly policy: DirectionPolicy;
  /** How identities moved; undefined = all was computed anew. */
  readonly moves: readonly Move[] | undefined;
  /** Whose identities it depends on no longer, and whose now. */
  readonly selections: Difference<Selection>;
}

/** Computes a direction from all rules. Throws PolicyConflict, and an Error where computing would take too long. */
export function directionPolicyOf(direction: Direction, stance: Stance, surroundings: Surroundings): DirectionPolicy {
  const { selectors } = surroundings.repository;
  const policy = new DirectionPolicy(direction, stance, clauseSetOf(direction, stance, surroundings), selectors);
  policy.fill(selectors);
  return policy;
}

/** The same after a change: what it has in common with the earlier one is taken over. */
export function renewedDirection(last: EarlierDirection, stance: Stance, surroundings: Surroundings): RenewedDirection {
  const { earlier, change } = last;
  const { selectors } = surroundings.repository;
  const clauses = clauseSetOf(earlier.direction, stance, surroundings, { clauses: earlier.clauses, change });
  const policy = new DirectionPolicy(earlier.direction, stance, clauses, selectors, earlier);
  const moves = policy.fillFrom(last, differenceOf(earlier.groups, clauses.groups));
  if (moves === undefined) policy.fill(selectors);
  return { policy, moves, selections: differenceOf(earlier.selections, clauses.selections) };
}

/** The same where the change alone tells what to do; undefined = it does not. */
export function patchedDirection(last: EarlierDirection, selectors: SelectorCache): RenewedDirection | undefined {
  const { earlier, change } = last;
  const defaultOrigins = change.denyingAfter(earlier.defaultOrigins);
  const patched = defaultOrigins && patchedClauseSet({ clauses: earlier.clauses, change });
  if (patched === undefined) return undefined;
  const stance = { enforced: true, defaultOrigins };
  const policy = new DirectionPolicy(earlier.direction, stance, patched.clauses, selectors, earlier);
  const moves = policy.fillFrom(last, patched.groups);
  if (moves === undefined) policy.fill(selectors);
  return { policy, moves, selections: patched.selections };
}

/** One direction of one endpoint's policy: clauses, and the entries that they come to for every peer. */
export class DirectionPolicy {
  readonly direction: Direction;
  readonly enforced: boolean;
  /** Rules that turned default deny on; undefined = nothing is denied by default. */
  readonly defaultOrigins: Origins | undefined;
  readonly clauses: ClauseSet;
  /** What peers that nothing selects get: the entries of identity 0. */
  readonly anyColumn: Column;
  /** Rises whenever an identity comes or goes. */
  version = 0;
  /** Of the computation that goes on now. */
  private comparisons = 0;
  private readonly selectors: SelectorCache;
  private readonly anyBlocks: BlockTable;
  private readonly coveredFilters: ReadonlyMap<number, Clause>;
  private readonly parts: PeerParts;
  private madeRedirects: Redirects | undefined;

  /** See `directionPolicyOf` and the others, which fill it. */
  constructor(
    direction: Direction,
    { enforced, defaultOrigins }: Pick<Stance, "enforced" | "defaultOrigins">,
    clauses: ClauseSet,
    selectors: SelectorCache,
    earlier?: DirectionPolicy,
  ) {
    this.direction = direction;
    this.enforced = enforced;
    this.defaultOrigins = defaultOrigins;
    this.clauses = clauses;
    this.selectors = selectors;
    if (clauses.hasRedirectedRange) this.redirects.prepare();
    this.parts = new PeerParts(clauses.groups, this);
    const kept = earlier !== undefined && this.hasColumnsOf(earlier) ? earlier : undefined;
    const { everyPeer } = clauses;
    this.coveredFilters = kept?.coveredFilters ?? new Map(everyPeer.map((clause) => [filterKey(clause), clause]));
    this.anyBlocks = kept?.anyBlocks ?? new BlockTable(this.blocksFor([]));
    this.anyColumn = kept?.anyColumn ?? { entries: this.needed(this.anyBlocks, undefined), clauses: [] };
  }

  fill({ idsByRow }: SelectorCache): void {
    this.parts.fill(idsByRow);
  }

  /** Undefined, and nothing done, where it has too little in common with the earlier one. */
  fillFrom({ earlier, change }: EarlierDirection, groups: Difference<ClauseGroup>): Move[] | undefined {
    return this.hasColumnsOf(earlier) ? this.parts.fillFrom(earlier.parts, change.rows, groups) : undefined;
  }

  /** Made when something is sent to the proxy: most directions send nothing there, and there are many directions. */
  get redirects(): Redirects {
    const { everyPeer, groups } = this.clauses;
    this.madeRedirects ??= new Redirects(this.direction, () => selectedClauses(everyPeer, groups, this.selectors));
    return this.madeRedirects;
  }

  get levels(): Levels {
    return this.clauses.levels;
  }

  /** Clauses on names of ports, as they were written. */
  get named(): readonly Clause[] {
    return this.clauses.named;
  }

  /** Clauses for every peer. */
  get everyPeer(): readonly Clause[] {
    return this.clauses.everyPeer;
  }

  /** Selections whose identities this policy depends on, those without a peer that has the port's name included. */
  get selections(): readonly Selection[] {
    return this.clauses.selections;
  }

  /** Whether a new identity changes only what belongs to it; else the whole is to be computed again. */
  get isIncremental(): boolean {
    return this.clauses.isIncremental;
  }

  /** Whether every identity matters, selected or not: it may have the port name that every peer is allowed on. */
  get followsEveryIdentity(): boolean {
    return !this.isIncremental && this.named.some(({ selection }) => selection === undefined);
  }

  get groups(): readonly ClauseGroup[] {
    return this.clauses.groups;
  }

  get peers(): readonly Peers[] {
    return this.parts.all;
  }

  /** How many entries there are, those of every peer included. */
  get entryCount(): number {
    return this.anyColumn.entries.length + this.parts.entryCount;
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

  /** The column of peers whom exactly these groups select. */
  columnFor(groups: readonly ClauseGroup[]): Column {
    if (groups.length > 1 || !this.clauses.isPlain || this.everyPeer.length > 0) return this.newColumn(groups);
    const [group] = groups as [ClauseGroup];
    group.alone ??= this.newColumn(groups);
    return group.alone;
  }

  /** Equal clauses make equal columns here and there where nothing reaches across clauses. */
  private hasColumnsOf(earlier: DirectionPolicy): boolean {
    return this.clauses.isPlain && this.everyPeer === earlier.everyPeer;
  }

  private newColumn(groups: readonly ClauseGroup[]): Column {
    const clauses = groups.length === 1 ? groups[0]!.clauses : groups.flatMap((group) => group.clauses).slice();
    return { clauses, entries: this.needed(new BlockTable(this.blocksFor(clauses)), this.anyBlocks).slice() };
  }

  private blocksFor(own: readonly Clause[]): Map<number, ColumnEntry> {
    const { everyPeer, piecesOf } = this;
    if (this.clauses.hasPass) return passEntries(own, everyPeer, this.levels, piecesOf, (some) => this.spend(some));
    if (own.length === 0) return blocksOf(everyPeer, piecesOf);
    return blocksOf(everyPeer.length === 0 ? own : own.filter((clause) => !this.isCovered(clause)), piecesOf);
  }

  private readonly piecesOf = (clause: Clause): readonly Piece[] =>
    clause.l7 === undefined ? clause.filter.blocks : this.redirects.piecesOf(clause);

  private spend(comparisons: number): void {
    this.comparisons += comparisons;
    if (this.comparisons > Limits.PassComparisons)
      throw new Error("too many port ranges meet rules that pass traffic on: write fewer ranges, or no pass");
  }

  private needed(own: BlockTable, everyPeer: BlockTable | undefined): ColumnEntry[] {
    if (this.clauses.hasPass) return neededPassEntries(own, everyPeer);
    // Nothing covers what stands alone, as most entries do.
    if (own.blocks.size === 1 && (everyPeer?.blocks.size ?? 0) === 0) return [...own.blocks.values()];
    return this.clauses.hasAuth ? neededWithAuth(own, everyPeer) : neededEntries(own, everyPeer);
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
