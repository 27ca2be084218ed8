import type { Datapath } from "../datapath/port.ts";
import type { Labels } from "../model/label.ts";
import type { EndpointChangeRequest } from "./api.ts";
import {
  addressesOf,
  chooseEndpointId,
  datapathConfig,
  type Endpoint,
  type EndpointState,
  enterState,
  newEndpoint,
  ownerOf,
  podKey,
} from "./endpoint.ts";
import type { EndpointTable } from "./endpoint-table.ts";
import { type IdentityAllocator, sameLabels } from "./identity-allocator.ts";
import type { IdentityTable } from "./identity-table.ts";
import type { Ipam } from "./ipam.ts";
import { type IpcacheSources, OWN_CLAIM } from "./ipcache-sources.ts";
import type { Reconciler } from "./reconciler.ts";
import type { Regeneration } from "./regeneration.ts";
import { ApiError } from "./rest/request.ts";
import type { Retry } from "./retry.ts";
import type { StateDirectory } from "./state-directory.ts";

export interface LifecycleParts {
  readonly datapath: Pick<Datapath, "addEndpoint" | "removeEndpoint">;
  readonly nodeAddress: string;
  readonly table: EndpointTable;
  readonly state: StateDirectory;
  readonly ipam: Ipam;
  readonly allocator: IdentityAllocator;
  readonly identities: IdentityTable;
  readonly sources: IpcacheSources;
  readonly reconciler: Reconciler;
  readonly regeneration: Regeneration;
  readonly retry: Retry;
  /** Identity labels of the pod; undefined while the pod or its namespace is not known here. */
  readonly podLabels: (request: EndpointChangeRequest) => Labels | undefined;
  /** Resolves when `podLabels` has an answer and all inputs have synced; rejects after the patience of a caller. */
  readonly podKnown: (request: EndpointChangeRequest) => Promise<Labels>;
  /** Writes the CiliumEndpoint; resolves when the API has it. */
  readonly announce: (endpoint: Endpoint) => Promise<void>;
  readonly withdraw: (endpoint: Endpoint) => void;
  /** The datapath has a new endpoint; it is closed until it gets its policy. */
  readonly stands: (endpoint: Endpoint) => void;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly event: (type: "Endpoint created" | "Endpoint deleted", endpoint: Endpoint) => void;
}

/** How long a new endpoint may wait for the proxy before it is answered for: its redirects drop meanwhile. In ms. */
const PROXY_PATIENCE = 500;

/** A promise's end or the given time, whichever is first; never rejects. */
export async function atMost(ms: number, promise: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const patience = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([promise.catch(() => undefined), patience]);
  clearTimeout(timer);
}

/** Makes, changes and removes the endpoints of this node; every step leaves them closed until policy is in force. */
export class EndpointLifecycle {
  private readonly parts: LifecycleParts;
  private readonly creating = new Map<string, Promise<Endpoint>>();
  /** Labels that an endpoint is on its way to. */
  private readonly wantedLabels = new Map<Endpoint, Labels>();

  constructor(parts: LifecycleParts) {
    this.parts = parts;
  }

  /** Resolves when the endpoint's policy is in force; on failure nothing of it is left. Repeating a call is safe. */
  async put(request: EndpointChangeRequest): Promise<Endpoint> {
    const { containerId, address } = request;
    const running = this.creating.get(containerId);
    if (running !== undefined) return running;
    const known = this.parts.table.ofContainer(containerId);
    if (known !== undefined && sameRequest(known.request, request)) return known;
    if (known !== undefined) throw new ApiError(409, `container ${containerId} has an endpoint with other parameters`);
    const holder = this.parts.table.atAddress(address);
    if (holder !== undefined) throw new ApiError(409, `${address} belongs to endpoint ${holder.id}`);
    this.claim(request);
    const created = this.create(request).finally(() => this.creating.delete(containerId));
    this.creating.set(containerId, created);
    return created;
  }

  /**
   * The address must be this pod's: allocated for it, or free, when the agent was started again between the caller's two
   * calls and gave back what no endpoint had.
   */
  private claim(request: EndpointChangeRequest): void {
    const { ipam } = this.parts;
    const { address, address6 } = request;
    if (address6 !== ipam.address6Of(address)) {
      throw new ApiError(400, `${address6 ?? "no IPv6 address"} does not go with ${address}: ask for both anew`);
    }
    if (ipam.isHeld(address)) return;
    if (!ipam.isInRange(address)) throw new ApiError(400, `${address} is not an address of this node's pods`);
    ipam.claim(address, ownerOf(request));
  }

  /** Does nothing for an unknown container. */
  async remove(containerId: string): Promise<void> {
    const endpoint = this.parts.table.ofContainer(containerId);
    if (endpoint === undefined) return;
    this.enter(endpoint, "disconnecting", "Deleting endpoint");
    // A creation in progress sees the state, gives up at its next step and discards the endpoint itself.
    await this.creating.get(containerId)?.catch(() => undefined);
    if (this.parts.table.has(endpoint)) await this.discard(endpoint);
    this.parts.event("Endpoint deleted", endpoint);
  }

  /** The endpoint's pod or its namespace changed: follows its labels, keeping the present verdicts until then. */
  followLabels(endpoint: Endpoint): void {
    const labels = this.parts.podLabels(endpoint.request);
    if (labels === undefined || !endpoint.attached) return;
    if (sameLabels(labels, this.wantedLabels.get(endpoint) ?? endpoint.labels)) return;
    this.reallocate(endpoint, labels);
  }

  /** Finds the identity of these labels for the endpoint, also when it had another number for them. */
  reallocate(endpoint: Endpoint, labels: Labels): void {
    this.wantedLabels.set(endpoint, labels);
    this.enter(endpoint, "waiting-for-identity", "Labels changed");
    this.parts.retry.run(`identity of endpoint ${endpoint.id}`, () => this.changeIdentity(endpoint));
  }

  /** Tells the datapath the endpoint's identity again. */
  refreshIdentity(endpoint: Endpoint): void {
    this.parts.retry.run(`datapath of endpoint ${endpoint.id}`, async () => {
      if (endpoint.attached) await this.parts.datapath.addEndpoint(datapathConfig(endpoint));
    });
  }

  /** Tells the ipcache who has the endpoint's address. */
  claimAddress(endpoint: Endpoint): void {
    const { nodeAddress, sources } = this.parts;
    const addresses = addressesOf(endpoint.request);
    sources.claim(claimOwner(endpoint), { addresses, identity: endpoint.identity, nodeAddress, createdAt: "" });
  }

  private async create(request: EndpointChangeRequest): Promise<Endpoint> {
    const { table } = this.parts;
    const id = chooseEndpointId(request.containerId, (candidate) => table.isTaken(candidate));
    const first = { state: "waiting-for-identity", message: "Endpoint creation", at: this.parts.now() } as const;
    const endpoint = newEndpoint(id, request, first);
    table.add(endpoint);
    try {
      await this.bringUp(endpoint);
      return endpoint;
    } catch (error) {
      if (table.has(endpoint)) await this.discard(endpoint);
      throw error;
    }
  }

  private async bringUp(endpoint: Endpoint): Promise<void> {
    const { datapath, reconciler, regeneration } = this.parts;
    const labels = await this.parts.podKnown(endpoint.request);
    this.assume(endpoint, await this.parts.allocator.allocate(labels), labels);
    this.mustExist(endpoint);
    this.enter(endpoint, "regenerating", `Identity ${endpoint.identity} allocated`);
    this.save(endpoint);
    // Other endpoints learn the identity, then this one gets its policy, then its address means something.
    reconciler.flush();
    await datapath.addEndpoint(datapathConfig(endpoint));
    endpoint.attached = true;
    this.mustExist(endpoint);
    this.parts.stands(endpoint);
    const acknowledged = regeneration.regenerate(endpoint);
    acknowledged.catch(() => undefined);
    if (endpoint.realized === undefined) throw new ApiError(500, `no policy in force: ${endpoint.error}`);
    this.claimAddress(endpoint);
    reconciler.flush();
    this.followLabels(endpoint);
    await Promise.all([this.parts.announce(endpoint), atMost(PROXY_PATIENCE, acknowledged)]);
    this.mustExist(endpoint);
    this.parts.event("Endpoint created", endpoint);
  }

  private async changeIdentity(endpoint: Endpoint): Promise<void> {
    const labels = this.wantedLabels.get(endpoint);
    if (labels === undefined || !endpoint.attached) return;
    const identity = await this.parts.allocator.allocate(labels);
    if (this.wantedLabels.get(endpoint) !== labels || !endpoint.attached) return;
    if (identity !== endpoint.identity || !sameLabels(labels, endpoint.labels)) {
      await this.become(endpoint, identity, labels);
    }
    if (this.wantedLabels.get(endpoint) === labels) this.wantedLabels.delete(endpoint);
    this.parts.reconciler.regenerate(endpoint);
  }

  private async become(endpoint: Endpoint, identity: number, labels: Labels): Promise<void> {
    this.assume(endpoint, identity, labels);
    this.save(endpoint);
    // Its own policy changes with its labels before anybody sees it under the new identity.
    this.parts.reconciler.regenerate(endpoint);
    this.parts.reconciler.flush();
    await this.parts.datapath.addEndpoint(datapathConfig(endpoint));
    if (!endpoint.attached) return;
    this.claimAddress(endpoint);
    this.parts.reconciler.flush();
    await this.parts.announce(endpoint);
  }

  private enter(endpoint: Endpoint, state: EndpointState, message: string): void {
    enterState(endpoint, { state, message, isFailure: false, at: this.parts.now() });
  }

  private assume(endpoint: Endpoint, identity: number, labels: Labels): void {
    if (this.parts.identities.learn(identity, labels)) this.parts.reconciler.regenerateAll();
    endpoint.identity = identity;
    endpoint.labels = labels;
  }

  private save(endpoint: Endpoint): void {
    const { id, request, identity, labels } = endpoint;
    this.parts.state.saveEndpoint({ id, request, identity, labels });
  }

  private mustExist(endpoint: Endpoint): void {
    if (endpoint.state === "disconnecting")
      throw new ApiError(410, `the endpoint of ${podKey(endpoint)} was deleted meanwhile`);
  }

  /** Removes every trace; the kernel's part first, so that after a failure the endpoint is still known. */
  private async discard(endpoint: Endpoint): Promise<void> {
    this.enter(endpoint, "disconnecting", "Deleting endpoint");
    endpoint.attached = false;
    this.wantedLabels.delete(endpoint);
    this.parts.retry.cancel(`identity of endpoint ${endpoint.id}`);
    this.parts.sources.claim(claimOwner(endpoint), undefined);
    this.parts.reconciler.flush();
    await this.parts.datapath.removeEndpoint(endpoint.id);
    this.parts.regeneration.forget(endpoint);
    this.parts.table.remove(endpoint);
    this.parts.state.removeEndpoint(endpoint.id);
    this.parts.withdraw(endpoint);
  }
}

function claimOwner(endpoint: Endpoint): string {
  return `${OWN_CLAIM}${endpoint.id}`;
}

function sameRequest(a: EndpointChangeRequest, b: EndpointChangeRequest): boolean {
  return (
    a.address === b.address &&
    a.address6 === b.address6 &&
    a.podUid === b.podUid &&
    a.ifindex === b.ifindex &&
    a.mac === b.mac
  );
}
