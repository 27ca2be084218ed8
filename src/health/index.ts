import type { Registry } from "../metrics/index.ts";
import { openListener } from "../runtime/netns-socket.ts";
import { serveHealthApi } from "./api-server.ts";
import { addHealthMetrics } from "./metrics.ts";
import { type ProbedNode, Prober } from "./prober.ts";
import { allowPing, greet, HEALTH_PORT, ping } from "./probes.ts";
import { serveHello } from "./responder.ts";

export { type OpenedHealthEndpoint, openHealthEndpoint } from "./endpoint.ts";
export type { ProbedNode } from "./prober.ts";

export interface NodeHealthOptions {
  /** This node's. */
  readonly name: string;
  readonly nodes: {
    list(): readonly ProbedNode[];
    onChange(listener: () => void): () => void;
  };
  /** Path of `health.sock`. */
  readonly socketPath: string;
  readonly metrics?: Registry;
  /** Absent = nobody can greet this node. */
  readonly greetings?: Greetings | undefined;
}

/** Who has asked this node; other nodes do it once they have its addresses in force. */
export interface Greetings {
  has(address: string): boolean;
  onGreeting(listener: () => void): void;
}

/** Addresses that are remembered: pods can ask too. */
const MOST_GREETERS = 1000;

/** Answers `/hello` at this node's addresses. To be called before other nodes are told of it: they ask at once. */
export async function answerOnNode(addresses: readonly string[]): Promise<Greetings & { close(): void }> {
  const greeters = new Set<string>();
  const listeners = new Set<() => void>();
  const sockets = addresses.map((host) => openListener({ host, port: HEALTH_PORT }));
  const { close } = await serveHello(sockets, (address) => {
    if (greeters.has(address) || greeters.size >= MOST_GREETERS) return;
    greeters.add(address);
    for (const listener of listeners) listener();
  });
  return {
    close,
    has: (address) => greeters.has(address),
    onGreeting: (listener) => listeners.add(listener),
  };
}

/** One node's part in the cluster's health: asks every node, and tells what it found on `health.sock`. */
export async function startNodeHealth(options: NodeHealthOptions): Promise<{ close(): void }> {
  const { name, nodes, socketPath } = options;
  allowPing();
  const { greetings } = options;
  const prober = new Prober({
    ...{ name, nodes: () => nodes.list(), icmp: ping, http: greet, now: Date.now },
    ...(greetings && { knowsUs: ({ addresses }) => addresses.some((address) => greetings.has(address)) }),
  });
  greetings?.onGreeting(() => prober.nodesChanged());
  const stopListening = nodes.onChange(() => prober.nodesChanged());
  if (options.metrics !== undefined) addHealthMetrics(options.metrics, () => prober.report());
  const api = await serveHealthApi(socketPath, prober);
  prober.nodesChanged();
  return {
    close() {
      stopListening();
      prober.stop();
      api.close();
    },
  };
}
