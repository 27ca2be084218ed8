import type { AccessRecord } from "../model/access-record.ts";
import type { ProxyOrigins } from "../model/proxy-origin.ts";
import { AccessLog } from "./access-log.ts";
import { startAdmin } from "./admin.ts";
import { parseBootstrap } from "./bootstrap.ts";
import type { DatagramSockets } from "./datagrams.ts";
import { DnsObserver } from "./dns-observer.ts";
import { ListenerTable, type ProxySockets } from "./listeners.ts";
import { AgentChannel } from "./xds-client.ts";

const DRAIN_MS = 2000;

export interface ProxyOptions {
  /** JSON of the bootstrap file. */
  readonly bootstrap: unknown;
  readonly version: string;
  readonly origins: ProxyOrigins;
  readonly sockets: ProxySockets;
  readonly datagrams: DatagramSockets;
  readonly log: (line: string) => void;
}

export interface NodeProxy {
  /** Accepts nothing more, lets open exchanges end (at most 2 s), closes. */
  stop(): Promise<void>;
}

/** Counts what the admin interface shows under /stats. */
class Counters {
  readonly values: Record<string, number> = {
    "http.requests": 0,
    "http.requests_denied": 0,
    "http.requests_error": 0,
    "http.responses": 0,
    "http.responses_error": 0,
    "dns.requests": 0,
    "dns.requests_denied": 0,
    "dns.requests_error": 0,
    "dns.responses": 0,
    "dns.responses_error": 0,
  };

  count(record: AccessRecord): void {
    const name = `${record.dns === undefined ? "http" : "dns"}.${record.type}s`;
    this.values[name] = (this.values[name] ?? 0) + 1;
    if (record.verdict === "forwarded") return;
    const refused = `${name}_${record.verdict}`;
    this.values[refused] = (this.values[refused] ?? 0) + 1;
  }
}

/** Starts the proxy: no policy and no listener until the agent sends them. Throws on a bootstrap it cannot honour. */
export async function startProxy(options: ProxyOptions): Promise<NodeProxy> {
  const bootstrap = parseBootstrap(options.bootstrap);
  const accessLog = new AccessLog();
  const counters = new Counters();
  const observer = new DnsObserver();
  const table = new ListenerTable({
    sockets: options.sockets,
    datagrams: options.datagrams,
    observe: observer.observe,
    origins: options.origins,
    record: (record) => {
      counters.count(record);
      accessLog.record(record);
    },
    now: timeOfDayMs,
    connectTimeoutMs: bootstrap.connectTimeoutMs,
  });
  const { node, xdsPath } = bootstrap;
  const channel = new AgentChannel({ socketPath: xdsPath, node, table, accessLog, observer, log: options.log });
  const admin = await startAdmin(bootstrap.adminPath, {
    bootstrap: options.bootstrap,
    version: options.version,
    xdsPath,
    startedAtMs: Date.now(),
    now: timeOfDayMs,
    initialized: () => channel.initialized,
    connected: () => channel.connected,
    policyVersion: () => channel.version,
    listeners: () => table.list(),
    policies: () => table.inForce(),
    stats: () => ({
      ...counters.values,
      "access_log.lost": accessLog.lostInAll,
      "listeners.active": table.list().length,
      "connections.active": table.list().reduce((sum, { connections }) => sum + connections, 0),
    }),
  });
  return {
    async stop() {
      await table.drain(DRAIN_MS);
      await channel.close();
      await admin.close();
    },
  };
}

/** Milliseconds since the epoch with fractions, so that a request stands before its response; Date wins after a clock was set. */
function timeOfDayMs(): number {
  const fine = performance.timeOrigin + performance.now();
  const coarse = Date.now();
  return Math.abs(fine - coarse) < 20 ? fine : coarse;
}
