import { existsSync, readdirSync } from "node:fs";
import { FABRIC_GATEWAY, FABRIC_GATEWAY6, type LabNode } from "../model/addresses.ts";
import { command } from "./command.ts";
import { type LabPaths, netnsPath, nodeNetns } from "./paths.ts";
import { DEFAULTS, type IpFamily, type LabSettings, readSettings } from "./settings.ts";

/**
 * `ip -batch` lines that make the fabric: a bridge, with the way back to every node's pods. It is the world as well: every address
 * that is not in the cluster is its own.
 */
export function fabricLines(lab: string, { nodes, ipFamily }: LabSettings): string[] {
  const six = (...lines: string[]) => (ipFamily === "dual" ? lines : []);
  return [
    "link set lo up",
    "link add fabric type bridge forward_delay 0",
    `addr add ${FABRIC_GATEWAY}/24 dev fabric`,
    ...six(`addr add ${FABRIC_GATEWAY6}/64 dev fabric nodad`),
    "link set fabric up",
    "route add local default dev lo",
    // IPv6's local table is asked before all others: there, this would take the ways to the pods too
    ...six("route add local ::/0 dev lo table main"),
    ...nodes.flatMap((node) => [
      `link add ${node.name} type veth peer name eth0 netns ${nodeNetns(lab, node.name)}`,
      `link set ${node.name} master fabric up`,
      `route add ${node.podCidr} via ${node.address} dev fabric`,
      ...six(`route add ${node.podCidr6} via ${node.address6} dev fabric`),
    ]),
  ];
}

/** `ip -batch` lines inside a node's namespace; the agent makes what belongs to the datapath. */
export function nodeLines(node: LabNode, ipFamily: IpFamily): string[] {
  const six = (...lines: string[]) => (ipFamily === "dual" ? lines : []);
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
  const { nodes } = readSettings(paths) ?? DEFAULTS;
  const names = new Set([paths.fabricNetns, ...nodes.map((node) => nodeNetns(paths.lab, node.name))]);
  return readdirSync("/run/netns").filter((name) => names.has(name));
}

async function setSysctls(namespace: string, settings: readonly string[]): Promise<void> {
  await command("nsenter", [`--net=${netnsPath(namespace)}`, "sysctl", "-qw", ...settings]);
}

async function inNamespace(name: string, lines: readonly string[]): Promise<void> {
  await command("ip", ["-n", name, "-batch", "-"], `${lines.join("\n")}\n`);
}

/** Makes the fabric and the nodes' namespaces. The host's own network is not touched: links are born inside. */
export async function createNetwork(paths: LabPaths, settings: LabSettings): Promise<void> {
  const { ipFamily } = settings;
  const nodes = settings.nodes.map((node) => nodeNetns(paths.lab, node.name));
  const all = [paths.fabricNetns, ...nodes];
  await command("ip", ["-batch", "-"], `${all.map((name) => `netns add ${name}`).join("\n")}\n`);
  await Promise.all([
    setSysctls(paths.fabricNetns, fabricSysctls(ipFamily)),
    ...(ipFamily === "dual" ? nodes.map((name) => setSysctls(name, STILL6)) : []),
  ]);
  await inNamespace(paths.fabricNetns, fabricLines(paths.lab, settings));
  await Promise.all(
    settings.nodes.map((node) => inNamespace(nodeNetns(paths.lab, node.name), nodeLines(node, ipFamily))),
  );
}

/** Removes the namespaces; with them go their interfaces, routes and attached programs. */
export async function deleteNetwork(paths: LabPaths): Promise<void> {
  await Promise.all(labNamespaces(paths).map((name) => command("ip", ["netns", "delete", name])));
}
