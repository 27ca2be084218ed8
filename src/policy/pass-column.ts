import { maskPort } from "../model/port.ts";
import { Protocol } from "../model/protocol.ts";
import type { Clause } from "./clause.ts";
import {
  type BlockTable,
  blockKey,
  type ColumnEntry,
  entryOf,
  isSameDecision,
  keyLength,
  mergeEntries,
  type Piece,
  type PiecesOf,
} from "./column.ts";
import type { Levels } from "./precedence.ts";

const NOBODY: ColumnEntry["origins"] = [];

/** Comparisons in whose time one clause that covers a block is ranked there. */
const LIFT_COST = 60;

interface Block {
  readonly protocol: number;
  readonly port: number;
  readonly prefix: number;
}

function covers({ filter }: Clause, { protocol, port, prefix }: Block): boolean {
  if (filter.protocol !== Protocol.Any && filter.protocol !== protocol) return false;
  const last = port + 2 ** (16 - prefix) - 1;
  return filter.first <= port && last <= filter.last;
}

/** Highest pass of each tier that covers the block, the last tier first. */
function passesOver(block: Block, clauses: readonly Clause[]): Clause[] {
  const best = new Map<number, Clause>();
  for (const clause of clauses) {
    if (clause.verdict !== "pass" || !covers(clause, block)) continue;
    const known = best.get(clause.tier);
    if (known === undefined || clause.precedence > known.precedence) best.set(clause.tier, clause);
  }
  return [...best.values()].sort((a, b) => b.tier - a.tier);
}

/**
 * The rank of a clause where these passes hold (the last tier first): each pass of an earlier tier lifts it to right behind
 * that pass. Undefined when a pass of its own tier goes before it.
 */
export function liftedPrecedence(clause: Clause, passes: readonly Clause[], levels: Levels): number | undefined {
  let precedence = clause.precedence;
  for (const pass of passes) {
    if (pass.tier > clause.tier) continue;
    if (pass.tier === clause.tier) {
      if (pass.precedence > precedence) return undefined;
      continue;
    }
    precedence += pass.precedence - levels.tierEnd(pass.tier);
  }
  return precedence;
}

/** Clauses with a verdict that cover the block, each at the rank that passes give it there. */
export function liftClauses(block: Block, clauses: readonly Clause[], levels: Levels): Clause[] {
  const passes = passesOver(block, clauses);
  return clauses.flatMap((clause) => {
    if (clause.verdict === "pass" || !covers(clause, block)) return [];
    const precedence = liftedPrecedence(clause, passes, levels);
    if (precedence === undefined) return [];
    return [precedence === clause.precedence ? clause : { ...clause, precedence }];
  });
}

/** As `mergeEntries` of one after the other, but who decided is put together once: many clauses may cover a block. */
function mergeAll(entries: readonly ColumnEntry[]): ColumnEntry | undefined {
  let merged: ColumnEntry | undefined;
  for (const entry of entries) {
    const nameless = { ...entry, origins: NOBODY };
    merged = merged === undefined ? nameless : mergeEntries(merged, nameless);
  }
  if (merged === undefined) return undefined;
  const { precedence } = merged;
  const deciding = entries.filter((entry) => isSameDecision(entry.precedence, precedence));
  const origins = deciding.length === 1 ? deciding[0]!.origins : [...new Set(deciding.flatMap((each) => each.origins))];
  return { ...merged, origins };
}

function blocksIn(clauses: readonly Clause[], piecesOf: PiecesOf): Map<number, Block> {
  const blocks = new Map<number, Block>();
  for (const clause of clauses) {
    const { protocol } = clause.filter;
    for (const { port, prefix } of piecesOf(clause)) {
      blocks.set(blockKey(protocol, port, prefix), { protocol, port, prefix });
    }
  }
  return blocks;
}

/** The piece of a clause that holds the block, as a piece of exactly the block. */
function pieceAt(clause: Clause, block: Block, piecesOf: PiecesOf): Piece {
  const { port, prefix } = block;
  if (clause.l7 === undefined) return { port, prefix };
  const around = piecesOf(clause).find(
    (piece) => piece.prefix <= prefix && maskPort(port, piece.prefix) === piece.port,
  );
  return { port, prefix, ...(around?.redirect === undefined ? {} : { redirect: around.redirect }) };
}

/**
 * The entries of one peer where rules pass traffic on to later tiers: what a clause ranks differs from block to block, so
 * every block that any clause names is decided by itself. `everyPeer` = clauses for every peer, judged together with `own`.
 * `spend` is told how many clauses are compared with blocks, and throws when they are too many.
 */
export function passEntries(
  own: readonly Clause[],
  everyPeer: readonly Clause[],
  levels: Levels,
  piecesOf: PiecesOf,
  spend: (comparisons: number) => void,
): Map<number, ColumnEntry> {
  const all = own.length === 0 ? everyPeer : [...own, ...everyPeer];
  const entries = new Map<number, ColumnEntry>();
  const blocks = blocksIn(all, piecesOf);
  spend(blocks.size * all.length);
  for (const [key, block] of blocks) {
    const lifted = liftClauses(block, all, levels);
    spend(LIFT_COST * lifted.length);
    const decided = mergeAll(lifted.map((clause) => entryOf(clause, block.protocol, pieceAt(clause, block, piecesOf))));
    if (decided !== undefined) entries.set(key, decided);
  }
  return entries;
}

/**
 * Leaves out what the next wider entry of the peer that is kept says anyway, and what the same block of every peer says
 * where no wider entry of the peer ranks before it.
 */
export function neededPassEntries(own: BlockTable, everyPeer: BlockTable | undefined): ColumnEntry[] {
  const kept = new Set<ColumnEntry>();
  const widestFirst = [...own.blocks.values()].sort((a, b) => keyLength(a) - keyLength(b));
  for (const entry of widestFirst) {
    const { protocol, port, prefix } = entry;
    let wider: ColumnEntry | undefined;
    for (const each of own.wider(protocol, port, prefix)) {
      if (!kept.has(each)) continue;
      wider = each;
      break;
    }
    if (wider !== undefined && isSame(wider, entry)) continue;
    const same = everyPeer?.at(protocol, port, prefix);
    const isUncovered = wider === undefined || wider.precedence < entry.precedence;
    if (same === undefined || !isUncovered || !isSame(same, entry)) kept.add(entry);
  }
  return [...kept];
}

function isSame(a: ColumnEntry, b: ColumnEntry): boolean {
  return a.precedence === b.precedence && a.redirect === b.redirect && a.authType === b.authType && a.log === b.log;
}
