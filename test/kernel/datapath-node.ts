/** One node's datapath in its own process and network namespace: takes calls as JSON lines, so that a test can drive two
 * nodes at once and kill one. Started by datapath-lab.ts with nsenter. */
import { createInterface } from "node:readline";
import { readAddress } from "../../src/datapath/ebpf/address.ts";
import { createEbpfDatapath } from "../../src/datapath/ebpf/datapath.ts";
import { LAYOUT } from "../../src/datapath/ebpf/layout.ts";
import { bpf } from "../../src/datapath/ebpf/libbpf.ts";
import { kernelMap } from "../../src/datapath/ebpf/map.ts";
import { pinPath } from "../../src/datapath/ebpf/object.ts";
import { openProxyOrigins } from "../../src/datapath/ebpf/proxy-origins.ts";
import {
  Aggregation,
  type AggregationLevel,
  type NodeConfig,
  type RealizedPolicy,
  type ServiceFrontend,
} from "../../src/datapath/port.ts";
import { decodeEvent } from "../../src/flow/decode/event.ts";
import { SOURCE_FILES } from "../../src/flow/decode/source-file.ts";
import { formatAddress } from "../../src/model/cidr.ts";
import { type DnsProxy, serveDns } from "./datapath-dns-proxy.ts";
import { type Listener, listenTransparently } from "./datapath-proxy.ts";

const [pinDirectory = "", objectPath = ""] = process.argv.slice(2);
const datapath = createEbpfDatapath({ pinDirectory, objectPath });
const F = LAYOUT.sg_event.fields;
let events: Record<string, unknown>[] = [];
const listeners: Listener[] = [];
let dns: DnsProxy | undefined;
let stopReading: (() => void) | undefined;

const ETH_P_IPV6 = 0x86dd;

/** Addresses and L4 header of the packet; headers with options or extensions are not followed. */
function layers(packet: Uint8Array): Record<string, unknown> {
  const isIpv6 = (((packet[12] ?? 0) << 8) | (packet[13] ?? 0)) === ETH_P_IPV6;
  const [protocol, from, length, l4] = isIpv6 ? [20, 22, 16, 54] : [23, 26, 4, 34];
  const text = (at: number) => {
    const bytes = packet.subarray(at, at + length);
    return isIpv6 ? formatAddress(bytes) : bytes.join(".");
  };
  return {
    protocol: packet[protocol],
    from: text(from),
    to: text(from + length),
    sport: ((packet[l4] ?? 0) << 8) | (packet[l4 + 1] ?? 0),
    dport: ((packet[l4 + 2] ?? 0) << 8) | (packet[l4 + 3] ?? 0),
    tcpFlags: packet[l4 + 13],
  };
}

function decode(event: Uint8Array): Record<string, unknown> {
  const view = new DataView(event.buffer, event.byteOffset, event.byteLength);
  const packet = event.subarray(LAYOUT.sg_event.size, LAYOUT.sg_event.size + view.getUint8(F.cap_len));
  return {
    type: event[F.type],
    subtype: event[F.subtype],
    flags: event[F.flags],
    direction: event[F.direction],
    endpoint: view.getUint16(F.endpoint, true),
    dstEndpoint: view.getUint16(F.dst_endpoint, true),
    src: view.getUint32(F.src_identity, true),
    dst: view.getUint32(F.dst_identity, true),
    ctStatus: event[F.ct_status],
    match: event[F.match_type],
    verdict: view.getInt32(F.verdict, true),
    cookie: view.getUint32(F.cookie, true),
    file: SOURCE_FILES[view.getUint8(F.file) - 1],
    line: view.getUint16(F.line, true),
    cpu: view.getUint16(F.cpu, true),
    ...layers(packet),
  };
}

type Wire = Omit<RealizedPolicy, "proxyPorts"> & { proxyPorts: [string, number][] };
const calls: Record<string, (...args: never[]) => unknown> = {
  setAggregation: (level: AggregationLevel) => datapath.setAggregation(level),
  prepareNode: async (node: NodeConfig) => {
    const start = performance.now();
    await datapath.prepareNode(node);
    datapath.setAggregation(Aggregation.Low);
    return performance.now() - start;
  },
  addEndpoint: async (endpoint: Parameters<typeof datapath.addEndpoint>[0]) => {
    const start = performance.now();
    await datapath.addEndpoint(endpoint);
    return performance.now() - start;
  },
  removeEndpoint: (id: number) => datapath.removeEndpoint(id),
  listEndpoints: () => datapath.listEndpoints(),
  setPolicy: (id: number, wire: Wire) => {
    const start = performance.now();
    datapath.setPolicy(id, { ...wire, proxyPorts: new Map(wire.proxyPorts) });
    return performance.now() - start;
  },
  setHostPolicy: (id: number, wire: Wire | null) =>
    datapath.setHostPolicy(id, wire === null ? undefined : { ...wire, proxyPorts: new Map(wire.proxyPorts) }),
  setRoutes: (routes: [string, string][]) => datapath.setRoutes(new Map(routes)),
  upsertIpcache: (prefix: string, entry: { identity: number; tunnel?: string }) =>
    datapath.upsertIpcache(prefix, entry),
  setServices: (services: ServiceFrontend[]) => datapath.setServices(services),
  watch: () => void datapath.onEvents((event) => events.push(decode(event))),
  /** Takes events as an agent does, and keeps none. */
  read: () => {
    stopReading ??= datapath.onEvents((event) => void decodeEvent(event));
  },
  unread: () => {
    stopReading?.();
    stopReading = undefined;
  },
  events: () => {
    const seen = events;
    events = [];
    return seen;
  },
  /** Entries of connection tracking that name the address. */
  tracked: (address: string) => {
    const map = kernelMap(
      "sg_conntrack",
      bpf.objGet(pinPath(pinDirectory, "sg_conntrack")),
      LAYOUT.sg_ct_key.size,
      LAYOUT.sg_ct_entry.size,
    );
    const found = [...map.keys()].filter((key) => readAddress(key, 0) === address || readAddress(key, 16) === address);
    return found.length;
  },
  /** So many connections of strangers, as if they had just been seen. */
  fillConnections: (count: number) => {
    const { size, fields } = LAYOUT.sg_ct_key;
    const map = kernelMap(
      "sg_conntrack",
      bpf.objGet(pinPath(pinDirectory, "sg_conntrack")),
      size,
      LAYOUT.sg_ct_entry.size,
    );
    const entry = Buffer.alloc(LAYOUT.sg_ct_entry.size);
    entry.writeBigUInt64LE(process.hrtime.bigint() + 60_000_000_000n, LAYOUT.sg_ct_entry.fields.expires_ns);
    const keyOf = (index: number) => {
      const key = Buffer.alloc(size);
      key.writeUInt8(17, fields.protocol);
      key.writeUInt8(1, fields.scope);
      key.writeUInt32BE(index, fields.src);
      return key;
    };
    map.setAll(Array.from({ length: count }, (_, index) => [keyOf(index), entry] as const));
  },
  /** What every connection would look like after the clock had gone on by so many seconds. */
  shiftConnections: (seconds: number) => {
    const map = kernelMap(
      "sg_conntrack",
      bpf.objGet(pinPath(pinDirectory, "sg_conntrack")),
      LAYOUT.sg_ct_key.size,
      LAYOUT.sg_ct_entry.size,
    );
    const at = LAYOUT.sg_ct_entry.fields.expires_ns;
    for (const key of map.keys()) {
      const entry = map.get(key);
      if (entry === undefined) continue;
      const expires = entry.readBigUInt64LE(at) - BigInt(seconds) * 1_000_000_000n;
      entry.writeBigUInt64LE(expires < 0n ? 0n : expires, at);
      map.set(key, entry);
    }
  },
  /** As if clients had last been seen so many seconds earlier than they were. */
  ageAffinity: (seconds: number) => {
    const { sg_affinity_key: keys, sg_affinity: values } = LAYOUT;
    const map = kernelMap("sg_affinity", bpf.objGet(pinPath(pinDirectory, "sg_affinity")), keys.size, values.size);
    for (const key of map.keys()) {
      const value = map.get(key)!;
      const used = value.readBigUInt64LE(values.fields.used_ns);
      const aged = used - BigInt(seconds) * 1_000_000_000n;
      value.writeBigUInt64LE(aged < 0n ? 0n : aged, values.fields.used_ns);
      map.set(key, value);
    }
  },
  lostEvents: () => datapath.lostEvents(),
  dumpPolicy: (id: number) => datapath.dumpPolicy(id),
  listen: (port: number, mark: number) => {
    const listener = listenTransparently(port, mark, openProxyOrigins({ pinDirectory }));
    listeners.push(listener);
  },
  serveDns: async (endpointId: number, port: number, patterns: string[]) => {
    dns = await serveDns(openProxyOrigins({ pinDirectory }), endpointId, port, patterns);
  },
  observed: () => dns?.observed.splice(0) ?? [],
  closeDns: () => dns?.close(),
  /** By the listeners at `port`, or by all. */
  accepted: (port?: number) =>
    listeners.flatMap((listener) => (listener.port === (port ?? listener.port) ? listener.accepted.splice(0) : [])),
  unlisten: () => {
    for (const listener of listeners.splice(0)) listener.close();
  },
};

async function answer(line: string): Promise<void> {
  const { id, method, args } = JSON.parse(line) as { id: number; method: string; args: never[] };
  try {
    const result = await calls[method]?.(...args);
    process.stdout.write(`${JSON.stringify({ id, result: result ?? null })}\n`);
  } catch (error) {
    process.stdout.write(`${JSON.stringify({ id, error: String(error) })}\n`);
  }
}

createInterface({ input: process.stdin })
  .on("line", (line) => void answer(line))
  .on("close", () => process.exit(0));
