import { maskPort } from "../model/port.ts";
import { Protocol } from "../model/protocol.ts";
import { type Direction, MatchType } from "../model/verdict.ts";
import { blockKey } from "./map-entries.ts";
import type { EndpointPolicy, PolicyMapEntry } from "./policy-map.ts";

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
  /** Index into `EndpointPolicy.origins`; -1 = no rule had a part in it. */
  readonly origin: number;
  /** Absent when nothing matched. */
  readonly entry?: PolicyMapEntry;
}

/** Blocks of one peer: the entries, and for each protocol which prefix lengths occur, longest first. */
interface Blocks {
  readonly entries: Map<number, PolicyMapEntry>;
  readonly lengths: Map<number, readonly number[]>;
}

type Index = Readonly<Record<Direction, ReadonlyMap<number, Blocks>>>;

const indexes = new WeakMap<EndpointPolicy, Index>();

function indexOf(policy: EndpointPolicy): Index {
  const known = indexes.get(policy);
  if (known !== undefined) return known;
  const index = { ingress: new Map<number, Blocks>(), egress: new Map<number, Blocks>() };
  for (const entry of policy.entries) {
    const peers = index[entry.direction];
    const blocks = peers.get(entry.identity) ?? { entries: new Map(), lengths: new Map<number, readonly number[]>() };
    peers.set(entry.identity, blocks);
    blocks.entries.set(blockKey(entry.protocol, entry.port, entry.portPrefix), entry);
    const lengths = new Set([...(blocks.lengths.get(entry.protocol) ?? []), entry.portPrefix]);
    blocks.lengths.set(
      entry.protocol,
      [...lengths].sort((a, b) => b - a),
    );
  }
  indexes.set(policy, index);
  return index;
}

function longestMatch(blocks: Blocks | undefined, protocol: number, port: number): PolicyMapEntry | undefined {
  if (blocks === undefined) return undefined;
  for (const length of blocks.lengths.get(protocol) ?? []) {
    const entry = blocks.entries.get(blockKey(protocol, maskPort(port, length), length));
    if (entry !== undefined) return entry;
  }
  return blocks.entries.get(blockKey(Protocol.Any, 0, 0));
}

/** Bits of the key that count: those of the protocol and of the port. */
function keyLength({ protocol, portPrefix }: PolicyMapEntry): number {
  return protocol === Protocol.Any ? 0 : 8 + portPrefix;
}

function better(own: PolicyMapEntry | undefined, everyPeer: PolicyMapEntry | undefined): PolicyMapEntry | undefined {
  if (own === undefined || everyPeer === undefined) return own ?? everyPeer;
  if (own.precedence !== everyPeer.precedence) return own.precedence > everyPeer.precedence ? own : everyPeer;
  return keyLength(everyPeer) > keyLength(own) ? everyPeer : own;
}

/** What the entry's key spells out: Cilium's policy match type. */
function matchTypeOf({ identity, protocol, portPrefix }: PolicyMapEntry): MatchType {
  const isAnyPeer = identity === 0;
  if (protocol === Protocol.Any) return isAnyPeer ? MatchType.All : MatchType.L3Only;
  if (portPrefix === 0) return isAnyPeer ? MatchType.ProtoOnly : MatchType.L3Proto;
  return isAnyPeer ? MatchType.L4Only : MatchType.L3L4;
}

/**
 * The datapath's lookup: the longest match of the peer and of every peer; the higher precedence wins, then the longer
 * key, then the peer's own. `port` of 0..65535.
 */
export function lookup(policy: EndpointPolicy, query: LookupQuery): LookupResult {
  const peers = indexOf(policy)[query.direction];
  const own = query.identity === 0 ? undefined : longestMatch(peers.get(query.identity), query.protocol, query.port);
  const entry = better(own, longestMatch(peers.get(0), query.protocol, query.port));
  if (entry === undefined) {
    const origin = query.direction === "ingress" ? policy.ingressDefaultOrigin : policy.egressDefaultOrigin;
    return { verdict: "deny", matchType: MatchType.None, origin };
  }
  const verdict = entry.deny ? "deny" : entry.redirect === undefined ? "allow" : "redirect";
  return { verdict, matchType: matchTypeOf(entry), origin: entry.origin, entry };
}
