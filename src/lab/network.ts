import { existsSync, readdirSync } from "node:fs";
import { FABRIC_GATEWAY, FABRIC_GATEWAY6, type LabNode } from "../model/addresses.ts";
import { command } from "./command.ts";
import { type LabPaths, netnsPath, nodeNetns } from "./paths.ts";
import { DEFAULTS, type IpFamily, type LabSettings, readSettings } from "./settings.ts";

/** A device's hardware address: of its IPv4 address, so that neighbours need learn nothing new when a place is used again. */
function mac(address: string): string {
  return ["0a", "58", ...address.split(".").map((part) => Number(part).toString(16).padStart(2, "0"))].join(":");
}

/** Lines that only a lab of both families has. */
const sixOf =
  (ipFamily: IpFamily) =>
  (...lines: string[]) =>
    ipFamily === "dual" ? lines : [];

/**
 * `ip -batch` lines that make the fabric: a bridge. It is the world as well: every address that is not in the cluster is its own.
 */
export function fabricLines(ipFamily: IpFamily): string[] {
  const six = sixOf(ipFamily);
  return [
    "link set lo up",
    // without an address of its own, a bridge changes it as nodes come and go
    `link add fabric address ${mac(FABRIC_GATEWAY)} type bridge forward_delay 0`,
    `addr add ${FABRIC_GATEWAY}/24 dev fabric`,
    ...six(`addr add ${FABRIC_GATEWAY6}/64 dev fabric nodad`),
    "link set fabric up",
    "route add local default dev lo",
    // IPv6's local table is asked before all others: there, this would take the ways to the pods too
    ...six("route add local ::/0 dev lo table main"),
  ];
}

/** `ip -batch` lines in the fabric for one node: the node's link, and the way back to its pods. */
export function linkLines(lab: string, node: LabNode, ipFamily: IpFamily): string[] {
  return [
    `link add dev ${node.name} type veth peer name eth0 address ${mac(node.address)} netns ${nodeNetns(lab, node.name)}`,
    `link set dev ${node.name} master fabric up`,
    `route add ${node.podCidr} via ${node.address} dev fabric`,
    ...sixOf(ipFamily)(`route add ${node.podCidr6} via ${node.address6} dev fabric`),
  ];
}

/** `ip -batch` lines inside a node's namespace; the agent makes what belongs to the datapath. */
export function nodeLines(node: LabNode, ipFamily: IpFamily): string[] {
  const six = sixOf(ipFamily);
  return [
    "link set lo up",
    `addr add ${node.address}/24 dev eth0`,
    ...six(`addr add ${node.address6}/64 dev eth0 nodad`),
    "link set eth0 up",
    `route add default via ${FABRIC_GATEWAY} dev eth0`,
    ...six(`route add ::/0 via ${FABRIC_GATEWAY6} dev eth0`),
  ];
}

/** Before devices exist, so that they inherit: addresses come from us alone and count at once. */
const STILL6 = ["net.ipv6.conf.default.accept_ra=0", "net.ipv6.conf.default.accept_dad=0"];

/** Kernel settings of the fabric's namespace. In IPv6, a socket has a foreign address only where that is allowed. */
export function fabricSysctls(ipFamily: IpFamily): string[] {
  const six = [...STILL6, "net.ipv6.conf.all.forwarding=1", "net.ipv6.ip_nonlocal_bind=1"];
  return ["net.ipv4.ip_forward=1", ...(ipFamily === "dual" ? six : [])];
}

/** Namespaces of the lab that exist now. */
export function labNamespaces(paths: LabPaths): string[] {
  if (!existsSync("/run/netns")) return [];
  const { nodes, leaving = [] } = readSettings(paths) ?? DEFAULTS;
  const names = new Set([paths.fabricNetns, ...[...nodes, ...leaving].map((node) => nodeNetns(paths.lab, node.name))]);
  return readdirSync("/run/netns").filter((name) => names.has(name));
}

async function setSysctls(namespace: string, settings: readonly string[]): Promise<void> {
  await command("nsenter", [`--net=${netnsPath(namespace)}`, "sysctl", "-qw", ...settings]);
}

async function inNamespace(name: string, lines: readonly string[]): Promise<void> {
  await command("ip", ["-n", name, "-batch", "-"], `${lines.join("\n")}\n`);
}

async function addNamespaces(names: readonly string[]): Promise<void> {
  await command("ip", ["-batch", "-"], `${names.map((name) => `netns add ${name}`).join("\n")}\n`);
}

/** Makes the fabric and the nodes' namespaces. The host's own network is not touched: links are born inside. */
export async function createNetwork(paths: LabPaths, { nodes, ipFamily }: LabSettings): Promise<void> {
  await addNamespaces([paths.fabricNetns]);
  await setSysctls(paths.fabricNetns, fabricSysctls(ipFamily));
  await inNamespace(paths.fabricNetns, fabricLines(ipFamily));
  await createNodeNetworks(paths, nodes, ipFamily);
}

/** Makes the namespaces of nodes, each with its end of the fabric. */
export async function createNodeNetworks(
  paths: LabPaths,
  nodes: readonly LabNode[],
  ipFamily: IpFamily,
): Promise<void> {
  const namespace = (node: LabNode) => nodeNetns(paths.lab, node.name);
  await addNamespaces(nodes.map(namespace));
  if (ipFamily === "dual") await Promise.all(nodes.map((node) => setSysctls(namespace(node), STILL6)));
  await inNamespace(
    paths.fabricNetns,
    nodes.flatMap((node) => linkLines(paths.lab, node, ipFamily)),
  );
  await Promise.all(nodes.map((node) => inNamespace(namespace(node), nodeLines(node, ipFamily))));
}

/** Removes what there is of a node's network. */
export async function deleteNodeNetwork(paths: LabPaths, node: LabNode, ipFamily: IpFamily): Promise<void> {
  const fabric = ["-n", paths.fabricNetns];
  await command("ip", [...fabric, "route", "flush", "exact", node.podCidr, "dev", "fabric"]);
  if (ipFamily === "dual")
    await command("ip", ["-6", ...fabric, "route", "flush", "exact", node.podCidr6, "dev", "fabric"]);
  const links = JSON.parse(await command("ip", [...fabric, "-j", "link"])) as { ifname: string }[];
  if (links.some(({ ifname }) => ifname === node.name)) {
    await command("ip", [...fabric, "link", "delete", "dev", node.name]);
  }
  const namespace = nodeNetns(paths.lab, node.name);
  if (existsSync(netnsPath(namespace))) await command("ip", ["netns", "delete", namespace]);
}

/** Removes the namespaces; with them go their interfaces, routes and attached programs. */
export async function deleteNetwork(paths: LabPaths): Promise<void> {
  await Promise.all(labNamespaces(paths).map((name) => command("ip", ["netns", "delete", name])));
}
