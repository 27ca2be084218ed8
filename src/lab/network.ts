import { existsSync, readdirSync } from "node:fs";
import { FABRIC_GATEWAY, type LabNode, NODES } from "../model/addresses.ts";
import { command } from "./command.ts";
import { type LabPaths, netnsPath, nodeNetns } from "./paths.ts";

/**
 * `ip -batch` lines that make the fabric: a bridge, with the way back to every node's pods. It is the world as well: every address
 * that is not in the cluster is its own.
 */
export function fabricLines(lab: string, nodes: readonly LabNode[]): string[] {
  return [
    "link set lo up",
    "link add fabric type bridge forward_delay 0",
    `addr add ${FABRIC_GATEWAY}/24 dev fabric`,
    "link set fabric up",
    "route add local default dev lo",
    ...nodes.flatMap((node) => [
      `link add ${node.name} type veth peer name eth0 netns ${nodeNetns(lab, node.name)}`,
      `link set ${node.name} master fabric up`,
      `route add ${node.podCidr} via ${node.address} dev fabric`,
    ]),
  ];
}

/** `ip -batch` lines inside a node's namespace; the agent makes what belongs to the datapath. */
export function nodeLines(node: LabNode): string[] {
  return [
    "link set lo up",
    `addr add ${node.address}/24 dev eth0`,
    "link set eth0 up",
    `route add default via ${FABRIC_GATEWAY} dev eth0`,
  ];
}

/** Namespaces of the lab that exist now. */
export function labNamespaces(paths: LabPaths): string[] {
  if (!existsSync("/run/netns")) return [];
  const names = new Set([paths.fabricNetns, ...NODES.map((node) => nodeNetns(paths.lab, node.name))]);
  return readdirSync("/run/netns").filter((name) => names.has(name));
}

async function inNamespace(name: string, lines: readonly string[]): Promise<void> {
  await command("ip", ["-n", name, "-batch", "-"], `${lines.join("\n")}\n`);
}

/** Makes the fabric and the nodes' namespaces. The host's own network is not touched: links are born inside. */
export async function createNetwork(paths: LabPaths): Promise<void> {
  const nodes = NODES.map((node) => nodeNetns(paths.lab, node.name));
  const all = [paths.fabricNetns, ...nodes];
  await command("ip", ["-batch", "-"], `${all.map((name) => `netns add ${name}`).join("\n")}\n`);
  await inNamespace(paths.fabricNetns, fabricLines(paths.lab, NODES));
  await Promise.all([
    command("nsenter", [`--net=${netnsPath(paths.fabricNetns)}`, "sysctl", "-qw", "net.ipv4.ip_forward=1"]),
    ...NODES.map((node) => inNamespace(nodeNetns(paths.lab, node.name), nodeLines(node))),
  ]);
}

/** Removes the namespaces; with them go their interfaces, routes and attached programs. */
export async function deleteNetwork(paths: LabPaths): Promise<void> {
  await Promise.all(labNamespaces(paths).map((name) => command("ip", ["netns", "delete", name])));
}
