import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { IpamResponse } from "../agent/api.ts";
import { addPodLink, indexOf, macFrom, removePodLink } from "../runtime/pod-link.ts";
import type { AgentClient } from "./agent-client.ts";

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

export function readNetworkRecord(directory: string): PodNetworkRecord | undefined {
  try {
    return JSON.parse(readFileSync(join(directory, "network.json"), "utf8")) as PodNetworkRecord;
  } catch {
    return undefined;
  }
}

/** The addresses of a pod, IPv4 first. */
export function podAddresses({ address, ipv6 }: IpamResponse): string[] {
  return ipv6 === undefined ? [address] : [address, ipv6.address];
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
  const [mac, hostMac] = [macFrom(digest, 6), macFrom(digest, 12)];
  if (!kept) {
    const { nodeNetns } = place;
    removePodLink(nodeNetns, interfaceName);
    writeFileSync(join(place.directory, "network.json"), JSON.stringify(record));
    addPodLink({ nodeNetns, podNetns, interfaceName, podInterface: "eth0", mac, hostMac, addressing: own });
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
    mac,
    hostMac,
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
  removePodLink(nodeNetns, record.interfaceName);
  for (const address of podAddresses(record).reverse()) await agent.release(address);
}
