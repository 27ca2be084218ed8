import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import koffi from "koffi";
import type { IpamResponse } from "../agent/api.ts";
import { withNetns } from "../runtime/netns-socket.ts";
import type { AgentClient } from "./agent-client.ts";

const libc = koffi.load("libc.so.6");
const if_nametoindex = libc.func("uint32_t if_nametoindex(const char *name)");

export interface PodNetworkPlace {
  readonly agent: AgentClient;
  readonly nodeNetns: string;
  readonly podNamespace: string;
  readonly podName: string;
  readonly podUid: string;
  /** Directory of the sandbox; what was set up is written there. */
  readonly directory: string;
}

/** What a restarted kubelet needs to know of a pod's network. */
export interface PodNetworkRecord extends IpamResponse {
  readonly containerId: string;
  readonly interfaceName: string;
  /** The sandbox that has the other end: another one needs a new veth. */
  readonly sandboxPid: number;
}

/** Runs `ip -batch` in a network namespace: the child is born where this thread stands. */
async function ip(netns: string, commands: readonly string[]): Promise<void> {
  const child = withNetns(netns, () => spawn("ip", ["-batch", "-"], { stdio: ["pipe", "ignore", "pipe"] }));
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  child.stdin.on("error", () => {});
  child.stdin.end(`${commands.join("\n")}\n`);
  const [errors, code] = await Promise.all([text(child.stderr), ended]);
  if (code !== 0) throw new Error(`ip ${commands[0]}: ${errors.trim()}`);
}

/** A unicast address of our own making, from a digest's bytes. */
function macFrom(digest: Buffer, offset: number): string {
  const bytes = [...digest.subarray(offset, offset + 6)];
  bytes[0] = ((bytes[0] ?? 0) & 0xfe) | 0x02;
  return bytes.map((byte) => byte.toString(16).padStart(2, "0")).join(":");
}

function indexOf(netns: string, name: string): number {
  return withNetns(netns, () => if_nametoindex(name) as number);
}

async function removeInterface(netns: string, name: string): Promise<void> {
  if (existsSync(netns) && indexOf(netns, name) !== 0) await ip(netns, [`link del ${name}`]).catch(() => {});
}

export function readNetworkRecord(directory: string): PodNetworkRecord | undefined {
  try {
    return JSON.parse(readFileSync(join(directory, "network.json"), "utf8")) as PodNetworkRecord;
  } catch {
    return undefined;
  }
}

/**
 * The host side speaks no IPv6 of its own making: its router solicitations would reach the datapath. Where the pod has IPv6
 * it takes in what the pod sends, without an address of its own.
 */
async function raiseHostSide(netns: string, { interfaceName, ipv6 }: PodNetworkRecord): Promise<void> {
  const sysctl = `/proc/sys/net/ipv6/conf/${interfaceName}/disable_ipv6`;
  withNetns(netns, () => {
    if (existsSync(sysctl)) writeFileSync(sysctl, ipv6 === undefined ? "1" : "0");
  });
  await ip(netns, [`link set ${interfaceName} up addrgenmode none`]);
}

/** Lines for the pod's side. A route leads to the gateway alone: whoever else has an address is behind it. */
export function podLines({ address, gateway, ipv6 }: IpamResponse): string[] {
  return [
    "link set eth0 up",
    `addr add ${address}/32 dev eth0`,
    `route add ${gateway} dev eth0 scope link`,
    `route add default via ${gateway} dev eth0 src ${address}`,
    ...(ipv6 === undefined
      ? []
      : [
          // nobody else has it: it is there at once, not after a second of asking
          `addr add ${ipv6.address}/128 dev eth0 nodad`,
          `route add ${ipv6.gateway}/128 dev eth0`,
          `route add ::/0 via ${ipv6.gateway} dev eth0 src ${ipv6.address}`,
        ]),
  ];
}

/** The addresses of a pod, IPv4 first. */
export function podAddresses({ address, ipv6 }: IpamResponse): string[] {
  return ipv6 === undefined ? [address] : [address, ipv6.address];
}

/** Before the link is up: addresses come from us alone, not from routers, and count at once. */
function allowIpv6(podNetns: string): void {
  withNetns(podNetns, () => {
    for (const [name, value] of Object.entries({ disable_ipv6: "0", accept_ra: "0", accept_dad: "0" })) {
      writeFileSync(`/proc/sys/net/ipv6/conf/eth0/${name}`, value);
    }
  });
}

async function connect(
  place: PodNetworkPlace,
  record: PodNetworkRecord,
  podNetns: string,
  digest: Buffer,
): Promise<void> {
  const { interfaceName, sandboxPid, mtu } = record;
  const ends = [
    `${interfaceName} mtu ${mtu} address ${macFrom(digest, 12)} type veth`,
    `peer name eth0 mtu ${mtu} address ${macFrom(digest, 6)} netns ${sandboxPid}`,
  ];
  await ip(place.nodeNetns, [`link add ${ends.join(" ")}`]);
  if (record.ipv6 !== undefined) allowIpv6(podNetns);
  await Promise.all([raiseHostSide(place.nodeNetns, record), ip(podNetns, podLines(record))]);
}

/**
 * Gives a sandbox its address and its veth, and returns when the agent has its policy in force. Idempotent: what an
 * earlier try or an earlier kubelet did is used again. Rejects with what went wrong; the pod then has no network.
 */
export async function setUpPodNetwork(
  place: PodNetworkPlace,
  sandboxPid: number,
  podNetns: string,
): Promise<PodNetworkRecord> {
  const digest = createHash("sha256").update(place.podUid).digest();
  const containerId = digest.toString("hex");
  const interfaceName = `lxc${containerId.slice(0, 12)}`;
  const earlier = readNetworkRecord(place.directory);
  const kept = earlier?.sandboxPid === sandboxPid && indexOf(place.nodeNetns, interfaceName) !== 0;
  const addressing = earlier ?? (await place.agent.allocate(`${place.podNamespace}/${place.podName}`));
  const { address, gateway, podCidr, mtu, ipv6 } = addressing;
  const own = { address, gateway, podCidr, mtu, ...(ipv6 === undefined ? {} : { ipv6 }) };
  const record: PodNetworkRecord = { ...own, containerId, interfaceName, sandboxPid };
  if (!kept) {
    await removeInterface(place.nodeNetns, interfaceName);
    writeFileSync(join(place.directory, "network.json"), JSON.stringify(record));
    await connect(place, record, podNetns, digest);
  }
  await place.agent.putEndpoint({
    containerId,
    podNamespace: place.podNamespace,
    podName: place.podName,
    podUid: place.podUid,
    address,
    ...(ipv6 === undefined ? {} : { address6: ipv6.address }),
    interfaceName,
    ifindex: indexOf(place.nodeNetns, interfaceName),
    mac: macFrom(digest, 6),
    hostMac: macFrom(digest, 12),
  });
  return record;
}

/** Takes the endpoint, its veth and its addresses back. Rejects while the agent does not answer. */
export async function tearDownPodNetwork(
  agent: AgentClient,
  nodeNetns: string,
  record: PodNetworkRecord,
): Promise<void> {
  await agent.deleteEndpoint(record.containerId);
  await removeInterface(nodeNetns, record.interfaceName);
  for (const address of podAddresses(record).reverse()) await agent.release(address);
}
