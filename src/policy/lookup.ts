import { MAX_PORT } from "../model/port.ts";
import { Protocol } from "../model/protocol.ts";
import { type Direction, MatchType } from "../model/verdict.ts";
import { AuthType, BlockTable, blockKey, type Column, type ColumnEntry, keyLength } from "./column.ts";
import type { ComputedPolicy } from "./computed-policy.ts";
import type { DirectionPolicy } from "./direction-policy.ts";
import type { Origins } from "./origin.ts";
import { isDenyPrecedence } from "./precedence.ts";

/** One direction of one connection, as its endpoint sees it. */
export interface LookupQuery {
  readonly direction: Direction;
  /** The peer's. */
  readonly identity: number;
  /** IANA number. */
  readonly protocol: number;
  /** Destination port, or ICMP type. */
  readonly port: number;
}

export interface LookupResult {
  readonly verdict: "allow" | "deny" | "redirect";
  readonly matchType: MatchType;
  /** Rules that decided; for a default deny, those that turned it on; empty = no rule had a part in it. */
  readonly origins: Origins;
  /** 0 = none (see `AuthType`); the connection passes only after it. */
  readonly authType: number;
  /** Absent when nothing matched. */
  readonly entry?: ColumnEntry;
}

/** Verdicts of one protocol: that of a port is the last one whose start is not above it. */
interface PortTable {
  readonly starts: Int32Array;
  readonly results: readonly LookupResult[];
}

/** Verdicts for one column of peers, by protocol; `rest` is for protocols that no entry names. */
interface PeerTable {
  readonly byProtocol: readonly (PortTable | undefined)[];
  readonly rest: LookupResult;
}

/** The peers of one column; their table is built when the first of them is asked about. */
interface Peer {
  readonly column: Column | undefined;
  table: PeerTable | undefined;
}

interface DirectionTable {
  readonly version: number;
  readonly byIdentity: ReadonlyMap<number, Peer>;
  readonly rest: Peer;
}

const tables = new WeakMap<DirectionPolicy, DirectionTable>();

/**
 * The datapath's lookup: the longest match of the peer and of every peer; the higher precedence wins, then the longer key,
 * then the peer's own (bpf/lib/policy.h of Cilium 1.20). `port` of 0..65535. Tables are built when they are first asked and kept
 * until identities come or go.
 */
export function lookup(policy: ComputedPolicy, { direction, identity, protocol, port }: LookupQuery): LookupResult {
  const side = direction === "ingress" ? policy.ingress : policy.egress;
  const peers = peersOf(side);
  const peer = peers.byIdentity.get(identity) ?? peers.rest;
  peer.table ??= peerTable(side, peer.column);
  const ports = peer.table.byProtocol[protocol];
  if (ports === undefined) return peer.table.rest;
  const { starts, results } = ports;
  let low = 0;
  let high = starts.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (starts[middle]! <= port) low = middle;
    else high = middle - 1;
  }
  return results[low]!;
}

/**
 * Where the verdict on a peer may change: for each protocol that entries name the first ports of the parts, in order. Every port
 * of a part, and every protocol that is not there, is looked up alike (protocol 0 stands for those).
 */
export function verdictBounds(
  policy: ComputedPolicy,
  { direction, identity }: Pick<LookupQuery, "direction" | "identity">,
): ReadonlyMap<number, readonly number[]> {
  const side = direction === "ingress" ? policy.ingress : policy.egress;
  const peers = peersOf(side);
  const peer = peers.byIdentity.get(identity) ?? peers.rest;
  peer.table ??= peerTable(side, peer.column);
  const bounds = new Map<number, readonly number[]>();
  for (const [protocol, ports] of peer.table.byProtocol.entries())
    if (ports !== undefined) bounds.set(protocol, [...ports.starts]);
  return bounds;
}

function peersOf(policy: DirectionPolicy): DirectionTable {
  const known = tables.get(policy);
  if (known !== undefined && known.version === policy.version) return known;
  const byIdentity = new Map<number, Peer>();
  for (const { ids, column } of policy.peers) {
    const peer: Peer = { column, table: undefined };
    for (const id of ids) byIdentity.set(id, peer);
  }
  const table: DirectionTable = { version: policy.version, byIdentity, rest: { column: undefined, table: undefined } };
  tables.set(policy, table);
  return table;
}

function tableOf(column: Column | undefined): BlockTable {
  const entries = column?.entries ?? [];
  return new BlockTable(new Map(entries.map((entry) => [blockKey(entry.protocol, entry.port, entry.prefix), entry])));
}

function peerTable(policy: DirectionPolicy, column: Column | undefined): PeerTable {
  const [own, any] = [tableOf(column), tableOf(policy.anyColumn)];
  const decided = new Map<ColumnEntry | undefined, Map<ColumnEntry | undefined, LookupResult>>();
  const decide = (protocol: number, port: number): LookupResult => {
    const [mine, everyPeers] = [own.longestMatch(protocol, port), any.longestMatch(protocol, port)];
    const byAny = decided.get(mine) ?? new Map<ColumnEntry | undefined, LookupResult>();
    decided.set(mine, byAny);
    const result = byAny.get(everyPeers) ?? resultOf(policy, mine, everyPeers);
    byAny.set(everyPeers, result);
    return result;
  };
  const all = [...own.blocks.values(), ...any.blocks.values()];
  const byProtocol: (PortTable | undefined)[] = [];
  for (const protocol of new Set(all.map((entry) => entry.protocol))) {
    if (protocol !== Protocol.Any) byProtocol[protocol] = portTable(protocol, all, decide);
  }
  return { byProtocol, rest: decide(Protocol.Any, 0) };
}

function portTable(
  protocol: number,
  entries: readonly ColumnEntry[],
  decide: (protocol: number, port: number) => LookupResult,
): PortTable {
  const bounds = new Set([0]);
  for (const entry of entries) {
    if (entry.protocol !== protocol) continue;
    bounds.add(entry.port);
    bounds.add(entry.port + 2 ** (16 - entry.prefix));
  }
  bounds.delete(MAX_PORT + 1);
  const starts = [...bounds].sort((a, b) => a - b);
  return { starts: Int32Array.from(starts), results: starts.map((port) => decide(protocol, port)) };
}

function resultOf(
  { defaultOrigins = [] }: DirectionPolicy,
  own: ColumnEntry | undefined,
  everyPeer: ColumnEntry | undefined,
): LookupResult {
  if (own === undefined && everyPeer === undefined) {
    return { verdict: "deny", matchType: MatchType.None, origins: defaultOrigins, authType: AuthType.Disabled };
  }
  const isOwn = own !== undefined && (everyPeer === undefined || isAhead(own, everyPeer));
  const [entry, other] = isOwn ? [own, everyPeer] : [everyPeer!, own];
  const verdict = isDenyPrecedence(entry.precedence) ? "deny" : entry.redirect === undefined ? "allow" : "redirect";
  const matchType = matchTypeOf(entry, !isOwn);
  return { verdict, matchType, origins: entry.origins, authType: authOf(entry, other), entry };
}

function isAhead(own: ColumnEntry, everyPeer: ColumnEntry): boolean {
  if (own.precedence !== everyPeer.precedence) return own.precedence > everyPeer.precedence;
  return keyLength(own) >= keyLength(everyPeer);
}

/** An entry that does not speak of authentication takes over what the other match of the same rank asks. */
function authOf(entry: ColumnEntry, other: ColumnEntry | undefined): number {
  if (isDenyPrecedence(entry.precedence)) return AuthType.Disabled;
  if (entry.hasOwnAuth || other === undefined || other.precedence !== entry.precedence) return entry.authType;
  return Math.max(entry.authType, other.authType);
}

/** What the entry's key spells out: Cilium's policy match type. */
function matchTypeOf({ protocol, prefix }: ColumnEntry, isAnyPeer: boolean): MatchType {
  if (protocol === Protocol.Any) return isAnyPeer ? MatchType.All : MatchType.L3Only;
  if (prefix === 0) return isAnyPeer ? MatchType.ProtoOnly : MatchType.L3Proto;
  return isAnyPeer ? MatchType.L4Only : MatchType.L3L4;
}
