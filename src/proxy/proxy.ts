import type { AccessRecord } from "../model/access-record.ts";
import { DEFAULT_DNS_SETTINGS, type DnsSettings } from "../model/dns-settings.ts";
import type { ProxyOrigins } from "../model/proxy-origin.ts";
import { AccessLog } from "./access-log.ts";
import { startAdmin } from "./admin.ts";
import { parseBootstrap } from "./bootstrap.ts";
import type { DatagramSockets } from "./datagrams.ts";
import { DnsObserver } from "./dns-observer.ts";
import { type ListenerStatus, ListenerTable, type ProxySockets } from "./listeners.ts";
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
  /** Told of each record, beside the agent. */
  readonly recorded?: (record: AccessRecord) => void;
  /** Envoy's metrics in the text form of Prometheus, for the admin socket. */
  readonly prometheus?: () => string;
}

export interface NodeProxy {
  /** What it is doing now, for whoever counts. */
  status(): {
    readonly initialized: boolean;
    readonly connected: boolean;
    readonly uptimeSeconds: number;
    readonly listeners: readonly ListenerStatus[];
    readonly lostRecords: number;
  };
  /** Accepts nothing more, lets open exchanges end (at most 2 s), closes. */
  stop(): Promise<void>;
}

/** Counts what the admin interface shows under /stats. */
class Counters {
  private readonly counts = [new Counts(), new Counts(), new Counts(), new Counts()] as const;

  count({ type, verdict, dns }: AccessRecord): void {
    const [httpRequests, httpResponses, dnsRequests, dnsResponses] = this.counts;
    const [requests, responses] = dns === undefined ? [httpRequests, httpResponses] : [dnsRequests, dnsResponses];
    (type === "request" ? requests : responses).count(verdict);
  }

  get values(): Record<string, number> {
    const [httpRequests, httpResponses, dnsRequests, dnsResponses] = this.counts;
    return {
      ...httpRequests.requests("http"),
      ...httpResponses.responses("http"),
      ...dnsRequests.requests("dns"),
      ...dnsResponses.responses("dns"),
    };
  }
}

/** Fields, not keys made up of strings: they are counted up for every request. */
class Counts {
  private all = 0;
  private denied = 0;
  private error = 0;

  count(verdict: AccessRecord["verdict"]): void {
    this.all++;
    if (verdict === "denied") this.denied++;
    else if (verdict === "error") this.error++;
  }

  requests(protocol: string): Record<string, number> {
    const name = `${protocol}.requests`;
    return { [name]: this.all, [`${name}_denied`]: this.denied, [`${name}_error`]: this.error };
  }

  responses(protocol: string): Record<string, number> {
    return { [`${protocol}.responses`]: this.all, [`${protocol}.responses_error`]: this.error };
  }
}

/** Starts the proxy: no policy and no listener until the agent sends them. Throws on a bootstrap it cannot honour. */
export async function startProxy(options: ProxyOptions): Promise<NodeProxy> {
  const bootstrap = parseBootstrap(options.bootstrap);
  const accessLog = new AccessLog();
  const counters = new Counters();
  const observer = new DnsObserver();
  let { rejectCode } = DEFAULT_DNS_SETTINGS;
  const table = new ListenerTable({
    sockets: options.sockets,
    datagrams: options.datagrams,
    observe: observer.observe,
    rejectCode: () => rejectCode,
    origins: options.origins,
    record: (record) => {
      counters.count(record);
      options.recorded?.(record);
      accessLog.record(record);
    },
    now: timeOfDayMs,
    connectTimeoutMs: bootstrap.connectTimeoutMs,
  });
  const { node, xdsPath } = bootstrap;
  const setDnsSettings = (settings: DnsSettings) => {
    ({ rejectCode, maxDelayMs: observer.maxDelayMs } = settings);
  };
  const { log } = options;
  const channel = new AgentChannel({ socketPath: xdsPath, node, table, accessLog, observer, setDnsSettings, log });
  const startedAtMs = Date.now();
  const admin = await startAdmin(bootstrap.adminPath, {
    bootstrap: options.bootstrap,
    version: options.version,
    xdsPath,
    startedAtMs,
    now: timeOfDayMs,
    initialized: () => channel.initialized,
    connected: () => channel.connected,
    policyVersion: () => channel.version,
    listeners: () => table.list(),
    policies: () => table.inForce(),
    prometheus: options.prometheus,
    stats: () => ({
      ...counters.values,
      "access_log.lost": accessLog.lostInAll,
      "listeners.active": table.list().length,
      "connections.active": table.list().reduce((sum, { connections }) => sum + connections, 0),
    }),
  });
  return {
    status: () => ({
      initialized: channel.initialized,
      connected: channel.connected,
      uptimeSeconds: (timeOfDayMs() - startedAtMs) / 1000,
      listeners: table.list(),
      lostRecords: accessLog.lostInAll,
    }),
    async stop() {
      await table.drain(DRAIN_MS);
      await channel.close();
      await admin.close();
    },
  };
}

const timeOriginMs = performance.timeOrigin;

/** Milliseconds since the epoch with fractions, so that a request stands before its response; Date wins after a clock was set. */
function timeOfDayMs(): number {
  const fine = timeOriginMs + performance.now();
  const coarse = Date.now();
  return Math.abs(fine - coarse) < 20 ? fine : coarse;
}
