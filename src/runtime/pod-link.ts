/** The two ends of a pod's network: a veth between the node's namespace and the pod's, addresses and routes inside. */
import { spawn } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import koffi from "koffi";
import type { IpamResponse } from "../agent/api.ts";
import { withNetns } from "./netns-socket.ts";

const libc = koffi.load("libc.so.6");
const if_nametoindex = libc.func("uint32_t if_nametoindex(const char *name)");

export interface PodLink {
  /** Path of the node's network namespace; absent = the one of this process. */
  readonly nodeNetns?: string;
  /** Path of the pod's. */
  readonly podNetns: string;
  /** Host side. */
  readonly interfaceName: string;
  /** Pod's side. */
  readonly podInterface: string;
  readonly mac: string;
  readonly hostMac: string;
  readonly addressing: IpamResponse;
}

/** Runs `ip -batch` in a network namespace: the child is born where this thread stands. Rejects with what `ip` said. */
async function ip(netns: string | undefined, commands: readonly string[]): Promise<void> {
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
export function macFrom(digest: Buffer, offset: number): string {
  const bytes = [...digest.subarray(offset, offset + 6)];
  bytes[0] = ((bytes[0] ?? 0) & 0xfe) | 0x02;
  return bytes.map((byte) => byte.toString(16).padStart(2, "0")).join(":");
}

/** An interface's number, 0 = there is none of this name. */
export function indexOf(netns: string | undefined, name: string): number {
  return withNetns(netns, () => if_nametoindex(name) as number);
}

/** Removes the link from the node's side, if it is there. */
export async function removePodLink(netns: string | undefined, name: string): Promise<void> {
  if (netns !== undefined && !existsSync(netns)) return;
  if (indexOf(netns, name) !== 0) await ip(netns, [`link del ${name}`]).catch(() => {});
}

/**
 * The host side speaks no IPv6 of its own making: its router solicitations would reach the datapath. Where the pod has IPv6
 * it takes in what the pod sends, without an address of its own.
 */
function quietHostSide({ nodeNetns, interfaceName, addressing }: PodLink): void {
  const sysctl = `/proc/sys/net/ipv6/conf/${interfaceName}/disable_ipv6`;
  withNetns(nodeNetns, () => {
    if (existsSync(sysctl)) writeFileSync(sysctl, addressing.ipv6 === undefined ? "1" : "0");
  });
}

/** Lines for the pod's side. A route leads to the gateway alone: whoever else has an address is behind it. */
export function podLines(device: string, { address, gateway, ipv6 }: IpamResponse): string[] {
  return [
    `link set ${device} up`,
    `addr add ${address}/32 dev ${device}`,
    `route add ${gateway} dev ${device} scope link`,
    `route add default via ${gateway} dev ${device} src ${address}`,
    ...(ipv6 === undefined
      ? []
      : [
          // nobody else has it: it is there at once, not after a second of asking
          `addr add ${ipv6.address}/128 dev ${device} nodad`,
          `route add ${ipv6.gateway}/128 dev ${device}`,
          `route add ::/0 via ${ipv6.gateway} dev ${device} src ${ipv6.address}`,
        ]),
  ];
}

/** Before the link is up: addresses come from us alone, not from routers, and count at once. */
function allowIpv6(podNetns: string, device: string): void {
  withNetns(podNetns, () => {
    for (const [name, value] of Object.entries({ disable_ipv6: "0", accept_ra: "0", accept_dad: "0" })) {
      writeFileSync(`/proc/sys/net/ipv6/conf/${device}/${name}`, value);
    }
  });
}

/**
 * Makes both ends. The host side's name must be free. It is raised before it is told not to speak IPv6, and has nobody to
 * speak to until the pod's side is raised too.
 */
export async function addPodLink(link: PodLink): Promise<void> {
  const { nodeNetns, podNetns, interfaceName, podInterface, mac, hostMac, addressing } = link;
  const { mtu, ipv6 } = addressing;
  const ends = [
    `${interfaceName} mtu ${mtu} address ${hostMac} type veth`,
    `peer name ${podInterface} mtu ${mtu} address ${mac} netns ${podNetns}`,
  ];
  await ip(nodeNetns, [`link add ${ends.join(" ")}`, `link set ${interfaceName} addrgenmode none up`]);
  quietHostSide(link);
  if (ipv6 !== undefined) allowIpv6(podNetns, podInterface);
  await ip(podNetns, podLines(podInterface, addressing));
}
