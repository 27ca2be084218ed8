/** Connection tracking as it stands in the kernel. */
import type { ConnectionCounts, ConnectionRow } from "../port.ts";
import { isMapped, readAddress } from "./address.ts";
import { LAYOUT } from "./layout.ts";
import { batches, type KernelMap } from "./map.ts";

const KEY = LAYOUT.sg_ct_key;
const ENTRY = LAYOUT.sg_ct_entry;
const SCOPES = ["egress", "ingress", "service", "proxy", "hairpin"] as const;
const NS = 1_000_000_000n;
/** Bits of `flags`, and Cilium's for them: a reset closes both ways. */
const FLAGS: readonly (readonly [number, number])[] = [
  [1, 16],
  [2, 2],
  [4, 1],
  [8, 3],
  [32, 64],
  [64, 32],
];
/** Of a pod's connection with itself. */
const LOOPBACK = 8;
const HAS_NAT = 16;
const TCP = 6;
const KINDS = [
  ["ipv4", "TCP"],
  ["ipv4", "non-TCP"],
  ["ipv6", "TCP"],
  ["ipv6", "non-TCP"],
] as const;

function connectionOf(key: Buffer, entry: Buffer, now: bigint): ConnectionRow {
  const flags = entry.readUInt16LE(ENTRY.fields.flags);
  const expires = entry.readBigUInt64LE(ENTRY.fields.expires_ns);
  const secondAt = (offset: number) => Number(entry.readBigUInt64LE(offset) / NS);
  const scope = SCOPES[key.readUInt8(KEY.fields.scope) - 1] ?? "egress";
  const hasNat = (flags & HAS_NAT) !== 0;
  return {
    scope,
    protocol: key.readUInt8(KEY.fields.protocol),
    source: readAddress(key, KEY.fields.src),
    sourcePort: key.readUInt16BE(KEY.fields.sport),
    destination: readAddress(key, KEY.fields.dst),
    destinationPort: key.readUInt16BE(KEY.fields.dport),
    expires: Number(expires / NS),
    expiresIn: Number((expires - now) / NS),
    flags: FLAGS.reduce(
      (sum, [own, bit]) => ((flags & own) === 0 ? sum : sum | bit),
      scope === "hairpin" ? LOOPBACK : 0,
    ),
    forwardFlags: entry.readUInt8(ENTRY.fields.seen_forward),
    replyFlags: entry.readUInt8(ENTRY.fields.seen_reply),
    forwardReported: secondAt(ENTRY.fields.reported_ns),
    replyReported: secondAt(ENTRY.fields.reply_reported_ns),
    sourceIdentity: entry.readUInt32LE(ENTRY.fields.src_identity),
    translatedAddress: hasNat ? readAddress(entry, ENTRY.fields.nat) : "",
    translatedPort: hasNat ? entry.readUInt16BE(ENTRY.fields.nat_port) : 0,
  };
}

function* entriesOf(conntrack: KernelMap): Iterable<{ key: Buffer; entry: Buffer }> {
  for (const { keys, values, count } of batches(conntrack, KEY.size, ENTRY.size)) {
    for (let index = 0; index < count; index++) {
      yield {
        key: Buffer.from(keys.subarray(index * KEY.size, (index + 1) * KEY.size)),
        entry: Buffer.from(values.subarray(index * ENTRY.size, (index + 1) * ENTRY.size)),
      };
    }
  }
}

/** `now` = CLOCK_MONOTONIC in ns. */
export function listConnections(conntrack: KernelMap, now: bigint): ConnectionRow[] {
  return [...entriesOf(conntrack)].map(({ key, entry }) => connectionOf(key, entry, now));
}

/** Removes the entries that pass the test and returns how many went. */
function removeWhere(conntrack: KernelMap, test: (key: Buffer, entry: Buffer) => boolean): number {
  const gone = [...entriesOf(conntrack)].filter(({ key, entry }) => test(key, entry));
  for (const { key } of gone) conntrack.delete(key);
  return gone.length;
}

export function flushConnections(conntrack: KernelMap): number {
  return removeWhere(conntrack, () => true);
}

/** What is past its time takes room that live connections could need. `now` as above. */
export function collectConnections(conntrack: KernelMap, now: bigint): readonly ConnectionCounts[] {
  const counts = KINDS.map(([family, protocol]) => ({ family, protocol, alive: 0, deleted: 0 }));
  removeWhere(conntrack, (key, entry) => {
    const isOver = entry.readBigUInt64LE(ENTRY.fields.expires_ns) < now;
    const isTcp = key.readUInt8(KEY.fields.protocol) === TCP;
    const kind = counts[(isMapped(key, KEY.fields.src) ? 0 : 2) + (isTcp ? 0 : 1)]!;
    if (isOver) kind.deleted++;
    else kind.alive++;
    return isOver;
  });
  return counts;
}

/** Takes an address out: the next pod with it must not inherit its connections. `address` is its 16 bytes. */
export function purgeAddress(conntrack: KernelMap, address: Buffer): number {
  const isAt = (key: Buffer, offset: number) => key.subarray(offset, offset + address.length).equals(address);
  return removeWhere(conntrack, (key) => isAt(key, KEY.fields.src) || isAt(key, KEY.fields.dst));
}
