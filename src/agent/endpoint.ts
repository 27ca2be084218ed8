import type { EndpointConfig } from "../datapath/port.ts";
import type { Labels } from "../model/label.ts";
import type { EndpointPolicy } from "../policy/policy-map.ts";
import type { EndpointChangeRequest } from "./api.ts";

/** The states that a CiliumEndpoint shows. */
export type EndpointState =
  | "restoring"
  | "waiting-for-identity"
  | "regenerating"
  | "ready"
  | "not-ready"
  | "disconnecting";

/** A pod's end on this node. Only the agent's own parts change it. */
export interface Endpoint {
  readonly id: number;
  readonly request: EndpointChangeRequest;
  /** 0 until one is allocated. */
  identity: number;
  labels: Labels;
  state: EndpointState;
  /** The datapath has it: policies may be set. */
  attached: boolean;
  /** The policy in force in the kernel; undefined = nothing was set by this agent yet. */
  realized: EndpointPolicy | undefined;
  /** Revision of the repository that `realized` was last compared with. */
  revision: number;
  /** Why the last regeneration failed; empty when it did not. */
  error: string;
}

/** Highest endpoint id: the kernel keeps 16 bits. */
const LAST_ID = 65_535;

/** A starting point for an id that differs from pod to pod, so that ids are not reused at once. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193) >>> 0;
  }
  return value;
}

/** A free endpoint id between 1 and 65535 for this container. Throws when all are taken. */
export function chooseEndpointId(containerId: string, isTaken: (id: number) => boolean): number {
  const start = hash(containerId) % LAST_ID;
  for (let step = 0; step < LAST_ID; step++) {
    const id = ((start + step) % LAST_ID) + 1;
    if (!isTaken(id)) return id;
  }
  throw new Error("all 65535 endpoint ids are taken");
}

export function newEndpoint(id: number, request: EndpointChangeRequest, state: EndpointState): Endpoint {
  return { id, request, identity: 0, labels: [], state, attached: false, realized: undefined, revision: 0, error: "" };
}

/** What the datapath must know of the endpoint. */
export function datapathConfig(endpoint: Endpoint): EndpointConfig {
  const { address, address6, interfaceName, ifindex, mac, hostMac } = endpoint.request;
  const ipv6 = address6 === undefined ? {} : { address6 };
  return { id: endpoint.id, identity: endpoint.identity, address, ...ipv6, interfaceName, ifindex, mac, hostMac };
}

/** Its pod's addresses, IPv4 first. */
export function addressesOf({ address, address6 }: EndpointChangeRequest): readonly string[] {
  return address6 === undefined ? [address] : [address, address6];
}

/** Who holds the health endpoint's address, in Cilium's word. */
export const HEALTH_OWNER = "health";

/** False for the node's health endpoint: no pod, no CiliumEndpoint; its CiliumNode tells of it. */
export function isOfPod(request: EndpointChangeRequest): boolean {
  return request.podName !== "";
}

/** Who holds its address. */
export function ownerOf(request: EndpointChangeRequest): string {
  return isOfPod(request) ? `${request.podNamespace}/${request.podName}` : HEALTH_OWNER;
}

/** `namespace/name` of its pod. */
export function podKey(endpoint: Endpoint): string {
  return `${endpoint.request.podNamespace}/${endpoint.request.podName}`;
}
