/** Devices, routes, rules and sysctls of a node's namespace. Everything is idempotent. */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { VXLAN_PORT } from "../../model/addresses.ts";
import { PROXY_MARK_MASK, PROXY_MARK_TO_PROXY, PROXY_ROUTE_TABLE } from "../../model/proxy-mark.ts";
import { type NodeConfig, type NodeConfig6, podMtu } from "../port.ts";
import { libcCalls } from "./libbpf.ts";

const HOST_DEVICE = "cilium_host";
const HOST_PEER = "cilium_net";
const OVERLAY_DEVICE = "cilium_vxlan";

export interface Devices {
  readonly host: number;
  readonly overlay: number;
  readonly network: number;
  /** Of each address of the fabric's interface the network that it is in. */
  readonly ranges: ReadonlyMap<string, string>;
}

export const interfaceIndex = (name: string): number => libcCalls.ifNameToIndex(name);

function ip(lines: readonly string[], force: boolean, family: readonly string[] = []): void {
  const args = [...family, ...(force ? ["-force"] : []), "-batch", "-"];
  const done = spawnSync("ip", args, { input: `${lines.join("\n")}\n`, encoding: "utf8" });
  if (done.error) throw new Error(`datapath: cannot run ip (package iproute2): ${done.error.message}`);
  if (!force && done.status !== 0) throw new Error(`datapath: ip -batch failed: ${done.stderr.trim()}`);
}

function ipJson<T>(args: readonly string[]): readonly T[] {
  const done = spawnSync("ip", ["-j", ...args], { encoding: "utf8" });
  if (done.status !== 0) throw new Error(`datapath: ip ${args.join(" ")} failed: ${done.stderr?.trim()}`);
  return JSON.parse(done.stdout || "[]") as T[];
}

function deviceLines(): string[] {
  const lines: string[] = [];
  if (!interfaceIndex(HOST_DEVICE)) lines.push(`link add ${HOST_PEER} type veth peer name ${HOST_DEVICE}`);
  if (!interfaceIndex(OVERLAY_DEVICE)) {
    lines.push(`link add ${OVERLAY_DEVICE} type vxlan external dstport ${VXLAN_PORT} nolearning`);
  }
  return lines;
}

/** No route leads to a pod's veth: pods are reached through cilium_host only, where programs stand. */
function routeLines(node: NodeConfig): string[] {
  const toHost = `dev ${HOST_DEVICE} scope link src ${node.router} mtu ${podMtu(node.routingMode)}`;
  return [
    "link set lo up",
    `link set ${HOST_PEER} up arp off addrgenmode none`,
    `link set ${HOST_DEVICE} up arp off addrgenmode none`,
    `link set ${OVERLAY_DEVICE} up addrgenmode none`,
    `addr replace ${node.router}/32 dev ${HOST_DEVICE}`,
    `route replace ${node.clusterCidr} ${toHost}`,
    `route replace ${node.serviceCidr} ${toHost}`,
    `route replace local 0.0.0.0/0 dev lo table ${PROXY_ROUTE_TABLE}`,
  ];
}

/** Who made a route, for the kernel's table: by it the routes of an earlier agent are known. */
const ROUTE_PROTOCOL = 77;

/** Makes the routes to other nodes' pods exactly these: range to node. */
export function replaceNodeRoutes(routes: ReadonlyMap<string, string>): void {
  const listed = ["-4", "-6"].flatMap((family) =>
    ipJson<{ readonly dst: string; readonly gateway?: string }>([
      family,
      "route",
      "show",
      "proto",
      String(ROUTE_PROTOCOL),
    ]),
  );
  const present = new Map(listed.map(({ dst, gateway }) => [dst, gateway]));
  const stale = [...present.keys()].filter((range) => !routes.has(range));
  const fresh = [...routes].filter(([range, via]) => present.get(range) !== via);
  const lines = [
    ...stale.map((range) => `route del ${range} proto ${ROUTE_PROTOCOL}`),
    ...fresh.map(([range, via]) => `route replace ${range} via ${via} proto ${ROUTE_PROTOCOL}`),
  ];
  if (lines.length > 0) ip(lines, false);
}

const rule = `fwmark 0x${PROXY_MARK_TO_PROXY.toString(16)}/0x${PROXY_MARK_MASK.toString(16)} lookup ${PROXY_ROUTE_TABLE} pref 9`;

function sysctl(path: string, value: string): void {
  try {
    writeFileSync(`/proc/sys/net/${path}`, value);
  } catch (error) {
    throw new Error(`datapath: cannot set net/${path} to ${value}: ${(error as Error).message}`);
  }
}

/** The same in IPv6. Without addresses of its own making a device says nothing of itself. */
function routeLines6({ router, clusterCidr, serviceCidr }: NodeConfig6, mtu: number): string[] {
  const toHost = `dev ${HOST_DEVICE} src ${router} mtu ${mtu}`;
  return [
    `addr replace ${router}/128 dev ${HOST_DEVICE} nodad`,
    `route replace ${clusterCidr} ${toHost}`,
    `route replace ${serviceCidr} ${toHost}`,
    `route replace local ::/0 dev lo table ${PROXY_ROUTE_TABLE}`,
  ];
}

/** Before devices exist, so that they inherit: reverse-path checks off (a pod's way in and out differ), IPv6 on or off. */
function earlySysctls(hasIpv6: boolean): void {
  sysctl("ipv4/ip_forward", "1");
  if (hasIpv6) sysctl("ipv6/conf/all/forwarding", "1");
  for (const scope of ["all", "default"]) {
    sysctl(`ipv4/conf/${scope}/rp_filter`, "0");
    sysctl(`ipv4/conf/${scope}/send_redirects`, "0");
    sysctl(`ipv6/conf/${scope}/disable_ipv6`, hasIpv6 ? "0" : "1");
  }
}

interface LinkAddresses {
  readonly addr_info?: readonly { readonly local: string; readonly prefixlen: number }[];
}

/** Node's own list leaves out interfaces that are down now. */
function rangesOf(device: string): ReadonlyMap<string, string> {
  const links = ipJson<LinkAddresses>(["addr", "show", "dev", device]);
  const addresses = links.flatMap(({ addr_info = [] }) => addr_info);
  return new Map(addresses.map(({ local, prefixlen }) => [local, `${local}/${prefixlen}`]));
}

/** Makes what is missing and returns the interface numbers. Throws when the fabric's interface is not there. */
export function prepareDevices(node: NodeConfig): Devices {
  const network = interfaceIndex(node.networkInterface);
  if (!network) throw new Error(`datapath: node ${node.name} has no interface ${node.networkInterface}`);
  earlySysctls(node.ipv6 !== undefined);
  ip(
    [...deviceLines(), ...routeLines(node), ...(node.ipv6 ? routeLines6(node.ipv6, podMtu(node.routingMode)) : [])],
    false,
  );
  // Adding a rule twice is an error that says so and nothing else; there is no "replace" for rules.
  ip([`rule add ${rule}`], true);
  if (node.ipv6 !== undefined) ip([`rule add ${rule}`], true, ["-6"]);
  for (const device of [node.networkInterface, "lo"]) sysctl(`ipv4/conf/${device}/rp_filter`, "0");
  // The node reaches its own service backends by coming in again through cilium_host with its own address.
  sysctl(`ipv4/conf/${HOST_DEVICE}/accept_local`, "1");
  const ranges = rangesOf(node.networkInterface);
  return { host: interfaceIndex(HOST_DEVICE), overlay: interfaceIndex(OVERLAY_DEVICE), network, ranges };
}
