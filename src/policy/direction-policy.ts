import type { Direction } from "../model/verdict.ts";
import { type Clause, mergeStatements } from "./clause.ts";
import { BlockTable, blocksOf, type Column, type ColumnEntry, neededEntries, neededWithAuth } from "./column.ts";
import { type ClauseGroup, groupClauses, type NamedPort, type NamedPortsOf } from "./named-ports.ts";
import type { Origins } from "./origin.ts";
import { partition } from "./partition.ts";
import { neededPassEntries, passEntries } from "./pass-column.ts";
import { type Levels, rankLevels } from "./precedence.ts";
import { Redirects, type SelectedClause } from "./redirects.ts";
import type { Repository } from "./repository.ts";
import type { IdentityChange, Selection, SelectorCache } from "./selector-cache.ts";
import type { Stance } from "./stance.ts";

/** Peers that the same clauses select, and the column that they share. */
export interface Peers {
  /** Whose clauses these are. */
  readonly groups: readonly ClauseGroup[];
  /** Numeric identities. */
  readonly ids: number[];
  readonly column: Column;
}

interface Surroundings {
  readonly repository: Repository;
  readonly subjectPorts: readonly NamedPort[];
  readonly portsOf: NamedPortsOf;
}

interface PeerNode {
  readonly next: Map<ClauseGroup, PeerNode>;
  peers: Peers | undefined;
}

function isNamed(clauses: readonly Clause[]): boolean {
  return clauses.some(({ filter }) => filter.name !== undefined);
}

function isNamedForAll({ filter, selection }: Clause): boolean {
  return filter.name !== undefined && selection === undefined;
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
  /** Clauses for every peer. */
  readonly everyPeer: readonly Clause[];
  readonly groups: readonly ClauseGroup[];
  /** What peers that nothing selects get: the entries of identity 0. */
  readonly anyColumn: Column;
  readonly peers: Peers[];
  /** Whether a new identity changes only what belongs to it; else the whole is to be computed again. */
  readonly isIncremental: boolean;
  /** Whether every identity matters, selected or not: it may have the port name that every peer is allowed on. */
  readonly followsEveryIdentity: boolean;
  /** Rises whenever an identity comes or goes. */
  version = 0;
  private readonly anyBlocks: BlockTable;
  private readonly hasPass: boolean;
  private readonly hasAuth: boolean;
  private readonly coveredFilters: ReadonlyMap<number, Clause>;
  /** Place in `groups`, by the rows of the selection. */
  private placeOf: Map<readonly number[], number> | undefined;
  private nodes: PeerNode | undefined;

  /** Throws PolicyConflict. */
  constructor(direction: Direction, stance: Stance, { repository, subjectPorts, portsOf }: Surroundings) {
    const { selectors, filters } = repository;
    this.direction = direction;
    this.enforced = stance.enforced;
    this.defaultOrigins = stance.defaultOrigins;
    this.levels = rankLevels(stance.ranks);
    const clauses = mergeStatements(stance.statements, this.levels, stance.defaultOrigins === undefined);
    const grouped = groupClauses(clauses, direction, subjectPorts, { selectors, filters, portsOf });
    this.everyPeer = grouped.everyPeer;
    this.groups = grouped.groups;
    this.hasPass = stance.ranks.some(({ verdict }) => verdict === "pass");
    this.hasAuth = clauses.some(({ auth }) => auth !== undefined);
    this.isIncremental = direction === "ingress" || !isNamed(clauses);
    this.followsEveryIdentity = !this.isIncremental && clauses.some(isNamedForAll);
    this.coveredFilters = new Map(this.everyPeer.map((clause) => [filterKey(clause), clause]));
    this.redirects = new Redirects(direction, this.selectedClauses(selectors));
    const blocks = this.blocksFor([]);
    this.anyBlocks = new BlockTable(blocks);
    this.anyColumn = { entries: this.needed(this.anyBlocks, undefined), clauses: [] };
    this.peers = partition(this.groups, selectors.idsByRow).map(({ groups, ids }) => ({
      groups,
      ids,
      column: this.columnFor(groups),
    }));
  }

  /** Selections whose identities this policy depends on. */
  *selections(): Iterable<Selection> {
    const seen = new Set<Selection>();
    for (const { clauses } of this.groups) {
      for (const { selection } of clauses) {
        if (selection === undefined || seen.has(selection)) continue;
        seen.add(selection);
        yield selection;
      }
    }
  }

  /** Clauses that select the identity, those for every peer left out. */
  clausesOf(identity: number): readonly Clause[] {
    return this.peers.find(({ ids }) => ids.includes(identity))?.column.clauses ?? [];
  }

  /** The identity joined these selections. Returns the column that is its own now; undefined = that of every peer. */
  addIdentity(id: number, { selections }: IdentityChange): Column | undefined {
    const groups = this.groupsOf(selections);
    if (groups.length === 0) return undefined;
    const node = this.nodeOf(groups);
    if (node.peers === undefined) {
      node.peers = { groups, ids: [], column: this.columnFor(groups) };
      this.peers.push(node.peers);
    }
    node.peers.ids.push(id);
    this.version++;
    return node.peers.column;
  }

  /** Returns the column that the identity had; undefined = none of its own. */
  removeIdentity(id: number, { selections }: IdentityChange): Column | undefined {
    const groups = this.groupsOf(selections);
    if (groups.length === 0) return undefined;
    const peers = this.nodeOf(groups).peers;
    const index = peers?.ids.indexOf(id) ?? -1;
    if (index === -1) return undefined;
    peers!.ids[index] = peers!.ids.at(-1)!;
    peers!.ids.pop();
    this.version++;
    return peers!.column;
  }

  /** The groups behind selections, in their order here: that is how peers are told apart. */
  private groupsOf(selections: readonly Selection[]): ClauseGroup[] {
    this.placeOf ??= new Map(this.groups.map(({ rows }, place) => [rows, place]));
    const places = selections.flatMap(({ rows }) => this.placeOf!.get(rows) ?? []);
    return places.sort((a, b) => a - b).map((place) => this.groups[place]!);
  }

  private nodeOf(groups: readonly ClauseGroup[]): PeerNode {
    this.nodes ??= this.plantNodes();
    let node = this.nodes;
    for (const group of groups) {
      let next = node.next.get(group);
      if (next === undefined) {
        next = { next: new Map(), peers: undefined };
        node.next.set(group, next);
      }
      node = next;
    }
    return node;
  }

  private plantNodes(): PeerNode {
    this.nodes = { next: new Map(), peers: undefined };
    for (const peers of this.peers) this.nodeOf(peers.groups).peers = peers;
    return this.nodes;
  }

  private selectedClauses(selectors: SelectorCache): SelectedClause[] {
    const forSome = this.groups.flatMap(({ rows, clauses }) => {
      const identities = () => rows.map((row) => selectors.identityAt(row));
      return clauses.map((clause) => ({ clause, identities }));
    });
    return [...this.everyPeer.map((clause) => ({ clause, identities: undefined })), ...forSome];
  }

  private columnFor(groups: readonly ClauseGroup[]): Column {
    const clauses = groups.flatMap((group) => group.clauses);
    return { clauses, entries: this.needed(new BlockTable(this.blocksFor(clauses)), this.anyBlocks) };
  }

  private blocksFor(own: readonly Clause[]): Map<number, ColumnEntry> {
    const { piecesOf } = this.redirects;
    if (this.hasPass) return passEntries(own, this.everyPeer, this.levels, piecesOf);
    return blocksOf(own.length === 0 ? this.everyPeer : own.filter((clause) => !this.isCovered(clause)), piecesOf);
  }

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
