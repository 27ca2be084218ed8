import type { SecureClientSessionOptions } from "node:http2";
import { type Client, createClient } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { type GetFlowsRequest, Observer, type ServerStatusResponse } from "../../proto/gen/observer_pb.js";
import { HUBBLE_PORT } from "../model/addresses.ts";
import { addressPort } from "../model/cidr.ts";
import type { PeerNode, PeerSource } from "./peer.ts";
import { type RawResponse, rawFlows } from "./raw-flows.ts";
import { MIN_TLS_VERSION, type TlsSource } from "./tls.ts";

const PROBE_TIMEOUT_MS = 1000;

export type ConnectionState = "IDLE" | "CONNECTING" | "READY" | "TRANSIENT_FAILURE";

/** The session's states in gRPC's words: one without a connection makes one at the next call. */
const CONNECTION_STATES: Readonly<Record<ReturnType<Http2SessionManager["state"]>, ConnectionState>> = {
  closed: "IDLE",
  connecting: "CONNECTING",
  open: "READY",
  idle: "READY",
  verifying: "READY",
  error: "TRANSIENT_FAILURE",
};

/** A node's observer and our connection to it. */
export interface RelayPeer {
  readonly name: string;
  readonly address: string;
  /** How it is reached, as GetNodes tells. */
  readonly tls: { readonly enabled?: boolean; readonly serverName?: string };
  readonly client: Client<typeof Observer>;
  /** Of our connection, as gRPC names it. */
  connection(): ConnectionState;
  /** GetFlows with its responses as they come, those that came together at once. Rejects with a ConnectError. */
  flows(request: GetFlowsRequest, signal: AbortSignal): AsyncIterable<readonly RawResponse[]>;
  /** Undefined when the node does not answer within a second. */
  status(): Promise<ServerStatusResponse | undefined>;
  close(): void;
}

function hostAndPort(address: string): string {
  if (/^\[.*\]:\d+$/.test(address) || /^[^:]+:\d+$/.test(address)) return address;
  return addressPort(address, HUBBLE_PORT);
}

/** Read anew for each connection, so that a renewed certificate is used from the next one on. */
function clientOptions(tls: TlsSource, servername: string | undefined): SecureClientSessionOptions {
  return {
    ...(servername !== undefined && { servername }),
    minVersion: MIN_TLS_VERSION,
    get cert() {
      return tls.current().cert;
    },
    get key() {
      return tls.current().key;
    },
    get ca() {
      return tls.current().ca;
    },
  };
}

/** Opens no connection yet: the first call does. */
function createRelayPeer(node: PeerNode, tls: TlsSource | undefined): RelayPeer {
  const { serverName } = node;
  if ((serverName === undefined) !== (tls === undefined)) {
    throw new Error(`peer ${node.name}: a server name and our own certificate go together, and one is missing`);
  }
  const baseUrl = `${tls === undefined ? "http" : "https"}://${hostAndPort(node.address)}`;
  const sessions = new Http2SessionManager(baseUrl, undefined, tls && clientOptions(tls, serverName));
  const client = createClient(Observer, createGrpcTransport({ baseUrl, sessionManager: sessions }));
  return {
    name: node.name,
    tls: serverName === undefined ? {} : { enabled: true, serverName },
    address: hostAndPort(node.address),
    client,
    connection: () => CONNECTION_STATES[sessions.state()],
    flows: (request, signal) => rawFlows(sessions, request, signal),
    status: () => client.serverStatus({}, { timeoutMs: PROBE_TIMEOUT_MS }).catch(() => undefined),
    close: () => sessions.abort(),
  };
}

/** The peers of a source, each with one connection that is kept as long as its address stays. */
export interface PeerPool {
  list(): readonly RelayPeer[];
  /** Calls back after each change until the returned function is called. */
  onChange(listener: () => void): () => void;
  close(): void;
}

/** Follows a source of peers; `tls` is the relay's own identity where they speak TLS. */
export function createPeerPool(source: PeerSource, tls?: TlsSource): PeerPool {
  const peers = new Map<string, { readonly node: PeerNode; readonly peer: RelayPeer }>();
  const listeners = new Set<() => void>();
  const update = () => {
    const nodes = new Map(source.list().map((node) => [node.name, node]));
    for (const [name, { node, peer }] of peers) {
      if (nodes.get(name)?.address === node.address) continue;
      peer.close();
      peers.delete(name);
    }
    for (const [name, node] of nodes) {
      if (!peers.has(name)) peers.set(name, { node, peer: createRelayPeer(node, tls) });
    }
    for (const listener of listeners) listener();
  };
  const stop = source.onChange(update);
  update();
  return {
    list: () => [...peers.values()].map(({ peer }) => peer).sort((a, b) => (a.name < b.name ? -1 : 1)),
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close() {
      stop();
      for (const { peer } of peers.values()) peer.close();
    },
  };
}
