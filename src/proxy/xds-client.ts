import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import { type Client, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import {
  AccessLogService,
  DnsObservationService,
  type NetworkPolicyDiscoveryRequest,
  NetworkPolicyDiscoveryRequestSchema,
  type NetworkPolicyDiscoveryResponse,
  NetworkPolicyDiscoveryService,
  type NetworkPolicy as WirePolicy,
} from "../../proto/gen/proxy_pb.js";
import type { DnsSettings } from "../model/dns-settings.ts";
import type { AccessLog } from "./access-log.ts";
import { AsyncQueue } from "./async-queue.ts";
import type { DnsObserver } from "./dns-observer.ts";
import { type ListenerTable, PolicyRefused } from "./listeners.ts";
import { fromWire } from "./xds-wire.ts";

const FIRST_RETRY_MS = 10;
const LAST_RETRY_MS = 250;

export interface AgentChannelOptions {
  readonly socketPath: string;
  readonly node: { readonly id: string; readonly cluster: string };
  readonly table: ListenerTable;
  readonly accessLog: AccessLog;
  readonly observer: DnsObserver;
  /** The agent says how questions of DNS are to be answered from now on. */
  readonly setDnsSettings: (settings: DnsSettings) => void;
  /** One line for the process's log. */
  readonly log: (line: string) => void;
}

/** The proxy's side of the channel: comes back for ever, and while the agent is away everything stays as it was. */
export class AgentChannel {
  private readonly options: AgentChannelOptions;
  private readonly stopping = new AbortController();
  private readonly discovery: Client<typeof NetworkPolicyDiscoveryService>;
  private readonly accessLogService: Client<typeof AccessLogService>;
  private readonly observations: Client<typeof DnsObservationService>;
  /** The agent has answered on the present stream. */
  connected = false;
  /** Last version that was taken, whole or in part. */
  version = "";
  /** The agent has answered at least once. */
  initialized = false;
  readonly over: Promise<void>;

  constructor(options: AgentChannelOptions) {
    this.options = options;
    const transport = createGrpcTransport({
      baseUrl: "http://agent",
      nodeOptions: { createConnection: () => connect(options.socketPath) },
    });
    this.discovery = createClient(NetworkPolicyDiscoveryService, transport);
    this.accessLogService = createClient(AccessLogService, transport);
    this.observations = createClient(DnsObservationService, transport);
    this.over = this.run();
  }

  async close(): Promise<void> {
    this.stopping.abort();
    await this.over;
  }

  private async run(): Promise<void> {
    let retryMs = FIRST_RETRY_MS;
    while (!this.stopping.signal.aborted) {
      const wasConnected = await this.follow();
      retryMs = wasConnected ? FIRST_RETRY_MS : Math.min(retryMs * 2, LAST_RETRY_MS);
      await sleep(retryMs, undefined, { signal: this.stopping.signal }).catch(() => undefined);
    }
  }

  /** Follows one stream to its end; true when the agent had answered on it. */
  private async follow(): Promise<boolean> {
    const over = new AbortController();
    const signal = AbortSignal.any([over.signal, this.stopping.signal]);
    const requests = new AsyncQueue<NetworkPolicyDiscoveryRequest>();
    requests.push(this.firstRequest());
    try {
      for await (const response of this.discovery.streamNetworkPolicies(requests, { signal })) {
        if (!this.connected) this.begin(signal);
        requests.push(await this.take(response));
      }
    } catch (error) {
      if (this.connected && !this.stopping.signal.aborted) this.options.log(`agent lost: ${messageOf(error)}`);
    }
    over.abort();
    requests.end();
    const wasConnected = this.connected;
    this.connected = false;
    return wasConnected;
  }

  private begin(signal: AbortSignal): void {
    this.connected = true;
    this.initialized = true;
    this.options.log("agent connected");
    const { accessLog } = this.options;
    void this.again("access log", signal, (until) =>
      this.accessLogService.streamAccessRecords(accessLog.batches(until), { signal: until }),
    );
    void this.again("DNS observations", signal, (until) => this.sendObservations(until));
  }

  /** A stream that the agent ends early is opened again: one record that could not be taken must not stop the others. */
  private async again(
    what: string,
    signal: AbortSignal,
    stream: (until: AbortSignal) => Promise<unknown>,
  ): Promise<void> {
    while (!signal.aborted) {
      const over = new AbortController();
      await stream(AbortSignal.any([signal, over.signal])).catch((error: unknown) => {
        if (!signal.aborted) this.options.log(`${what}: ${messageOf(error)}`);
      });
      over.abort();
      await sleep(LAST_RETRY_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  private async sendObservations(until: AbortSignal): Promise<void> {
    const { observer } = this.options;
    const answers = this.observations.streamObservations(observer.batches(until), { signal: until });
    for await (const { batch, namesForgotten } of answers) {
      observer.acknowledge(batch);
      if (namesForgotten) observer.forget();
    }
  }

  private firstRequest(): NetworkPolicyDiscoveryRequest {
    return create(NetworkPolicyDiscoveryRequestSchema, {
      node: this.options.node,
      versionInfo: this.version,
      listeners: this.options.table.list().map(({ endpointId, key, port }) => ({ endpointId, redirectKey: key, port })),
    });
  }

  private async take(response: NetworkPolicyDiscoveryResponse): Promise<NetworkPolicyDiscoveryRequest> {
    if (response.dns !== undefined) this.options.setDnsSettings(response.dns);
    for (const endpointId of response.removedEndpoints) this.options.table.remove(endpointId);
    const errors = (await Promise.all(response.resources.map((resource) => this.apply(resource)))).flat();
    this.version = response.versionInfo;
    const named = new Set(response.resources.map(({ endpointId }) => endpointId));
    return create(NetworkPolicyDiscoveryRequestSchema, {
      versionInfo: response.versionInfo,
      responseNonce: response.nonce,
      listeners: this.options.table
        .list()
        .filter(({ endpointId }) => named.has(endpointId))
        .map(({ endpointId, key, port }) => ({ endpointId, redirectKey: key, port })),
      errors,
    });
  }

  private async apply(resource: WirePolicy) {
    try {
      const { policy, ports } = fromWire(resource);
      await this.options.table.apply(policy, ports);
      return [];
    } catch (error) {
      const message = messageOf(error);
      const portsInUse = error instanceof PolicyRefused ? [...error.portsInUse] : [];
      this.options.log(
        portsInUse.length === 0
          ? `policy of endpoint ${resource.endpointId} refused: ${message}`
          : `policy of endpoint ${resource.endpointId} waits for another port from the agent: ${message}`,
      );
      return [{ endpointId: resource.endpointId, message, portsInUse }];
    }
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
