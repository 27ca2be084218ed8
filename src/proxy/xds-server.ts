import { chmodSync, mkdirSync, rmSync } from "node:fs";
import { createServer, type Http2Server, type ServerHttp2Session } from "node:http2";
import { dirname } from "node:path";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ConnectRouter } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import {
  AccessLogService,
  type AccessRecords,
  DnsObservationService,
  type DnsObservations,
  type DnsObservationsInForceSchema,
  type NetworkPolicyDiscoveryRequest,
  NetworkPolicyDiscoveryService,
} from "../../proto/gen/proxy_pb.js";
import type { AccessRecord } from "../model/access-record.ts";
import type { DnsObservation } from "../model/dns-observation.ts";
import type { DnsSettings } from "../model/dns-settings.ts";
import { decodeRecords } from "./access-batch.ts";
import { AsyncQueue } from "./async-queue.ts";
import { PolicyVersions } from "./policy-versions.ts";
import type { NetworkPolicy } from "./xds.ts";

/** Of records that wait while this side is busy; with node's 10 MiB the proxy's stream would be cut in a flood. */
const SESSION_MIB = 64;

export interface PolicyDiscoveryOptions {
  /** Normally `/var/run/cilium/envoy/sockets/xds.sock`; a stale socket there is replaced. */
  readonly socketPath: string;
  readonly onAccessRecord: (record: AccessRecord) => void;
  /** What clients are about to learn from DNS servers. They get their answers when this has returned. Must not throw. */
  readonly onObservations?: (observations: readonly DnsObservation[]) => void;
  /** Records that the proxy gave up because this side was away or slow. */
  readonly onLostRecords?: (count: number) => void;
  /** The proxy acknowledged other ports than it did before (somebody took one while it was down). */
  readonly onPortsChanged?: (endpointId: number, ports: ReadonlyMap<string, number>) => void;
  /** A proxy came (true) or went (false). */
  readonly onConnected?: (connected: boolean) => void;
}

/** The agent's side of the channel to its node's proxy. */
export interface PolicyDiscovery {
  /**
   * Sends an endpoint's redirects. Resolves with redirect key -> port when the proxy has this version or a later one of
   * the endpoint in force; rejects when it refused it (an earlier one stays in force there) or the endpoint was removed.
   * Pending while no proxy is connected; sent again to every proxy that comes.
   */
  publish(policy: NetworkPolicy): Promise<ReadonlyMap<string, number>>;
  remove(endpointId: number): void;
  /** How the proxy, and every one that comes, is to answer questions of DNS; until it is said a proxy goes on as it did. */
  setDnsSettings(settings: DnsSettings): void;
  /** After a restart of the agent, once every endpoint is published: takes away what the proxy still has of others. */
  removeUnpublished(): void;
  /** Names were given up before their time: proxies tell of them again, and clients wait for that. */
  namesForgotten(): void;
  readonly connected: boolean;
  close(): Promise<void>;
}

type InForce = MessageInitShape<typeof DnsObservationsInForceSchema>;
type InForceQueues = Set<AsyncQueue<InForce>>;

/** Listens for the proxy. Rejects when the socket cannot be made. */
export async function createPolicyDiscovery(options: PolicyDiscoveryOptions): Promise<PolicyDiscovery> {
  const versions = new PolicyVersions(options.onPortsChanged ?? (() => undefined));
  const sessions = new Set<ServerHttp2Session>();
  const inForce: InForceQueues = new Set();
  const routes = (router: ConnectRouter) => {
    discoveryRoutes(router, versions, options);
    observationRoutes(router, inForce, options);
  };
  const server = createServer({ maxSessionMemory: SESSION_MIB }, connectNodeAdapter({ routes }));
  server.on("session", (session) => {
    sessions.add(session);
    session.once("close", () => sessions.delete(session));
  });
  await listen(server, options.socketPath);
  return {
    publish: (policy) => versions.publish(policy),
    remove: (endpointId) => versions.remove(endpointId),
    setDnsSettings: (settings) => versions.setDnsSettings(settings),
    removeUnpublished: () => versions.removeUnpublished(),
    namesForgotten() {
      for (const queue of inForce) queue.push({ namesForgotten: true });
    },
    get connected() {
      return versions.connected;
    },
    async close() {
      versions.close();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const session of sessions) session.destroy();
      await closed;
    },
  };
}

function discoveryRoutes(router: ConnectRouter, versions: PolicyVersions, options: PolicyDiscoveryOptions): void {
  router.service(NetworkPolicyDiscoveryService, {
    async *streamNetworkPolicies(requests) {
      const stream = versions.openStream();
      const over = follow(requests, stream).finally(() => {
        stream.close();
        options.onConnected?.(versions.connected);
      });
      yield* stream.responses;
      await over;
    },
  });
  router.service(AccessLogService, {
    async streamAccessRecords(batches) {
      for await (const batch of batches) takeRecords(batch, options);
      return {};
    },
  });

  async function follow(
    requests: AsyncIterable<NetworkPolicyDiscoveryRequest>,
    stream: ReturnType<PolicyVersions["openStream"]>,
  ): Promise<void> {
    let first = true;
    try {
      for await (const request of requests) {
        if (first) {
          stream.begin(request);
          options.onConnected?.(true);
        } else stream.answer(request);
        first = false;
      }
    } catch {
      // the proxy died or the connection broke: it comes back with a stream of its own
    }
  }
}

function observationRoutes(router: ConnectRouter, inForce: InForceQueues, options: PolicyDiscoveryOptions): void {
  const learn = async (batches: AsyncIterable<DnsObservations>, queue: AsyncQueue<InForce>): Promise<void> => {
    try {
      for await (const { batch, observations } of batches) {
        options.onObservations?.(observations);
        queue.push({ batch });
      }
    } catch {
      // the proxy died or the connection broke: it tells the next stream what this one did not acknowledge
    } finally {
      queue.end();
    }
  };
  router.service(DnsObservationService, {
    async *streamObservations(batches) {
      const queue = new AsyncQueue<InForce>();
      inForce.add(queue);
      void learn(batches, queue);
      try {
        yield* queue;
      } finally {
        inForce.delete(queue);
      }
    },
  });
}

function takeRecords(batch: AccessRecords, options: PolicyDiscoveryOptions): void {
  if (batch.lost > 0) options.onLostRecords?.(batch.lost);
  const records = decodeRecords(batch.records);
  for (const record of records) options.onAccessRecord(record);
}

function listen(server: Http2Server, path: string): Promise<void> {
  mkdirSync(dirname(path), { recursive: true });
  rmSync(path, { force: true });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, () => {
      server.off("error", reject);
      chmodSync(path, 0o600);
      resolve();
    });
  });
}
