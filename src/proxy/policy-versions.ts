import { create } from "@bufbuild/protobuf";
import {
  type NetworkPolicyDiscoveryRequest,
  type NetworkPolicyDiscoveryResponse,
  NetworkPolicyDiscoveryResponseSchema,
} from "../../proto/gen/proxy_pb.js";
import type { DnsSettings } from "../model/dns-settings.ts";
import { AsyncQueue } from "./async-queue.ts";
import { ProxyPorts } from "./proxy-ports.ts";
import type { NetworkPolicy } from "./xds.ts";
import { toWire } from "./xds-wire.ts";

type Ports = ReadonlyMap<string, number>;

interface Waiter {
  readonly resolve: (ports: Ports) => void;
  readonly reject: (error: Error) => void;
}

interface Published {
  policy: NetworkPolicy;
  /** Of publications that no answer has reached yet. */
  waiters: Waiter[];
  acknowledged: Ports | undefined;
}

/** A response that the proxy has not answered. */
interface Outstanding {
  readonly nonce: string;
  readonly endpoints: ReadonlyMap<
    number,
    { readonly policy: NetworkPolicy; readonly ports: Ports; readonly waiters: Waiter[] }
  >;
  readonly removed: readonly number[];
}

/** One proxy's discovery stream. Only the newest stream is listened to. */
export interface DiscoveryStream {
  readonly responses: AsyncIterable<NetworkPolicyDiscoveryResponse>;
  /** First message of the proxy. */
  begin(request: NetworkPolicyDiscoveryRequest): void;
  /** ACK or NACK. */
  answer(request: NetworkPolicyDiscoveryRequest): void;
  close(): void;
}

/** What every endpoint's redirects are, what the proxy was told, and what it answered. */
export class PolicyVersions {
  private readonly endpoints = new Map<number, Published>();
  private readonly ports = new ProxyPorts();
  private readonly changed = new Set<number>();
  private readonly removed = new Set<number>();
  private reported: readonly number[] = [];
  private queue: AsyncQueue<NetworkPolicyDiscoveryResponse> | undefined;
  private outstanding: Outstanding | undefined;
  private begun = false;
  private version = 0;
  private flushing = false;
  private dns: DnsSettings | undefined;
  private dnsChanged = false;
  private readonly onPortsChanged: (endpointId: number, ports: Ports) => void;

  constructor(onPortsChanged: (endpointId: number, ports: Ports) => void) {
    this.onPortsChanged = onPortsChanged;
  }

  get connected(): boolean {
    return this.begun;
  }

  publish(policy: NetworkPolicy): Promise<Ports> {
    const published = this.endpoints.get(policy.endpointId) ?? { policy, waiters: [], acknowledged: undefined };
    published.policy = policy;
    this.endpoints.set(policy.endpointId, published);
    this.removed.delete(policy.endpointId);
    this.changed.add(policy.endpointId);
    return new Promise((resolve, reject) => {
      published.waiters.push({ resolve, reject });
      this.scheduleFlush();
    });
  }

  setDnsSettings(dns: DnsSettings): void {
    this.dns = dns;
    this.dnsChanged = true;
    this.scheduleFlush();
  }

  remove(endpointId: number): void {
    const published = this.endpoints.get(endpointId);
    const gone = new Error(`endpoint ${endpointId} was removed before the proxy acknowledged its policy`);
    for (const waiter of published?.waiters ?? []) waiter.reject(gone);
    for (const waiter of this.outstanding?.endpoints.get(endpointId)?.waiters ?? []) waiter.reject(gone);
    this.endpoints.delete(endpointId);
    this.changed.delete(endpointId);
    this.removed.add(endpointId);
    this.scheduleFlush();
  }

  removeUnpublished(): void {
    for (const endpointId of this.reported) if (!this.endpoints.has(endpointId)) this.remove(endpointId);
    this.reported = [];
  }

  close(): void {
    const closed = new Error("the channel to the proxy was closed");
    this.queue?.end();
    for (const { waiters } of this.endpoints.values()) for (const waiter of waiters) waiter.reject(closed);
    for (const { waiters } of this.outstanding?.endpoints.values() ?? [])
      for (const waiter of waiters) waiter.reject(closed);
  }

  openStream(): DiscoveryStream {
    this.endStream();
    const queue = new AsyncQueue<NetworkPolicyDiscoveryResponse>();
    this.queue = queue;
    const isCurrent = () => this.queue === queue;
    return {
      responses: queue,
      begin: (request) => {
        if (isCurrent()) this.begin(request);
      },
      answer: (request) => {
        if (isCurrent()) this.answer(request);
      },
      close: () => {
        queue.end();
        if (isCurrent()) this.endStream();
      },
    };
  }

  /** What was not answered must be sent to the next proxy, and those who wait for it wait on. */
  private endStream(): void {
    this.queue?.end();
    this.queue = undefined;
    this.begun = false;
    for (const [endpointId, sent] of this.outstanding?.endpoints ?? []) {
      this.endpoints.get(endpointId)?.waiters.unshift(...sent.waiters);
    }
    for (const endpointId of this.outstanding?.removed ?? []) this.removed.add(endpointId);
    this.outstanding = undefined;
  }

  private begin(request: NetworkPolicyDiscoveryRequest): void {
    this.ports.adopt(request.listeners);
    this.reported = request.listeners.map(({ endpointId }) => endpointId);
    this.begun = true;
    for (const endpointId of this.endpoints.keys()) this.changed.add(endpointId);
    this.flush(true);
  }

  private scheduleFlush(): void {
    if (this.flushing) return;
    this.flushing = true;
    queueMicrotask(() => {
      this.flushing = false;
      this.flush(false);
    });
  }

  /** Sends all that changed as one version; waits for the answer to the one before. */
  private flush(evenIfEmpty: boolean): void {
    if (!this.begun || this.outstanding !== undefined) return;
    if (!evenIfEmpty && !this.dnsChanged && this.changed.size === 0 && this.removed.size === 0) return;
    const version = String(++this.version);
    const endpoints = new Map([...this.changed].flatMap((endpointId) => this.take(endpointId)));
    const removed = [...this.removed].filter((endpointId) => !this.endpoints.has(endpointId));
    this.changed.clear();
    this.removed.clear();
    this.dnsChanged = false;
    this.outstanding = { nonce: version, endpoints, removed };
    this.queue?.push(
      create(NetworkPolicyDiscoveryResponseSchema, {
        versionInfo: version,
        nonce: version,
        resources: [...endpoints.values()].map(({ policy, ports }) => toWire(policy, ports)),
        removedEndpoints: removed,
        ...(this.dns === undefined ? {} : { dns: this.dns }),
      }),
    );
  }

  private take(endpointId: number) {
    const published = this.endpoints.get(endpointId);
    if (published === undefined) return [];
    const { policy, waiters } = published;
    published.waiters = [];
    try {
      const ports = new Map(policy.redirects.map(({ key }) => [key, this.ports.portOf(endpointId, key)]));
      return [[endpointId, { policy, ports, waiters }] as const];
    } catch (error) {
      for (const waiter of waiters) waiter.reject(error as Error);
      return [];
    }
  }

  private answer(request: NetworkPolicyDiscoveryRequest): void {
    const outstanding = this.outstanding;
    if (outstanding === undefined || outstanding.nonce !== request.responseNonce) return;
    this.outstanding = undefined;
    const errors = new Map(request.errors.map((error) => [error.endpointId, error]));
    for (const [endpointId, sent] of outstanding.endpoints) {
      const error = errors.get(endpointId);
      if (error === undefined) this.accept(endpointId, sent.ports, sent.waiters);
      else if (error.portsInUse.length > 0) this.sendAgain(endpointId, error.portsInUse, sent.waiters);
      else for (const waiter of sent.waiters) waiter.reject(refusal(endpointId, error.message));
    }
    for (const endpointId of outstanding.removed) if (!this.endpoints.has(endpointId)) this.ports.release(endpointId);
    this.flush(false);
  }

  private accept(endpointId: number, ports: Ports, waiters: readonly Waiter[]): void {
    const published = this.endpoints.get(endpointId);
    if (published === undefined) return;
    const before = published.acknowledged;
    published.acknowledged = ports;
    for (const waiter of waiters) waiter.resolve(ports);
    const moved = [...ports].some(([key, port]) => before?.has(key) && before.get(key) !== port);
    if (moved) this.onPortsChanged(endpointId, ports);
  }

  private sendAgain(endpointId: number, portsInUse: readonly number[], waiters: readonly Waiter[]): void {
    for (const port of portsInUse) this.ports.abandon(port);
    const published = this.endpoints.get(endpointId);
    if (published === undefined) return;
    published.waiters.unshift(...waiters);
    this.changed.add(endpointId);
  }
}

function refusal(endpointId: number, message: string): Error {
  return new Error(`the proxy refused the policy of endpoint ${endpointId}: ${message}`);
}
