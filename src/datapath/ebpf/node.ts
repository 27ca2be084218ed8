/** The node's entry for the programs, and the programs of its devices. */
import type { NodeConfig } from "../port.ts";
import { writeAddress, writeRange } from "./address.ts";
import { attach, createHooks } from "./attach.ts";
import type { Devices } from "./devices.ts";
import { LAYOUT } from "./layout.ts";
import type { LoadedObject } from "./object.ts";

const F = LAYOUT.sg_node.fields;
const HOST_IDENTITY = 1;
const KUBE_APISERVER_IDENTITY = 7;
const LOOPBACK = 1;
const IPV6 = 1;
const NATIVE = 2;

export function encodeNode(node: NodeConfig, devices: Devices, aggregation: number): Buffer {
  const value = Buffer.alloc(LAYOUT.sg_node.size);
  writeAddress(value, F.addr, node.address);
  writeAddress(value, F.router, node.router);
  value.writeUInt32LE(devices.overlay, F.overlay_ifindex);
  value.writeUInt32LE(devices.network, F.network_ifindex);
  value.writeUInt32LE(devices.host, F.host_ifindex);
  value.writeUInt32LE(node.apiServer ? HOST_IDENTITY : KUBE_APISERVER_IDENTITY, F.apiserver_identity);
  writeRange(value, F.cluster, node.clusterCidr);
  writeRange(value, F.services, node.serviceCidr);
  writeRange(value, F.fabric, devices.ranges.get(node.address) ?? node.address);
  value.writeUInt32LE(aggregation, F.aggregation);
  if (node.ipv6 !== undefined) {
    writeAddress(value, F.addr6, node.ipv6.address);
    writeAddress(value, F.router6, node.ipv6.router);
    writeRange(value, F.cluster6, node.ipv6.clusterCidr);
    writeRange(value, F.services6, node.ipv6.serviceCidr);
    writeRange(value, F.fabric6, devices.ranges.get(node.ipv6.address) ?? node.ipv6.address);
  }
  const flags = (node.ipv6 === undefined ? 0 : IPV6) | (node.routingMode === "native" ? NATIVE : 0);
  value.writeUInt32LE(flags, F.flags);
  return value;
}

export function attachNode(object: LoadedObject, devices: Devices): void {
  for (const ifindex of [devices.host, devices.overlay, devices.network, LOOPBACK]) createHooks(ifindex);
  attach(devices.overlay, "ingress", object.program("from_overlay"));
  attach(devices.network, "ingress", object.program("from_network"));
  attach(devices.network, "egress", object.program("to_network"));
  attach(devices.host, "egress", object.program("from_host"));
  attach(devices.host, "ingress", object.program("to_proxy"));
  attach(LOOPBACK, "egress", object.program("loopback"));
}

/** Both hooks of the host side of a pod's veth. */
export function attachEndpoint(object: LoadedObject, ifindex: number): void {
  createHooks(ifindex);
  attach(ifindex, "ingress", object.program("from_endpoint"));
  attach(ifindex, "egress", object.program("to_endpoint"));
}
