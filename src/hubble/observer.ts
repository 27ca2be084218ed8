import { Code, ConnectError } from "@connectrpc/connect";
import { Health } from "../../proto/gen/health_pb.js";
import { Observer as ObserverService } from "../../proto/gen/observer_pb.js";
import { Peer } from "../../proto/gen/peer_pb.js";
import type { FlowRing } from "../flow/index.ts";
import type { FlowHistory } from "../history/index.ts";
import { routeReflection } from "../wire/grpc-reflection.ts";
import { encodeFlowsResponse } from "./encode.ts";
import { flowStreamHandler, type ResponseSource } from "./flow-stream.ts";
import { healthService } from "./health.ts";
import { createFlowReader } from "./history-reader.ts";
import type { GrpcListener } from "./listener.ts";
import { type PeerSource, peerService, staticPeers } from "./peer.ts";
import { createRingReader, type RingView } from "./reader.ts";
import { type FlowQuery, parseFlowsRequest, parseRingQuery, type RingQuery } from "./request.ts";
import { createGrpcServer, type Handlers } from "./server.ts";
import { ringNamespaces, ringStatus } from "./status.ts";
import { agentEventView, debugEventView, encodedFlowView, flowView } from "./views.ts";

export interface ObserverOptions {
  readonly ring: FlowRing;
  /** As `nodeFullName` gives it. */
  readonly nodeName: string;
  /** Semantic version, with or without `v`. */
  readonly version: string;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Flows that the ring has no more. */
  readonly history?: FlowHistory;
  /** Nodes that Peer.Notify tells; none when absent. */
  readonly peers?: PeerSource;
}

/** The flow API of one node. */
export interface Observer {
  serve(listeners: readonly GrpcListener[]): Promise<void>;
  /** Port of the first TCP listener, 0 when there is none. */
  readonly port: number;
  close(): Promise<void>;
}

/** Yields a source's responses until it ends or the signal aborts. */
export async function* responses<R extends object>(source: ResponseSource<R>, signal: AbortSignal): AsyncGenerator<R> {
  while (!signal.aborted) {
    const result = source.next();
    if (result === "end") return;
    if (result === "wait") await source.ready(signal);
    else yield result;
  }
}

function observerService(
  options: ObserverOptions,
  open: (query: FlowQuery) => ResponseSource,
): Handlers<typeof ObserverService> {
  const startedMs = options.now();
  const { ring, nodeName, version, now } = options;
  const read = <R extends object>(query: RingQuery, view: RingView<R>, signal: AbortSignal) =>
    responses(createRingReader({ ring, query, view, now }), signal);
  return {
    getFlows: (request, { signal }) => responses(open(parseFlowsRequest(request)), signal),
    getAgentEvents: (request, { signal }) => read(parseRingQuery(request), agentEventView(nodeName), signal),
    getDebugEvents: (request, { signal }) => read(parseRingQuery(request), debugEventView(), signal),
    getNodes: () => {
      throw new ConnectError("GetNodes not implemented", Code.Unimplemented);
    },
    getNamespaces: () => ringNamespaces(ring, now()),
    serverStatus: () => ringStatus(ring, version, startedMs, now()),
  };
}

/** Observer, peer and health service over a ring of flows. */
export function createObserver(options: ObserverOptions): Observer {
  const { ring, nodeName, now, history } = options;
  const headers = { "hubble-server-version": options.version };
  const read = <R extends object>(query: FlowQuery, view: RingView<R>): ResponseSource<R> =>
    createFlowReader({ ring, query, view, now }, history);
  return createGrpcServer({
    headers,
    stream: flowStreamHandler(
      { open: (query) => read(query, encodedFlowView(query, nodeName)), encode: encodeFlowsResponse },
      headers,
    ),
    routes: (router) => {
      router.service(
        ObserverService,
        observerService(options, (query) => read(query, flowView(query, nodeName))),
      );
      router.service(Peer, peerService(options.peers ?? staticPeers([])));
      router.service(
        Health,
        healthService(async () => true),
      );
      routeReflection(router, [ObserverService, Peer, Health]);
    },
  });
}
