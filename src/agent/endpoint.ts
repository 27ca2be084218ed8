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

/** What an endpoint's state was changed to, and why. */
export interface StateChange {
  readonly state: EndpointState;
  readonly message: string;
  readonly isFailure: boolean;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** So many changes of an endpoint's state are remembered, as in Cilium. */
const LOG_LENGTH = 256;

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
  /** Oldest first. */
  readonly log: StateChange[];
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

/** `at` is now, in milliseconds since the epoch; `message` says why it is made. */
export function newEndpoint(
  id: number,
  request: EndpointChangeRequest,
  { state, message, at }: Pick<StateChange, "state" | "message" | "at">,
): Endpoint {
  const log = [{ state, message, at, isFailure: false }];
  return { ...{ id, request, identity: 0, labels: [], state, log }, ...UNENFORCED };
}

const UNENFORCED = { attached: false, realized: undefined, revision: 0, error: "" };

/** Changes the endpoint's state and remembers why, unless it stays as it was for the reason that it had. */
export function enterState(endpoint: Endpoint, change: StateChange): void {
  const last = endpoint.log.at(-1);
  endpoint.state = change.state;
  if (last?.state === change.state && last.message === change.message) return;
  endpoint.log.push(change);
  if (endpoint.log.length > LOG_LENGTH) endpoint.log.shift();
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
