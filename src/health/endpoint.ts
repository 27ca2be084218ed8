import { createHash } from "node:crypto";
import { closeSync, existsSync, writeFileSync } from "node:fs";
import type { IpamResponse } from "../agent/api.ts";
import { newNetns, openListener, withNetns } from "../runtime/netns-socket.ts";
import { addPodLink, indexOf, macFrom, removePodLink } from "../runtime/pod-link.ts";
import { HEALTH_PORT } from "./probes.ts";
import { serveHello } from "./responder.ts";

/** Cilium's name for the host side. */
const INTERFACE = "lxc_health";
const POD_INTERFACE = "cilium";
const NO_IPV6 = "/proc/sys/net/ipv6/conf/default/disable_ipv6";

/** The health endpoint's link; its namespace lives until `close`, or until the process ends. */
export interface OpenedHealthEndpoint {
  readonly interfaceName: string;
  readonly ifindex: number;
  readonly mac: string;
  readonly hostMac: string;
  close(): void;
}

function releaseAll(releases: (() => void)[]): () => void {
  return () => {
    for (const release of releases.splice(0).reverse()) release();
  };
}

/**
 * Makes a network namespace without a name, joins it to the node's by a veth and answers `/hello` in it, all from this
 * process: nothing is left when it dies. A link of a process before is removed first.
 */
export async function openHealthEndpoint(addressing: IpamResponse): Promise<OpenedHealthEndpoint> {
  const digest = createHash("sha256").update(`health ${addressing.address}`).digest();
  const [mac, hostMac] = [macFrom(digest, 6), macFrom(digest, 12)];
  const netns = newNetns();
  const releases = [() => closeSync(netns)];
  const close = releaseAll(releases);
  const netnsPath = `/proc/${process.pid}/fd/${netns}`;
  // Devices begin without IPv6, as in pods: what they would say by themselves has no business here.
  withNetns(netnsPath, () => {
    if (existsSync(NO_IPV6)) writeFileSync(NO_IPV6, "1");
  });
  const addresses = [addressing.address, ...(addressing.ipv6 === undefined ? [] : [addressing.ipv6.address])];
  try {
    removePodLink(undefined, INTERFACE);
    addPodLink({
      ...{ podNetns: netnsPath, interfaceName: INTERFACE, podInterface: POD_INTERFACE, mac, hostMac, addressing },
    });
    const listeners = addresses.map((host) => openListener({ netnsPath, host, port: HEALTH_PORT }));
    const server = await serveHello(listeners);
    releases.push(() => server.close());
    return { interfaceName: INTERFACE, ifindex: indexOf(undefined, INTERFACE), mac, hostMac, close };
  } catch (error) {
    close();
    throw error;
  }
}
