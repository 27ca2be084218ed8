/** A policy as the kernel takes it: a fresh LPM trie that is filled and then swapped in, so a change is atomic. */
import type { PolicyMapEntry } from "../../policy/policy-map.ts";
import type { RealizedPolicy } from "../port.ts";
import { LAYOUT } from "./layout.ts";
import { bpf, check, failure, libcCalls } from "./libbpf.ts";
import type { KernelMap } from "./map.ts";

const LPM_TRIE = 11;
const NO_PREALLOC = 1;
const KEY = LAYOUT.sg_policy_key;
const ENTRY = LAYOUT.sg_policy_entry;
const DIRECTION = { ingress: 1, egress: 2 } as const;
/** SG_POLICY_OWN_AUTH */
const OWN_AUTH = 1;
const ENOENT = 2;

/** Bits of the key that count, from its identity on: 40, 48, or 48 plus the leading bits of the port. */
function keyBits(entry: PolicyMapEntry): number {
  if (entry.protocol === 0) return 40;
  return 48 + entry.portPrefix;
}

/** The key of the entry, struct sg_policy_key. */
export function writeKey(buffer: Buffer, offset: number, entry: PolicyMapEntry): void {
  const mask = (0xffff << (16 - entry.portPrefix)) & 0xffff;
  buffer.writeUInt32LE(keyBits(entry), offset + KEY.fields.prefixlen);
  buffer.writeUInt32LE(entry.identity, offset + KEY.fields.identity);
  buffer.writeUInt8(DIRECTION[entry.direction], offset + KEY.fields.direction);
  buffer.writeUInt8(entry.protocol, offset + KEY.fields.protocol);
  buffer.writeUInt16BE(entry.port & mask, offset + KEY.fields.port);
}

/** An entry whose redirect has no port yet is written as deny: nothing passes unread by the proxy. */
function writeEntry(buffer: Buffer, offset: number, entry: PolicyMapEntry, realized: RealizedPolicy): void {
  const port = entry.redirect === undefined ? 0 : realized.proxyPorts.get(entry.redirect);
  buffer.writeUInt32LE(entry.precedence, offset + ENTRY.fields.precedence);
  buffer.writeUInt32LE(realized.cookies[entry.origin] ?? 0, offset + ENTRY.fields.cookie);
  buffer.writeUInt16BE(entry.deny ? 0 : (port ?? 0), offset + ENTRY.fields.proxy_port);
  buffer.writeUInt8(entry.deny || port === undefined ? 1 : 0, offset + ENTRY.fields.deny);
  buffer.writeUInt8(entry.authType, offset + ENTRY.fields.auth_type);
  buffer.writeUInt8(keyBits(entry), offset + ENTRY.fields.prefixlen);
  buffer.writeUInt8(entry.hasOwnAuth ? OWN_AUTH : 0, offset + ENTRY.fields.flags);
}

function fill(policies: KernelMap, fd: number, realized: RealizedPolicy): void {
  const entries = realized.policy.entries;
  if (entries.length === 0) return;
  const keys = Buffer.alloc(entries.length * KEY.size);
  const values = Buffer.alloc(entries.length * ENTRY.size);
  entries.forEach((entry, index) => {
    writeKey(keys, index * KEY.size, entry);
    writeEntry(values, index * ENTRY.size, entry, realized);
  });
  const count = Buffer.alloc(4);
  count.writeUInt32LE(entries.length);
  const call = () => bpf.updateBatch(fd, keys, values, count, null);
  check(`write ${entries.length} policy entries`, policies.timed("update", call));
}

/** struct bpf_map_create_opts of libbpf 1.1; map_flags lies behind five other numbers. */
function createOpts(flags: number): Buffer {
  const opts = Buffer.alloc(48);
  opts.writeBigUInt64LE(48n, 0);
  opts.writeUInt32LE(flags, 28);
  return opts;
}

/** struct bpf_map_info: type, id. */
function mapId(fd: number): number {
  const info = Buffer.alloc(88);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(info.length);
  check("ask for a policy map's id", bpf.info(fd, info, length));
  return info.readUInt32LE(4);
}

/** More waiting calls would fill node's thread pool (one thread waits for events, one stays free): then the caller waits
 * itself. An agent that sets policies in bursts wants UV_THREADPOOL_SIZE=16. */
const MOST_WAITING = Math.max(1, Number(process.env["UV_THREADPOOL_SIZE"] ?? 4) - 2);
/** How long a thread is waited for that the processor does not get to; then the call is made here. */
const SWAP_PATIENCE_MS = 200;
const waiting = new Set<Batch>();
const NO_FAILURES: ReadonlyMap<number, Error> = new Map();

/** Inner maps by their endpoints' keys, ready for one call of the kernel. */
interface Batch {
  readonly keys: Buffer;
  readonly descriptors: Buffer;
  readonly count: Buffer;
}

function batchOf(swaps: readonly Swap[]): Batch {
  const descriptors = Buffer.alloc(swaps.length * 4);
  for (const [index, { fd }] of swaps.entries()) descriptors.writeInt32LE(fd, index * 4);
  const count = Buffer.alloc(4);
  count.writeUInt32LE(swaps.length);
  return { keys: Buffer.concat(swaps.map(({ key }) => key)), descriptors, count };
}

/** An endpoint's new map, open; endpoints with one realized policy have one map. */
interface Swap {
  readonly id: number;
  readonly key: Buffer;
  readonly fd: number;
}

function closeAll(swaps: readonly Swap[]): void {
  for (const fd of new Set(swaps.map((each) => each.fd))) libcCalls.close(fd);
}

/** Makes the call in a thread; the buffers, into which the kernel writes at its end, and the descriptors live until then. */
function startSwap(policies: KernelMap, swaps: readonly Swap[]): Batch {
  const batch = batchOf(swaps);
  waiting.add(batch);
  const start = performance.now();
  bpf.updateBatch.async(
    policies.fd,
    batch.keys,
    batch.descriptors,
    batch.count,
    null,
    (error: Error | null, result: number) => {
      policies.ended("update", error ? -1 : result, start);
      waiting.delete(batch);
      closeAll(swaps);
    },
  );
  return batch;
}

/** Makes the call here, and again behind each endpoint that the kernel refuses. Returns those with its reason. */
function swapHere(policies: KernelMap, swaps: readonly Swap[]): ReadonlyMap<number, Error> {
  const failures = new Map<number, Error>();
  for (let rest = swaps; rest.length > 0; ) {
    const { keys, descriptors, count } = batchOf(rest);
    const call = () => bpf.updateBatch(policies.fd, keys, descriptors, count, null);
    const result = policies.timed("update", call);
    if (result >= 0) break;
    const taken = count.readUInt32LE();
    // A count that is as it was: the kernel looked at none of them.
    const refused = taken < rest.length ? rest.slice(taken, taken + 1) : rest;
    const reason = failure("swap policies", -result);
    for (const { id } of refused) failures.set(id, reason);
    rest = rest.slice(taken + 1);
  }
  return failures;
}

/**
 * Writes maps into the map of maps and closes their descriptors. The kernel makes each swap at once and then holds the caller
 * for 6 to 20 ms until no program uses the old maps any more; so a thread of the pool makes the call and waits, and we go
 * on as soon as a lookup shows the last of the new maps. One call for all: each would wait by itself. Returns the endpoints
 * that keep what they had, with the kernel's reason.
 */
function swap(policies: KernelMap, swaps: readonly Swap[]): ReadonlyMap<number, Error> {
  if (waiting.size >= MOST_WAITING) {
    const failures = swapHere(policies, swaps);
    closeAll(swaps);
    return failures;
  }
  const { key, fd } = swaps.at(-1)!;
  const id = mapId(fd);
  const { count } = startSwap(policies, swaps);
  const until = performance.now() + SWAP_PATIENCE_MS;
  // A call that fails leaves in `count` how many it took.
  while (count.readUInt32LE() === swaps.length && performance.now() < until) {
    if (policies.get(key)?.readUInt32LE() === id) return NO_FAILURES;
    // The thread may have been woken on this very processor.
    libcCalls.yield();
  }
  // A thread that has not begun finds nothing to do. Once more for the reason, and for what came behind it.
  count.writeUInt32LE(0);
  return swapHere(policies, swaps);
}

function newPolicyMap(policies: KernelMap, realized: RealizedPolicy): number {
  const size = Math.max(1, realized.policy.entries.length);
  const opts = createOpts(NO_PREALLOC);
  const call = () => bpf.mapCreate(LPM_TRIE, "sg_policy_of", KEY.size, ENTRY.size, size, opts);
  const fd = check("make a policy map", policies.timed("create", call));
  try {
    fill(policies, fd, realized);
    return fd;
  } catch (error) {
    libcCalls.close(fd);
    throw error;
  }
}

/**
 * Replaces the policies of endpoints; in force when it returns. Endpoints that are given the same object share a map, which
 * nobody changes any more: what entries count is kept by endpoint. Those that fail keep the policy that they had, and are returned
 * with the reason.
 */
export function swapPolicies(
  policies: KernelMap,
  wanted: ReadonlyMap<number, RealizedPolicy>,
): ReadonlyMap<number, Error> {
  const failures = new Map<number, Error>();
  const swaps: Swap[] = [];
  const made = new Map<RealizedPolicy, number>();
  for (const [id, realized] of wanted) {
    try {
      const fd = made.get(realized) ?? newPolicyMap(policies, realized);
      made.set(realized, fd);
      const key = Buffer.alloc(4);
      key.writeUInt32LE(id);
      swaps.push({ id, key, fd });
    } catch (error) {
      failures.set(id, error as Error);
    }
  }
  return swaps.length === 0 ? failures : new Map([...failures, ...swap(policies, swaps)]);
}

/** Takes the endpoint's policy away: everything is dropped. Waits in a thread for the same reason as `swap`. */
export function deletePolicy(policies: KernelMap, key: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const start = performance.now();
    bpf.remove.async(policies.fd, key, (error: Error | null, result: number) => {
      policies.ended("delete", error ? -1 : result, start);
      if (error) reject(error);
      else if (result < 0 && result !== -ENOENT) reject(failure("delete a policy", -result));
      else resolve();
    });
  });
}
