import { maskPort, PORT_BITS } from "../model/port.ts";
import { Protocol } from "../model/protocol.ts";
import type { Clause } from "./clause.ts";
import { mergeOrigins, type Origins } from "./origin.ts";
import { isDenyPrecedence, levelOf } from "./precedence.ts";
import type { AuthMode } from "./rule.ts";

/** Cilium's numbers of authentication types. */
export const AuthType = { Disabled: 0, Spire: 1, AlwaysFail: 2 } as const;

/** What the datapath does with one block of ports of one peer. */
export interface ColumnEntry {
  readonly protocol: number;
  readonly port: number;
  /** Leading bits of `port` that count. */
  readonly prefix: number;
  readonly precedence: number;
  readonly authType: number;
  /** Whether a rule said so, rather than a wider entry. */
  readonly hasOwnAuth: boolean;
  readonly redirect: string | undefined;
  readonly log: string;
  readonly origins: Origins;
}

/** A block of ports of a clause; with L7 rules also which redirect takes it. */
export interface Piece {
  readonly port: number;
  readonly prefix: number;
  readonly redirect?: string;
}

/** The blocks of a clause; its filter has no name. */
export type PiecesOf = (clause: Clause) => readonly Piece[];

/** The entries of one peer, or of every peer, by block. */
export type Blocks = ReadonlyMap<number, ColumnEntry>;

/** All entries that one peer needs; peers whom the same clauses select share it. */
export interface Column {
  readonly entries: readonly ColumnEntry[];
  /** Every clause that selects these peers, those for every peer left out. */
  readonly clauses: readonly Clause[];
}

/** One number for protocol, prefix length and port. */
export function blockKey(protocol: number, port: number, prefix: number): number {
  return (protocol * (PORT_BITS + 1) + prefix) * 65_536 + port;
}

/** Bits of an entry's key that count: those of the protocol and of the port. */
export function keyLength({ protocol, prefix }: ColumnEntry): number {
  return protocol === Protocol.Any ? 0 : 8 + prefix;
}

const ANY_BLOCK = blockKey(Protocol.Any, 0, 0);

function authNumber(auth: AuthMode | undefined): number {
  if (auth === "required") return AuthType.Spire;
  return auth === "test-always-fail" ? AuthType.AlwaysFail : AuthType.Disabled;
}

/** What the clause says about a block; `protocol` is the clause's or, where that is any, one of the block's own. */
export function entryOf(clause: Clause, protocol: number, { port, prefix, redirect }: Piece): ColumnEntry {
  return {
    protocol,
    port,
    prefix,
    precedence: clause.precedence,
    authType: authNumber(clause.auth),
    hasOwnAuth: clause.auth !== undefined,
    redirect,
    log: clause.log,
    origins: clause.origins,
  };
}

/**
 * Cilium's merge of two map entries: the earlier level or the deny wins; on one level allows add up, and a redirect of higher
 * rank takes the traffic. What one of two allows asks for by itself is asked for, whatever their levels.
 */
export function mergeEntries(a: ColumnEntry, b: ColumnEntry): ColumnEntry {
  const isDeny = isDenyPrecedence(a.precedence);
  if (isDeny !== isDenyPrecedence(b.precedence)) return a.precedence > b.precedence ? a : b;
  const first = isAhead(a, b) ? a : b;
  const auth = a.hasOwnAuth === b.hasOwnAuth ? (a.authType >= b.authType ? a : b) : a.hasOwnAuth ? a : b;
  const { authType, hasOwnAuth } = isDeny ? first : auth;
  if (levelOf(a.precedence) !== levelOf(b.precedence)) return { ...first, authType, hasOwnAuth };
  return { ...first, authType, hasOwnAuth, log: a.log || b.log, origins: mergeOrigins(a.origins, b.origins) };
}

/** Whether two precedences stand on one level and decide alike, so that the rules behind both have decided. */
export function isSameDecision(a: number, b: number): boolean {
  return isDenyPrecedence(a) === isDenyPrecedence(b) && levelOf(a) === levelOf(b);
}

function isAhead(a: ColumnEntry, b: ColumnEntry): boolean {
  if (a.precedence !== b.precedence) return a.precedence > b.precedence;
  return (a.redirect ?? "") <= (b.redirect ?? "");
}

/** What the clauses say about each block, before wider blocks are considered. */
export function blocksOf(clauses: readonly Clause[], piecesOf: PiecesOf): Map<number, ColumnEntry> {
  const blocks = new Map<number, ColumnEntry>();
  for (const clause of clauses) {
    const { protocol } = clause.filter;
    for (const piece of piecesOf(clause)) {
      const key = blockKey(protocol, piece.port, piece.prefix);
      const entry = entryOf(clause, protocol, piece);
      const known = blocks.get(key);
      blocks.set(key, known === undefined ? entry : mergeEntries(known, entry));
    }
  }
  return blocks;
}

function prefixLengths(blocks: Blocks): number[] {
  const lengths = new Set<number>();
  for (const { prefix } of blocks.values()) lengths.add(prefix);
  return [...lengths].sort((a, b) => a - b);
}

/** Blocks of one peer, ready to be searched for those that cover others. */
export class BlockTable {
  readonly blocks: Blocks;
  private madeLengths: readonly number[] | undefined;

  constructor(blocks: Blocks) {
    this.blocks = blocks;
  }

  private get lengths(): readonly number[] {
    this.madeLengths ??= prefixLengths(this.blocks);
    return this.madeLengths;
  }

  at(protocol: number, port: number, prefix: number): ColumnEntry | undefined {
    return this.blocks.get(blockKey(protocol, port, prefix));
  }

  /** True when an entry whose block is as wide or wider passes the test. */
  someCovering(protocol: number, port: number, prefix: number, test: (entry: ColumnEntry) => boolean): boolean {
    for (const length of this.lengths) {
      if (length > prefix) break;
      const entry = this.blocks.get(blockKey(protocol, maskPort(port, length), length));
      if (entry !== undefined && test(entry)) return true;
    }
    if (protocol === Protocol.Any) return false;
    const everything = this.blocks.get(ANY_BLOCK);
    return everything !== undefined && test(everything);
  }

  /** Entries whose block is strictly wider, the narrowest first. */
  *wider(protocol: number, port: number, prefix: number): Iterable<ColumnEntry> {
    for (let index = this.lengths.length - 1; index >= 0; index--) {
      const length = this.lengths[index]!;
      if (length >= prefix) continue;
      const entry = this.blocks.get(blockKey(protocol, maskPort(port, length), length));
      if (entry !== undefined) yield entry;
    }
    const everything = this.blocks.get(ANY_BLOCK);
    if (protocol !== Protocol.Any && everything !== undefined) yield everything;
  }

  /** The narrowest entry that holds the port, as the datapath finds it. With every protocol: the entry for all. */
  longestMatch(protocol: number, port: number): ColumnEntry | undefined {
    if (protocol === Protocol.Any) return this.blocks.get(ANY_BLOCK);
    for (const entry of this.wider(protocol, port, PORT_BITS + 1)) return entry;
    return undefined;
  }
}

const NOTHING = new BlockTable(new Map());

function isEquivalent(a: ColumnEntry, b: ColumnEntry): boolean {
  return (
    a.precedence === b.precedence &&
    a.redirect === b.redirect &&
    a.authType === b.authType &&
    a.hasOwnAuth === b.hasOwnAuth &&
    a.log === b.log
  );
}

/** Whether both do the same to the same block, for the same rules. */
export function isSameEntry(a: ColumnEntry, b: ColumnEntry): boolean {
  const isSameBlock = a.protocol === b.protocol && a.port === b.port && a.prefix === b.prefix;
  if (!isSameBlock || !isEquivalent(a, b) || a.origins.length !== b.origins.length) return false;
  return a.origins.every((origin) => b.origins.includes(origin));
}

/**
 * The entries that are needed. A longest-prefix match finds only the narrowest block, so a block is left out where a wider
 * one of the same peer, or one of every peer, ranks higher or denies anyway; and where every peer has the same entry.
 */
export function neededEntries(own: BlockTable, everyPeer: BlockTable = NOTHING): ColumnEntry[] {
  const needed: ColumnEntry[] = [];
  for (const entry of own.blocks.values()) {
    const { protocol, port, prefix, precedence } = entry;
    const isDeny = isDenyPrecedence(precedence);
    const hides = (other: ColumnEntry) =>
      other !== entry && (other.precedence > precedence || (isDeny && other.precedence === precedence));
    if (own.someCovering(protocol, port, prefix, hides)) continue;
    if (everyPeer !== NOTHING) {
      if (everyPeer.someCovering(protocol, port, prefix, hides)) continue;
      const same = everyPeer.at(protocol, port, prefix);
      if (same !== undefined && isEquivalent(same, entry)) continue;
    }
    needed.push(entry);
  }
  return needed.sort(byBlock);
}

/**
 * The same where rules speak of authentication: an entry that asks for it stays even under a redirect, which then takes its
 * traffic; one that does not ask takes over what the narrowest wider entry of its peer asks.
 */
export function neededWithAuth(own: BlockTable, everyPeer: BlockTable = NOTHING): ColumnEntry[] {
  const needed: ColumnEntry[] = [];
  for (const entry of own.blocks.values()) {
    const kept = withWiderAuth(entry, own, everyPeer);
    if (kept !== undefined) needed.push(kept);
  }
  return needed.sort(byBlock);
}

function withWiderAuth(entry: ColumnEntry, own: BlockTable, everyPeer: BlockTable): ColumnEntry | undefined {
  const { protocol, port, prefix, precedence } = entry;
  const isDeny = isDenyPrecedence(precedence);
  const denies = (other: ColumnEntry) =>
    other !== entry && isDenyPrecedence(other.precedence) && other.precedence >= precedence;
  const outranks = (other: ColumnEntry) => denies(other) || (isDeny && other.precedence > precedence);
  if (own.someCovering(protocol, port, prefix, outranks) || everyPeer.someCovering(protocol, port, prefix, outranks))
    return undefined;
  if (isDeny) return entry;
  let kept = entry;
  let isSettled = entry.hasOwnAuth;
  for (const wider of own.wider(protocol, port, prefix)) {
    if (wider.precedence > kept.precedence) {
      if (!entry.hasOwnAuth) return undefined;
      kept = { ...kept, redirect: wider.redirect, precedence: wider.precedence };
    }
    if (isSettled || !wider.hasOwnAuth) continue;
    kept = { ...kept, authType: wider.authType };
    isSettled = true;
  }
  const same = everyPeer.at(protocol, port, prefix);
  return same !== undefined && isEquivalent(same, kept) ? undefined : kept;
}

function byBlock(a: ColumnEntry, b: ColumnEntry): number {
  return a.protocol - b.protocol || a.prefix - b.prefix || a.port - b.port;
}
