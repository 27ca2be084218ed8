/** Endpoints in the kernel: one entry by interface and the same by address. */
import type { EndpointConfig, RealizedPolicy } from "../port.ts";
import { readAddress, readMac, writeAddress, writeMac } from "./address.ts";
import { LAYOUT } from "./layout.ts";
import { batches, type KernelMap } from "./map.ts";

const F = LAYOUT.sg_endpoint.fields;
const SIZE = LAYOUT.sg_endpoint.size;
/** More than a node has pods, as a rule. */
const READ_AT_ONCE = 512;
const HOST = 1;
const HOST_IDENTITY = 1;
const INGRESS_ENFORCED = 2;
const EGRESS_ENFORCED = 4;
const AUDIT = 8;

export function encodeEndpoint(endpoint: EndpointConfig): Buffer {
  const value = Buffer.alloc(SIZE);
  writeAddress(value, F.addr, endpoint.address);
  if (endpoint.address6 !== undefined) writeAddress(value, F.addr6, endpoint.address6);
  writeMac(value, F.mac, endpoint.mac);
  writeMac(value, F.host_mac, endpoint.hostMac);
  value.writeUInt32LE(endpoint.ifindex, F.ifindex);
  value.writeUInt32LE(endpoint.identity, F.identity);
  value.writeUInt16LE(endpoint.id, F.id);
  return value;
}

/** The node itself, which has a policy but no interface of its own; without one nothing of it is judged. */
export function encodeHost(id: number, address: string, realized: RealizedPolicy | undefined): Buffer {
  const value = Buffer.alloc(SIZE);
  if (realized === undefined) return value;
  writeAddress(value, F.addr, address);
  value.writeUInt32LE(HOST_IDENTITY, F.identity);
  value.writeUInt16LE(id, F.id);
  writePolicyFacts(value, realized);
  value.writeUInt16LE(value.readUInt16LE(F.flags) | HOST, F.flags);
  return value;
}

/** The policy's facts that lie with the endpoint: revision, default cookies, whether a direction is enforced. */
export function writePolicyFacts(value: Buffer, realized: RealizedPolicy): void {
  const { policy, cookies } = realized;
  value.writeUInt32LE(policy.revision, F.revision);
  value.writeUInt32LE(cookies[policy.ingressDefaultOrigin] ?? 0, F.ingress_default_cookie);
  value.writeUInt32LE(cookies[policy.egressDefaultOrigin] ?? 0, F.egress_default_cookie);
  const enforced = (policy.ingressEnforced ? INGRESS_ENFORCED : 0) | (policy.egressEnforced ? EGRESS_ENFORCED : 0);
  value.writeUInt16LE(enforced | (value.readUInt16LE(F.flags) & AUDIT), F.flags);
}

export function isAudited(value: Buffer): boolean {
  return (value.readUInt16LE(F.flags) & AUDIT) !== 0;
}

export function writeAudit(value: Buffer, audit: boolean): void {
  const others = value.readUInt16LE(F.flags) & ~AUDIT;
  value.writeUInt16LE(others | (audit ? AUDIT : 0), F.flags);
}

/** Keeps the policy's facts of the entry that is replaced. */
export function keepPolicyFacts(value: Buffer, old: Buffer): void {
  old.copy(value, F.revision, F.revision, F.id);
  old.copy(value, F.flags, F.flags, F.peer_ifindex);
}

const endpointId = (value: Buffer): number => value.readUInt16LE(F.id);
export const endpointIfindex = (value: Buffer): number => value.readUInt32LE(F.ifindex);

const hasIpv6 = (value: Buffer): boolean => value.subarray(F.addr6, F.addr6 + 16).some((byte) => byte !== 0);

/** The keys of its entries by address. */
export function addressesOf(value: Buffer): readonly Buffer[] {
  const offsets = hasIpv6(value) ? [F.addr, F.addr6] : [F.addr];
  return offsets.map((offset) => value.subarray(offset, offset + 16));
}

/** `interfaceName` is not in the kernel's entry: the caller knows it. */
export function decodeEndpoint(value: Buffer, interfaceName: string): EndpointConfig {
  return {
    id: endpointId(value),
    identity: value.readUInt32LE(F.identity),
    address: readAddress(value, F.addr),
    ...(hasIpv6(value) ? { address6: readAddress(value, F.addr6) } : {}),
    interfaceName,
    ifindex: endpointIfindex(value),
    mac: readMac(value, F.mac),
    hostMac: readMac(value, F.host_mac),
  };
}

export function ifindexKey(ifindex: number): Buffer {
  const key = Buffer.alloc(4);
  key.writeUInt32LE(ifindex);
  return key;
}

/** All entries by their ids; there may be more than one of an id when a predecessor died half-way. */
export function entriesById(byIfindex: KernelMap): ReadonlyMap<number, readonly Buffer[]> {
  const entries: Buffer[] = [];
  for (const { values, count } of batches(byIfindex, 4, SIZE, READ_AT_ONCE)) {
    for (let at = 0; at < count * SIZE; at += SIZE) entries.push(Buffer.from(values.subarray(at, at + SIZE)));
  }
  return Map.groupBy(entries, endpointId);
}

export function entriesOf(byIfindex: KernelMap, id: number): readonly Buffer[] {
  return entriesById(byIfindex).get(id) ?? [];
}
