import type { Datapath } from "../datapath/port.ts";
import type { FqdnNames } from "./fqdn-names.ts";
import type { AgentMetrics } from "./metrics/agent-metrics.ts";

/** How often closed and forgotten connections are looked for, and names collected; in ms. */
const ROUND_MS = 30_000;
const ROUNDS_A_COLLECTION = 2;

export interface ConnectionRoundsParts {
  readonly metrics: AgentMetrics;
  readonly datapath: Pick<Datapath, "collectConnections" | "connections">;
  readonly names: FqdnNames;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly log: (message: string) => void;
}

/** One round: connections past their time go, and names learn which of their addresses are in use. Never throws. */
export function connectionRound({ datapath, names, metrics, now, log }: ConnectionRoundsParts): void {
  const begun = performance.now();
  const seconds = () => (performance.now() - begun) / 1000;
  try {
    const startMs = now();
    metrics.connectionsCollected(datapath.collectConnections(), seconds());
    // Reading them all is the dear part, and most nodes have no names.
    if (!names.isEmpty) names.connectionsSeen(datapath.connections(), startMs, startMs + ROUND_MS);
  } catch (error) {
    metrics.connectionsCollected(undefined, seconds());
    log(`connections were not looked through, they are in ${ROUND_MS / 1000} s: ${(error as Error).message}`);
  }
}

/** Makes rounds until the returned function is called. */
export function startConnectionRounds(parts: ConnectionRoundsParts): () => void {
  let rounds = 0;
  const timer = setInterval(() => {
    connectionRound(parts);
    if (++rounds % ROUNDS_A_COLLECTION === 0) parts.metrics.namesDeleted(parts.names.collect());
  }, ROUND_MS);
  timer.unref();
  return () => clearInterval(timer);
}
