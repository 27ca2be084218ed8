/** The two ends of a pod's network: a veth between the node's namespace and the pod's, addresses and routes inside. */
import { closeSync, existsSync, openSync, writeFileSync } from "node:fs";
import { isIPv4 } from "node:net";
import koffi from "koffi";
import type { IpamResponse } from "../agent/api.ts";
import { parseAddress } from "../model/cidr.ts";
import { addAddress, addRoute, addVeth, deleteLink, raiseLink } from "../wire/rtnetlink.ts";
import { withNetlink } from "./netlink.ts";
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
export function removePodLink(netns: string | undefined, name: string): void {
  if (netns !== undefined && !existsSync(netns)) return;
  const index = indexOf(netns, name);
  if (index === 0) return;
  try {
    withNetlink(netns, (netlink) => netlink.ask(`delete ${name}`, deleteLink(index)));
  } catch (error) {
    // its other end may have gone in this moment, and it with that
    if (indexOf(netns, name) === index) throw error;
  }
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

/** Requests for the pod's side. A route leads to the gateway alone: whoever else has an address is behind it. */
export function podRequests(device: number, { address, gateway, ipv6 }: IpamResponse): [what: string, Buffer][] {
  const pairs = [{ address, gateway }, ...(ipv6 === undefined ? [] : [ipv6])];
  return [
    ["raise the pod's interface", raiseLink(device)],
    ...pairs.flatMap((pair): [string, Buffer][] => {
      const [own, router] = [bytesOf(pair.address), bytesOf(pair.gateway)];
      return [
        [`address ${pair.address}`, addAddress(device, own)],
        [`route to ${pair.gateway}`, addRoute({ out: device, destination: router })],
        [`route by ${pair.gateway}`, addRoute({ out: device, gateway: router, source: own })],
      ];
    }),
  ];
}

function bytesOf(address: string): Uint8Array {
  const bytes = parseAddress(address);
  if (bytes === undefined) throw new Error(`${address} is no IP address`);
  return isIPv4(address) ? bytes.subarray(12) : bytes;
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
export function addPodLink(link: PodLink): void {
  const { nodeNetns, podNetns, interfaceName, podInterface, mac, hostMac, addressing } = link;
  const { mtu, ipv6 } = addressing;
  withNetlink(nodeNetns, (netlink) => {
    const pod = openSync(podNetns, "r");
    try {
      const ends = [
        { name: interfaceName, mtu, mac: hostMac },
        { name: podInterface, mtu, mac },
      ] as const;
      netlink.ask(`link ${interfaceName}`, addVeth(...ends, pod));
    } finally {
      closeSync(pod);
    }
    netlink.ask(`raise ${interfaceName}`, raiseLink(indexOf(nodeNetns, interfaceName), { quiet: true }));
  });
  quietHostSide(link);
  if (ipv6 !== undefined) allowIpv6(podNetns, podInterface);
  const device = indexOf(podNetns, podInterface);
  withNetlink(podNetns, (netlink) => {
    for (const [what, request] of podRequests(device, addressing)) netlink.ask(what, request);
  });
}
