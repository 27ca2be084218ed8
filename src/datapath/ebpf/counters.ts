/** Counters of the kernel: what programs did with packets, and what each policy entry decided. Sums of all CPUs. */
import type { PolicyMapEntry } from "../../policy/policy-map.ts";
import type { MetricsRow } from "../port.ts";
import { LAYOUT } from "./layout.ts";
import type { KernelMap } from "./map.ts";
import { writeKey } from "./policy.ts";

const METRICS = LAYOUT.sg_metrics;
const METRICS_KEY = LAYOUT.sg_metrics_key.fields;
const STATS = LAYOUT.sg_policy_stats_key;
/** The pseudo reason of events that the ring had no room for. */
const LOST = 255;
const DIRECTIONS = ["", "ingress", "egress"] as const;

interface Counts {
  readonly packets: number;
  readonly bytes: number;
}

/** `values` has one value for each CPU. */
function countsOf(values: Buffer): Counts[] {
  return Array.from({ length: values.length / METRICS.size }, (_, cpu) => {
    const at = cpu * METRICS.size;
    return {
      packets: Number(values.readBigUInt64LE(at + METRICS.fields.packets)),
      bytes: Number(values.readBigUInt64LE(at + METRICS.fields.bytes)),
    };
  });
}

function sumOf(values: Buffer): Counts {
  let [packets, bytes] = [0, 0];
  for (const counts of countsOf(values)) {
    packets += counts.packets;
    bytes += counts.bytes;
  }
  return { packets, bytes };
}

const reasonOf = (key: Buffer): number => key.readUInt8(METRICS_KEY.reason);

/** Packets that were forwarded, or dropped for a reason. */
export function metricsRows(metrics: KernelMap): MetricsRow[] {
  return [...metrics.keys()]
    .filter((key) => reasonOf(key) !== LOST)
    .map((key) => ({
      reason: reasonOf(key),
      direction: DIRECTIONS[key.readUInt8(METRICS_KEY.direction)] ?? "",
      file: key.readUInt8(METRICS_KEY.file),
      line: key.readUInt16LE(METRICS_KEY.line),
      ...sumOf(metrics.get(key) ?? Buffer.alloc(0)),
    }));
}

/** Events that the ring had no room for, by CPU; empty = none yet. */
export function lostByProcessor(metrics: KernelMap): number[] {
  const key = Buffer.alloc(LAYOUT.sg_metrics_key.size);
  key.writeUInt8(LOST, METRICS_KEY.reason);
  return countsOf(metrics.get(key) ?? Buffer.alloc(0)).map(({ packets }) => packets);
}

function statsKey(id: number): Buffer {
  const key = Buffer.alloc(STATS.size);
  key.writeUInt32LE(id, STATS.fields.endpoint);
  return key;
}

/** What the entry with this key (struct sg_policy_key) has decided. */
export function statsOf(stats: KernelMap, id: number, entry: Buffer): Counts {
  const key = statsKey(id);
  entry.copy(key, STATS.fields.entry);
  return sumOf(stats.get(key) ?? Buffer.alloc(0));
}

/** Of larger policies the counters of removed entries are left to the map, which drops what is used least. */
const MOST_COMPARED = 2048;

const nameOf = ({ direction, identity, protocol, port, portPrefix }: PolicyMapEntry) =>
  [direction, identity, protocol, port, portPrefix].join();

/** What the policy had and has no more. */
function goneEntries(before: readonly PolicyMapEntry[], after: readonly PolicyMapEntry[]): readonly PolicyMapEntry[] {
  if (before === after || before.length > MOST_COMPARED || after.length > MOST_COMPARED) return [];
  const kept = new Set(after.map(nameOf));
  return before.filter((entry) => !kept.has(nameOf(entry)));
}

/** The entries of an endpoint's policy before a change and after it. */
export interface EntriesChange {
  readonly id: number;
  readonly before: readonly PolicyMapEntry[];
  readonly after: readonly PolicyMapEntry[];
}

/** Forgets what entries have counted that the endpoints' policies had and have no more: one that comes back begins at zero. */
export function forgetCounters(stats: KernelMap, changes: readonly EntriesChange[]): void {
  let last: { readonly change: EntriesChange; readonly gone: readonly PolicyMapEntry[] } | undefined;
  for (const change of changes) {
    const { id, before, after } = change;
    // Endpoints of one identity share their policies.
    const isSame = last?.change.before === before && last.change.after === after;
    if (!isSame) last = { change, gone: goneEntries(before, after) };
    for (const entry of last!.gone) {
      const key = statsKey(id);
      writeKey(key, STATS.fields.entry, entry);
      stats.delete(key);
    }
  }
}
