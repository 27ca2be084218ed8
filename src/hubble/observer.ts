import { Code, ConnectError } from "@connectrpc/connect";
import { Health } from "../../proto/gen/health_pb.js";
import { Observer as ObserverService } from "../../proto/gen/observer_pb.js";
import { Peer } from "../../proto/gen/peer_pb.js";
import type { FlowRing } from "../flow/index.ts";
import type { FlowHistory } from "../history/index.ts";
import { encodeFlowsResponse } from "./encode.ts";
import { flowStreamHandler, type ResponseSource } from "./flow-stream.ts";
import { healthService } from "./health.ts";
import { type PeerSource, peerService, staticPeers } from "./peer.ts";
import { createFlowReader } from "./reader.ts";
import { type FlowQuery, parseFlowsRequest } from "./request.ts";
import { createGrpcServer, type GrpcListener, type Handlers } from "./server.ts";
import { ringNamespaces, ringStatus } from "./status.ts";

export interface ObserverOptions {
  readonly ring: FlowRing;
  /** `cluster/node` */
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
  const { ring, version, now } = options;
  return {
    getFlows: (request, { signal }) => responses(open(parseFlowsRequest(request)), signal),
    getAgentEvents: () => {
      throw new ConnectError(
        "GetAgentEvents is not built: `cilium monitor --type agent` in the agent shows them",
        Code.Unimplemented,
      );
    },
    getDebugEvents: () => {
      throw new ConnectError("GetDebugEvents is not built: the datapath emits no debug events", Code.Unimplemented);
    },
    getNodes: () => {
      throw new ConnectError("GetNodes not implemented", Code.Unimplemented);
    },
    getNamespaces: () => ringNamespaces(ring, now()),
    serverStatus: () => ringStatus(ring, version, startedMs, now()),
  };
}

/** Observer, peer and health service over a ring of flows. */
export function createObserver(options: ObserverOptions): Observer {
  const headers = { "hubble-server-version": options.version };
  const open = (query: FlowQuery): ResponseSource => createFlowReader({ ...options, query });
  return createGrpcServer({
    headers,
    stream: flowStreamHandler({ open, encode: encodeFlowsResponse }, headers),
    routes: (router) => {
      router.service(ObserverService, observerService(options, open));
      router.service(Peer, peerService(options.peers ?? staticPeers([])));
      router.service(
        Health,
        healthService(async () => true),
      );
    },
  });
}
