/** The kernel's choice among policy entries, in TypeScript: same rules as bpf/lib/policy.h. */
import { type Direction, MatchType } from "../../model/verdict.ts";
import type { PolicyMapEntry } from "../../policy/policy-map.ts";

export interface Query {
  readonly direction: Direction;
  readonly identity: number;
  readonly protocol: number;
  /** Destination port or ICMP type. */
  readonly port: number;
}

const prefixOf = (entry: PolicyMapEntry): number => (entry.protocol === 0 ? 40 : 48 + entry.portPrefix);

function covers(entry: PolicyMapEntry, query: Query): boolean {
  if (entry.direction !== query.direction) return false;
  if (entry.protocol === 0) return true;
  const shift = 16 - entry.portPrefix;
  return entry.protocol === query.protocol && entry.port >> shift === query.port >> shift;
}

/** The longest prefix of one identity, as an LPM trie finds it. */
function longest(entries: readonly PolicyMapEntry[], identity: number, query: Query): PolicyMapEntry | undefined {
  let best: PolicyMapEntry | undefined;
  for (const entry of entries) {
    if (entry.identity !== identity || !covers(entry, query)) continue;
    if (!best || prefixOf(entry) >= prefixOf(best)) best = entry;
  }
  return best;
}

/** The entry that decides, or nothing: default deny. */
export function decide(entries: readonly PolicyMapEntry[], query: Query): PolicyMapEntry | undefined {
  const peer = query.identity === 0 ? undefined : longest(entries, query.identity, query);
  const wildcard = longest(entries, 0, query);
  if (!peer || !wildcard) return peer ?? wildcard;
  const [entry, other] = wins(peer, wildcard) ? [peer, wildcard] : [wildcard, peer];
  const isSettled = entry.hasOwnAuth || entry.authType !== 0 || other.precedence !== entry.precedence;
  return isSettled || other.authType === 0 ? entry : { ...entry, authType: other.authType };
}

function wins(peer: PolicyMapEntry, wildcard: PolicyMapEntry): boolean {
  if (peer.precedence !== wildcard.precedence) return peer.precedence > wildcard.precedence;
  return prefixOf(peer) >= prefixOf(wildcard);
}

/** Which kind of entry decided, for verdict events. */
export function matchType(entry: PolicyMapEntry | undefined): MatchType {
  if (!entry) return MatchType.None;
  const bits = prefixOf(entry);
  if (bits === 40) return entry.identity === 0 ? MatchType.All : MatchType.L3Only;
  if (bits === 48) return entry.identity === 0 ? MatchType.ProtoOnly : MatchType.L3Proto;
  return entry.identity === 0 ? MatchType.L4Only : MatchType.L3L4;
}
