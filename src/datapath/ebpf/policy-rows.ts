/** What the kernel enforces for an endpoint, read back, with what each entry has decided so far. */
import type { PolicyRow } from "../port.ts";
import { statsOf } from "./counters.ts";
import { LAYOUT } from "./layout.ts";
import { bpf, check, libcCalls } from "./libbpf.ts";
import type { KernelMap } from "./map.ts";

const KEY = LAYOUT.sg_policy_key;
const ENTRY = LAYOUT.sg_policy_entry;
const INGRESS = 1;
/** Bits of the key before those of the port. */
const FIXED_BITS = 48;

function* innerEntries(fd: number): Iterable<{ key: Buffer; value: Buffer }> {
  let key: Buffer | null = null;
  for (;;) {
    const next = Buffer.alloc(KEY.size);
    if (bpf.nextKey(fd, key, next) < 0) return;
    const value = Buffer.alloc(ENTRY.size);
    if (bpf.lookup(fd, next, value) === 0) yield { key: next, value };
    key = next;
  }
}

function rowOf(key: Buffer, value: Buffer, counts: { packets: number; bytes: number }): PolicyRow {
  return {
    deny: value.readUInt8(ENTRY.fields.deny) !== 0,
    direction: key.readUInt8(KEY.fields.direction) === INGRESS ? "ingress" : "egress",
    identity: key.readUInt32LE(KEY.fields.identity),
    protocol: key.readUInt8(KEY.fields.protocol),
    port: key.readUInt16BE(KEY.fields.port),
    portPrefix: Math.max(0, key.readUInt32LE(KEY.fields.prefixlen) - FIXED_BITS),
    proxyPort: value.readUInt16BE(ENTRY.fields.proxy_port),
    authType: value.readUInt8(ENTRY.fields.auth_type),
    precedence: value.readUInt32LE(ENTRY.fields.precedence),
    cookie: value.readUInt32LE(ENTRY.fields.cookie),
    ...counts,
  };
}

/** None when the endpoint has no policy. */
export function policyRows(policies: KernelMap, stats: KernelMap, id: number): PolicyRow[] {
  const key = Buffer.alloc(4);
  key.writeUInt32LE(id);
  const inner = policies.get(key);
  if (inner === undefined) return [];
  const fd = check("open a policy map", bpf.mapFdById(inner.readUInt32LE()));
  try {
    return [...innerEntries(fd)].map((entry) => rowOf(entry.key, entry.value, statsOf(stats, id, entry.key)));
  } finally {
    libcCalls.close(fd);
  }
}
