import { goDuration } from "./go-duration.ts";
import type { AddressStatus, ConnectivityStatus, HealthReport, NodeStatus, PathStatus } from "./report.ts";

/** A node to be probed; the first address of each list is the primary one. */
export interface ProbedNode {
  readonly name: string;
  readonly addresses: readonly string[];
  /** Of its health endpoint; empty = it has told none. */
  readonly healthAddresses: readonly string[];
}

/** One question to one address. Resolves with the time it took in nanoseconds, rejects with why there was no answer. */
export type Probe = (address: string) => Promise<number>;

export interface ProberOptions {
  /** This node. */
  readonly name: string;
  readonly nodes: () => readonly ProbedNode[];
  readonly icmp: Probe;
  readonly http: Probe;
  /** Whether a node has this one's addresses in force; absent = taken for granted. */
  readonly knowsUs?: (node: ProbedNode) => boolean;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** 10 s + 100 s × the probe frequency ratio, which is 0.5 by default. */
const BASE_INTERVAL_MS = 60_000;
/** An address that does not answer is asked again after the shortest base interval, not after a whole round. */
const FAILED_INTERVAL_MS = 10_000;

/** How long a round takes, as Cilium reckons it: it grows with the logarithm of the number of addresses. In ms. */
export function roundMs(addresses: number): number {
  return BASE_INTERVAL_MS * Math.log1p(addresses);
}

/** RFC 3339 in whole seconds. */
function timeText(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

/**
 * How long a health endpoint is not asked while its node does not know this one, in ms: until then it would have to drop what comes. A node
 * that has known this one for long does not greet it again.
 */
const PATIENCE_MS = 1000;

interface Seen {
  icmp?: ConnectivityStatus;
  http?: ConnectivityStatus;
  again?: NodeJS.Timeout;
  /** Not asked before. */
  isWaiting?: boolean;
}

const addressesOf = (node: ProbedNode) => [...node.addresses, ...node.healthAddresses];

/**
 * Asks every node's addresses one after the other, evenly over a round, so that a large cluster costs no more at once than
 * a small one. New addresses are asked at once, health endpoints once their node knows this one.
 */
export class Prober {
  private readonly options: ProberOptions;
  private readonly seen = new Map<string, Seen>();
  /** Addresses of this round that are still to be asked. */
  private queue: string[] = [];
  private roundStarted: number;
  private timer: NodeJS.Timeout | undefined;
  private stopped = false;

  constructor(options: ProberOptions) {
    this.options = options;
    this.roundStarted = options.now();
    this.schedule();
  }

  /** Asks addresses that are new and forgets those that are gone. */
  nodesChanged(): void {
    const present = new Set(this.addresses());
    for (const [address, { again }] of this.seen) {
      if (present.has(address)) continue;
      clearTimeout(again);
      this.seen.delete(address);
    }
    const early = this.early();
    for (const address of present) {
      const seen = this.seen.get(address);
      if (seen === undefined && early.has(address)) this.wait(address);
      else if (seen === undefined || (seen.isWaiting && !early.has(address))) void this.ask(address);
    }
  }

  /** Health endpoints of other nodes that do not know this one yet. */
  private early(): ReadonlySet<string> {
    const { name: own, nodes, knowsUs = () => true } = this.options;
    const strangers = nodes().filter((node) => node.name !== own && !knowsUs(node));
    return new Set(strangers.flatMap(({ healthAddresses }) => healthAddresses));
  }

  private wait(address: string): void {
    const again = setTimeout(() => void this.ask(address), PATIENCE_MS);
    this.seen.set(address, { again: again.unref(), isWaiting: true });
  }

  /** Asks every address now; resolves when all have answered or their time is over. */
  async probeAll(): Promise<HealthReport> {
    this.roundStarted = this.options.now();
    await Promise.all(this.addresses().map((address) => this.ask(address)));
    return this.report();
  }

  report(): HealthReport {
    return {
      local: { name: this.options.name },
      nodes: this.options.nodes().map((node) => this.nodeStatus(node)),
      timestamp: timeText(this.roundStarted),
      probeInterval: goDuration(Math.floor(this.intervalMs * 1e6)),
    };
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
    for (const { again } of this.seen.values()) clearTimeout(again);
  }

  private addresses(): string[] {
    return [...new Set(this.options.nodes().flatMap(addressesOf))];
  }

  private get intervalMs(): number {
    return roundMs(this.addresses().length);
  }

  private schedule(): void {
    const { length } = this.addresses();
    this.timer = setTimeout(() => this.next(), roundMs(Math.max(1, length)) / Math.max(1, length));
    this.timer.unref();
  }

  private next(): void {
    if (this.queue.length === 0) {
      this.roundStarted = this.options.now();
      this.queue = this.addresses();
    }
    const address = this.queue.shift();
    if (address !== undefined && this.seen.has(address)) void this.ask(address);
    this.schedule();
  }

  private async ask(address: string): Promise<void> {
    const seen = this.seen.get(address) ?? {};
    this.seen.set(address, seen);
    clearTimeout(seen.again);
    seen.isWaiting = false;
    const { icmp, http } = this.options;
    await Promise.all([
      this.answerOf(icmp, address).then((status) => {
        seen.icmp = status;
      }),
      this.answerOf(http, address).then((status) => {
        seen.http = status;
      }),
    ]);
    clearTimeout(seen.again);
    const isWell = seen.icmp?.status === undefined && seen.http?.status === undefined;
    if (isWell || this.stopped || this.seen.get(address) !== seen) return;
    seen.again = setTimeout(() => void this.ask(address), FAILED_INTERVAL_MS);
    seen.again.unref();
  }

  private async answerOf(probe: Probe, address: string): Promise<ConnectivityStatus> {
    const result = await probe(address).then(
      (latency) => ({ latency: Math.round(latency) }),
      (error: Error) => ({ status: error.message }),
    );
    return { ...result, lastProbed: timeText(this.options.now()) };
  }

  private nodeStatus({ name, addresses, healthAddresses }: ProbedNode): NodeStatus {
    const host = this.addressStatus(addresses);
    if (healthAddresses.length === 0) return { name, host };
    const health = this.addressStatus(healthAddresses);
    return { name, host, endpoint: health["primary-address"], "health-endpoint": health };
  }

  private addressStatus([primary = "", ...others]: readonly string[]): AddressStatus {
    return {
      "primary-address": this.pathStatus(primary),
      "secondary-addresses": others.map((address) => this.pathStatus(address)),
    };
  }

  private pathStatus(ip: string): PathStatus {
    const { icmp, http } = this.seen.get(ip) ?? {};
    return { ip, ...(icmp && { icmp }), ...(http && { http }) };
  }
}
