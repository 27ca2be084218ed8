/** ClusterIPs in the kernel: only what changed is written, backends before the frontend that counts them. */
import type { ServiceFrontend } from "../port.ts";
import { writeAddress } from "./address.ts";
import { LAYOUT } from "./layout.ts";
import type { KernelMap } from "./map.ts";

const KEY = LAYOUT.sg_service_key;
const SERVICE = LAYOUT.sg_service;
const BACKEND_KEY = LAYOUT.sg_backend_key;
const BACKEND = LAYOUT.sg_backend;

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

function writeBackends(backends: KernelMap, service: ServiceFrontend): void {
  service.backends.forEach((backend, slot) => {
    const value = writeEnd(Buffer.alloc(BACKEND.size), backend.address, backend.port, service.protocol);
    const key = backendKey(service.id, slot);
    if (!backends.get(key)?.equals(value)) backends.set(key, value);
  });
}

function writeService(services: KernelMap, service: ServiceFrontend): void {
  const value = Buffer.alloc(SERVICE.size);
  value.writeUInt32LE(service.id, SERVICE.fields.id);
  value.writeUInt16LE(service.backends.length, SERVICE.fields.count);
  const key = serviceKey(service);
  if (!services.get(key)?.equals(value)) services.set(key, value);
}

/** Makes the kernel's services those given. Connections in being keep their backends. */
export function replaceServices(services: KernelMap, backends: KernelMap, wanted: readonly ServiceFrontend[]): void {
  for (const service of wanted) {
    writeBackends(backends, service);
    writeService(services, service);
  }
  const keys = new Set(wanted.map((service) => serviceKey(service).toString("hex")));
  const slots = new Map(wanted.map((service) => [service.id, service.backends.length]));
  for (const key of services.keys()) if (!keys.has(key.toString("hex"))) services.delete(key);
  for (const key of backends.keys()) {
    const held = slots.get(key.readUInt32LE(BACKEND_KEY.fields.service)) ?? 0;
    if (key.readUInt16LE(BACKEND_KEY.fields.slot) >= held) backends.delete(key);
  }
}
