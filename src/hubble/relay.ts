import { create, fromBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { Health } from "../../proto/gen/health_pb.js";
import {
  type GetFlowsResponse,
  GetFlowsResponseSchema,
  type GetNodesResponse,
  GetNodesResponseSchema,
  Observer as ObserverService,
  type ServerStatusResponse,
  ServerStatusResponseSchema,
} from "../../proto/gen/observer_pb.js";
import { NodeState } from "../../proto/gen/relay_pb.js";
import type { Registry } from "../metrics/index.ts";
import { routeReflection } from "../wire/grpc-reflection.ts";
import { flowStreamHandler, type ResponseSource } from "./flow-stream.ts";
import { healthService } from "./health.ts";
import { type Observer, responses } from "./observer.ts";
import { type PeerNode, type PeerSource, staticPeers } from "./peer.ts";
import type { RawResponse } from "./raw-flows.ts";
import { relayFlows } from "./relay-flows.ts";
import { createPeerPool, type PeerPool } from "./relay-peer.ts";
import { type FlowQuery, parseFlowsRequest } from "./request.ts";
import { createGrpcServer, type Handlers } from "./server.ts";
import { namespacesResponse } from "./status.ts";
import type { TlsSource } from "./tls.ts";

const MAX_UNAVAILABLE_NAMES = 10;

export interface RelayOptions {
  /** The nodes: a list, or a source that tells of changes. */
  readonly peers: PeerSource | readonly PeerNode[];
  /** Semantic version, with or without `v`. */
  readonly version: string;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Name that status events carry. */
  readonly nodeName: string;
  /** The relay's own certificate and the authority of the nodes, where they speak TLS. */
  readonly tls?: TlsSource;
  readonly metrics?: Registry;
}

/** How many nodes the relay has a connection to, under upstream's name and with all of its states. */
function addPoolMetrics(registry: Registry, pool: PeerPool): void {
  const name = "hubble_relay_pool_peer_connection_status";
  const status = registry.gauge({ name, help: "Nodes by the state of the connection to them", labels: ["status"] });
  registry.collect(() => {
    const states = ["CONNECTING", "IDLE", "NIL_CONNECTION", "READY", "SHUTDOWN", "TRANSIENT_FAILURE"];
    for (const state of states) status.of(state).set(0);
    for (const peer of pool.list()) status.of(peer.connection()).value++;
  });
}

/** The flow API of all nodes together. */
export type Relay = Observer;

async function relayStatus(pool: PeerPool, version: string): Promise<ServerStatusResponse> {
  const peers = pool.list();
  const answers = await Promise.all(peers.map((peer) => peer.status()));
  const up = answers.filter((answer) => answer !== undefined);
  const down = peers.filter((_, i) => answers[i] === undefined).map(({ name }) => name);
  const sum = (pick: (status: ServerStatusResponse) => bigint) =>
    up.reduce((total, status) => total + pick(status), 0n);
  return create(ServerStatusResponseSchema, {
    numFlows: sum((status) => status.numFlows),
    maxFlows: sum((status) => status.maxFlows),
    seenFlows: sum((status) => status.seenFlows),
    uptimeNs: up.map(({ uptimeNs }) => uptimeNs).sort((a, b) => (a < b ? 1 : -1))[0] ?? 0n,
    flowsRate: up.reduce((total, { flowsRate }) => total + flowsRate, 0),
    numConnectedNodes: up.length,
    numUnavailableNodes: down.length,
    unavailableNodes: down.slice(0, MAX_UNAVAILABLE_NAMES),
    version,
  });
}

async function relayNodes(pool: PeerPool): Promise<GetNodesResponse> {
  const nodes = pool.list().map(async (peer) => {
    const status = await peer.status();
    const { name, address, tls } = peer;
    if (!status) return { name, address, tls, state: NodeState.NODE_UNAVAILABLE };
    const { version, uptimeNs, numFlows, maxFlows, seenFlows } = status;
    return {
      name,
      address,
      tls,
      state: NodeState.NODE_CONNECTED,
      version,
      uptimeNs,
      numFlows,
      maxFlows,
      seenFlows,
    };
  });
  return create(GetNodesResponseSchema, { nodes: await Promise.all(nodes) });
}

async function relayNamespaces(pool: PeerPool) {
  const answers = await Promise.allSettled(
    pool.list().map(({ client }) => client.getNamespaces({}, { timeoutMs: 1000 })),
  );
  return namespacesResponse(
    answers.flatMap((answer) => (answer.status === "fulfilled" ? answer.value.namespaces : [])),
  );
}

function notOnRelay(method: string): () => never {
  return () => {
    throw new ConnectError(`${method} not yet implemented`, Code.Unimplemented);
  };
}

/** For the general adapter, which wants messages. */
async function* decoded(source: ResponseSource<RawResponse>, signal: AbortSignal): AsyncGenerator<GetFlowsResponse> {
  for await (const { bytes } of responses(source, signal)) yield fromBinary(GetFlowsResponseSchema, bytes);
}

/** Observer and health service over the observers of all nodes. */
export function createRelay(options: RelayOptions): Relay {
  const { version, now, nodeName } = options;
  const pool = createPeerPool("list" in options.peers ? options.peers : staticPeers(options.peers), options.tls);
  if (options.metrics !== undefined) addPoolMetrics(options.metrics, pool);
  const headers = { "hubble-relay-version": version };
  const open = ({ request }: FlowQuery, signal: AbortSignal): ResponseSource<RawResponse> =>
    relayFlows({ pool, request, nodeName, now, signal });
  const service: Handlers<typeof ObserverService> = {
    getFlows: (request, { signal }) => decoded(open(parseFlowsRequest(request), signal), signal),
    getAgentEvents: notOnRelay("GetAgentEvents"),
    getDebugEvents: notOnRelay("GetDebugEvents"),
    getNodes: () => relayNodes(pool),
    getNamespaces: () => relayNamespaces(pool),
    serverStatus: () => relayStatus(pool, version),
  };
  const server = createGrpcServer({
    headers,
    browsers: true,
    stream: flowStreamHandler({ open, encode: ({ bytes }, out) => out.raw(bytes) }, headers),
    routes: (router) => {
      router.service(ObserverService, service);
      const anyPeer = async () => (await relayStatus(pool, version)).numConnectedNodes !== 0;
      router.service(Health, healthService(anyPeer));
      routeReflection(router, [ObserverService, Health]);
    },
  });
  return {
    serve: (listeners) => server.serve(listeners),
    get port() {
      return server.port;
    },
    async close() {
      await server.close();
      pool.close();
    },
  };
}
