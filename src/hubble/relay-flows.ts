import { clone, create } from "@bufbuild/protobuf";
import { type Timestamp, TimestampSchema, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { type GetFlowsRequest, GetFlowsRequestSchema, GetFlowsResponseSchema } from "../../proto/gen/observer_pb.js";
import { NodeState } from "../../proto/gen/relay_pb.js";
import type { ResponseSource } from "./flow-stream.ts";
import { abortableSleep } from "./health.ts";
import { createMerge, type Merge } from "./merge.ts";
import { type RawResponse, rawResponse } from "./raw-flows.ts";
import type { PeerPool, RelayPeer } from "./relay-peer.ts";

/** How long a flow waits for earlier ones of other nodes: short where somebody watches, long where order is all. */
const FOLLOW_WINDOW_MS = 60;
/** A node that looks through its disk may take seconds to its first answer. */
const HISTORY_WINDOW_MS = 10_000;
const FIRST_RETRY_MS = 200;
/** A new node may be known before its observer answers; then it is seen within a second. */
const LAST_RETRY_MS = 1000;

export interface RelayFlowsOptions {
  readonly pool: PeerPool;
  readonly request: GetFlowsRequest;
  /** The relay's own node name, for status events. */
  readonly nodeName: string;
  readonly now: () => number;
  /** Ends the calls to the peers. */
  readonly signal: AbortSignal;
}

/**
 * Flows of all peers by time, after word of which peers answer. When following, peers that come are joined and peers
 * that fail are retried with back-off; they go on after the last flow that was received from them.
 */
export function relayFlows(options: RelayFlowsOptions): ResponseSource<RawResponse> {
  const { request, now } = options;
  const merge = createMerge(request.follow ? FOLLOW_WINDOW_MS : HISTORY_WINDOW_MS, now);
  void run(options, merge).catch((error) => {
    // only a bug comes here; it must be seen and not hang the client
    announce(merge, options, NodeState.NODE_ERROR, [], String(error));
    merge.seal();
  });
  return merge;
}

async function run(options: RelayFlowsOptions, merge: Merge): Promise<void> {
  const { pool, request, signal } = options;
  const peers = pool.list();
  const answers = await Promise.all(peers.map((peer) => peer.status()));
  const up = peers.filter((_, i) => answers[i] !== undefined);
  const down = peers.filter((_, i) => answers[i] === undefined);
  const names = (list: readonly RelayPeer[]) => list.map(({ name }) => name);
  if (up.length > 0) announce(merge, options, NodeState.NODE_CONNECTED, names(up));
  if (down.length > 0) announce(merge, options, NodeState.NODE_UNAVAILABLE, names(down));
  if (!request.follow) {
    for (const peer of up) void readOnce(options, merge, peer);
    merge.seal();
    return;
  }
  const stops = new Map<RelayPeer, AbortController>();
  const ended = new Set<RelayPeer>();
  const join = (peer: RelayPeer, connected: boolean) => {
    const stop = new AbortController();
    stops.set(peer, stop);
    void followPeer({ ...options, signal: AbortSignal.any([signal, stop.signal]) }, merge, peer, connected).then(
      (end) => {
        if (end === "ended") ended.add(peer);
        if (ended.size === stops.size) merge.seal();
      },
    );
  };
  for (const peer of up) join(peer, true);
  for (const peer of down) join(peer, false);
  const unsubscribe = pool.onChange(() => {
    const current = new Set(pool.list());
    for (const [peer, stop] of stops) {
      if (current.has(peer)) continue;
      stop.abort();
      stops.delete(peer);
      ended.delete(peer);
      announce(merge, options, NodeState.NODE_GONE, [peer.name]);
    }
    for (const peer of current) if (!stops.has(peer)) join(peer, false);
  });
  signal.addEventListener("abort", unsubscribe);
}

function announce(
  merge: Merge,
  options: RelayFlowsOptions,
  stateChange: NodeState,
  nodeNames: string[],
  message = "",
): void {
  const response = create(GetFlowsResponseSchema, {
    responseTypes: { case: "nodeStatus", value: { stateChange, nodeNames, message } },
    nodeName: options.nodeName,
    time: timestampFromMs(options.now()),
  });
  merge.announce(rawResponse(response));
}

async function readOnce(options: RelayFlowsOptions, merge: Merge, peer: RelayPeer): Promise<void> {
  const lane = merge.lane();
  try {
    for await (const responses of peer.flows(options.request, options.signal)) {
      lane.push(responses);
      await lane.room();
    }
  } catch (error) {
    if (!options.signal.aborted)
      announce(merge, options, NodeState.NODE_ERROR, [peer.name], ConnectError.from(error).rawMessage);
  } finally {
    lane.close();
  }
}

/** The request that goes on where a broken stream stopped. */
function resumed(request: GetFlowsRequest, since: Timestamp): GetFlowsRequest {
  const next = clone(GetFlowsRequestSchema, request);
  next.number = 0n;
  next.since =
    since.nanos === 999_999_999
      ? { ...since, seconds: since.seconds + 1n, nanos: 0 }
      : { ...since, nanos: since.nanos + 1 };
  return next;
}

function lastFlowTime(responses: readonly RawResponse[]): Timestamp | undefined {
  const flow = responses.findLast(({ isFlow, seconds }) => isFlow && !Number.isNaN(seconds));
  return flow && create(TimestampSchema, { seconds: BigInt(flow.seconds), nanos: flow.nanos });
}

async function followPeer(
  options: RelayFlowsOptions,
  merge: Merge,
  peer: RelayPeer,
  connectedAtFirst: boolean,
): Promise<"ended" | "stopped"> {
  const { signal, now } = options;
  let connected = connectedAtFirst;
  let last: Timestamp | undefined = connectedAtFirst ? undefined : timestampFromMs(now());
  let retryMs = FIRST_RETRY_MS;
  while (!signal.aborted) {
    if (!connected && (await peer.status())) {
      announce(merge, options, NodeState.NODE_CONNECTED, [peer.name]);
      connected = true;
      retryMs = FIRST_RETRY_MS;
    }
    if (connected) {
      const began = timestampFromMs(now());
      const lane = merge.lane();
      try {
        const request = last ? resumed(options.request, last) : options.request;
        for await (const responses of peer.flows(request, signal)) {
          last = lastFlowTime(responses) ?? last;
          lane.push(responses);
          await lane.room();
        }
        // the peer ended by itself: `until` is reached
        return "ended";
      } catch (error) {
        if (signal.aborted) return "stopped";
        const failure = ConnectError.from(error);
        announce(merge, options, NodeState.NODE_ERROR, [peer.name], failure.rawMessage);
        if (failure.code === Code.InvalidArgument) return "ended";
        connected = false;
        last ??= began;
      } finally {
        lane.close();
      }
    }
    await abortableSleep(retryMs, signal);
    retryMs = Math.min(LAST_RETRY_MS, retryMs * 2);
  }
  return "stopped";
}
