/** Services in the kernel: only what changed is written, backends before the frontend that counts them. */
import type { ServiceFrontend } from "../port.ts";
import { readAddress, writeAddress } from "./address.ts";
import { LAYOUT } from "./layout.ts";
import type { KernelMap } from "./map.ts";

const KEY = LAYOUT.sg_service_key;
const SERVICE = LAYOUT.sg_service;
const BACKEND_KEY = LAYOUT.sg_backend_key;
const BACKEND = LAYOUT.sg_backend;
const LIVE = LAYOUT.sg_backend_live_key;
const NODE_PORT = 1;
const ACTIVE = Buffer.from([1, 0, 0, 0]);
const ENDING = Buffer.from([2, 0, 0, 0]);

export interface ServiceMaps {
  readonly services: KernelMap;
  readonly backends: KernelMap;
  /** Which backends a frontend has, to be asked by their addresses. */
  readonly live: KernelMap;
}

type Backend = ServiceFrontend["backends"][number];

function writeEnd(buffer: Buffer, address: string, port: number, protocol: number): Buffer {
  writeAddress(buffer, KEY.fields.addr, address);
  buffer.writeUInt16BE(port, KEY.fields.port);
  buffer.writeUInt8(protocol, KEY.fields.protocol);
  return buffer;
}

function serviceKey(service: ServiceFrontend): Buffer {
  return writeEnd(Buffer.alloc(KEY.size), service.address, service.port, service.protocol);
}

function backendKey(id: number, slot: number): Buffer {
  const key = Buffer.alloc(BACKEND_KEY.size);
  key.writeUInt32LE(id, BACKEND_KEY.fields.service);
  key.writeUInt16LE(slot, BACKEND_KEY.fields.slot);
  return key;
}

function liveKey(id: number, { address, port }: Backend, protocol: number): Buffer {
  const key = Buffer.alloc(LIVE.size);
  key.writeUInt32LE(id, LIVE.fields.service);
  writeAddress(key, LIVE.fields.addr, address);
  key.writeUInt16BE(port, LIVE.fields.port);
  key.writeUInt8(protocol, LIVE.fields.protocol);
  return key;
}

function set(map: KernelMap, key: Buffer, value: Buffer): void {
  if (!map.get(key)?.equals(value)) map.set(key, value);
}

function writeBackends(
  { backends, live }: ServiceMaps,
  { id, protocol, backends: wanted, ending = [] }: ServiceFrontend,
): void {
  wanted.forEach((backend, slot) => {
    set(backends, backendKey(id, slot), writeEnd(Buffer.alloc(BACKEND.size), backend.address, backend.port, protocol));
    set(live, liveKey(id, backend, protocol), ACTIVE);
  });
  for (const backend of ending) set(live, liveKey(id, backend, protocol), ENDING);
}

function writeService({ services }: ServiceMaps, service: ServiceFrontend): void {
  const value = Buffer.alloc(SERVICE.size);
  value.writeUInt32LE(service.id, SERVICE.fields.id);
  value.writeUInt16LE(service.backends.length, SERVICE.fields.count);
  value.writeUInt16LE(service.type === "NodePort" ? NODE_PORT : 0, SERVICE.fields.flags);
  value.writeUInt32LE(service.affinitySeconds, SERVICE.fields.affinity_s);
  set(services, serviceKey(service), value);
}

function removeOthers(map: KernelMap, wanted: Iterable<Buffer>): void {
  const keys = new Set([...wanted].map((key) => key.toString("hex")));
  for (const key of map.keys()) if (!keys.has(key.toString("hex"))) map.delete(key);
}

/** Makes the kernel's services those given. Connections in being keep their backends. What is gone goes first: its room may be needed. */
export function replaceServices(maps: ServiceMaps, wanted: readonly ServiceFrontend[]): void {
  removeOthers(maps.services, wanted.map(serviceKey));
  for (const service of wanted) {
    writeBackends(maps, service);
    writeService(maps, service);
  }
  removeOthers(
    maps.backends,
    wanted.flatMap(({ id, backends }) => backends.map((_, slot) => backendKey(id, slot))),
  );
  removeOthers(
    maps.live,
    wanted.flatMap(({ id, protocol, backends, ending = [] }) =>
      [...backends, ...ending].map((backend) => liveKey(id, backend, protocol)),
    ),
  );
}

function endOf(value: Buffer): Backend {
  return { address: readAddress(value, BACKEND.fields.addr), port: value.readUInt16BE(BACKEND.fields.port) };
}

/** What the kernel has, by id. */
export function listServices({ services, backends }: ServiceMaps): ServiceFrontend[] {
  const found = [...services.keys()].flatMap((key): ServiceFrontend[] => {
    const value = services.get(key);
    if (value === undefined) return [];
    const id = value.readUInt32LE(SERVICE.fields.id);
    const slots = Array.from({ length: value.readUInt16LE(SERVICE.fields.count) }, (_, slot) => backendKey(id, slot));
    return [
      {
        id,
        ...endOf(key),
        protocol: key.readUInt8(KEY.fields.protocol),
        type: (value.readUInt16LE(SERVICE.fields.flags) & NODE_PORT) === 0 ? "ClusterIP" : "NodePort",
        affinitySeconds: value.readUInt32LE(SERVICE.fields.affinity_s),
        backends: slots.flatMap((slot) => backends.get(slot) ?? []).map(endOf),
      },
    ];
  });
  return found.sort((a, b) => a.id - b.id);
}
