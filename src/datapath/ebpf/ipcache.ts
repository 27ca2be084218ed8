/** The ipcache in the kernel: prefix to identity and tunnel. */
import { bitsOf } from "../../model/cidr.ts";
import type { IpcacheEntry } from "../port.ts";
import { prefixOf, readPrefix, writeAddress } from "./address.ts";
import { LAYOUT } from "./layout.ts";
import type { KernelMap } from "./map.ts";

const KEY = LAYOUT.sg_ipcache_key;
const REMOTE = LAYOUT.sg_remote;
const IPV6 = 1;

function encodePrefix(prefix: string): Buffer {
  const cidr = prefixOf(prefix);
  const key = Buffer.alloc(KEY.size);
  key.writeUInt32LE(bitsOf(cidr), KEY.fields.prefixlen);
  key.set(cidr.bytes, KEY.fields.addr);
  return key;
}

function encodeRemote(prefix: string, entry: IpcacheEntry): Buffer {
  const value = Buffer.alloc(REMOTE.size);
  value.writeUInt32LE(prefix.includes(":") ? IPV6 : 0, REMOTE.fields.flags);
  value.writeUInt32LE(entry.identity, REMOTE.fields.identity);
  if (entry.tunnel !== undefined) {
    const tunnel = Buffer.alloc(16);
    writeAddress(tunnel, 0, entry.tunnel);
    tunnel.copy(value, REMOTE.fields.tunnel, 12);
  }
  return value;
}

function decodeRemote(value: Buffer): IpcacheEntry {
  const identity = value.readUInt32LE(REMOTE.fields.identity);
  const at = REMOTE.fields.tunnel;
  if (value.readUInt32LE(at) === 0) return { identity };
  return { identity, tunnel: value.subarray(at, at + 4).join(".") };
}

export function setPrefix(map: KernelMap, prefix: string, entry: IpcacheEntry): void {
  map.set(encodePrefix(prefix), encodeRemote(prefix, entry));
}

export function deletePrefix(map: KernelMap, prefix: string): void {
  map.delete(encodePrefix(prefix));
}

export function listPrefixes(map: KernelMap): Map<string, IpcacheEntry> {
  const all = new Map<string, IpcacheEntry>();
  for (const key of map.keys()) {
    const value = map.get(key);
    const bits = key.readUInt32LE(KEY.fields.prefixlen);
    if (value) all.set(readPrefix(key, KEY.fields.addr, bits), decodeRemote(value));
  }
  return all;
}
