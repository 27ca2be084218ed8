import { setImmediate as nextTurn } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import { type DnsObservations, DnsObservationsSchema } from "../../proto/gen/proxy_pb.js";
import type { DnsObservation } from "../model/dns-observation.ts";
import { DEFAULT_DNS_SETTINGS } from "../model/dns-settings.ts";

/** An observation that differs from the last one in its time alone is told again after so long. */
const REFRESH_MS = 1000;
/** Most addresses that are remembered as told, over all names. */
const MAX_TOLD = 65_536;
/** Most addresses that the agent has not acknowledged; what comes beyond is learned when it is asked for again. */
const MAX_OPEN = 65_536;
/** A TTL may be decades; what is remembered as told is told again after so long at the latest. */
const MOST_TTL_SECONDS = 3600;

interface Batch {
  readonly observations: DnsObservation[];
  readonly inForce: Promise<void>;
  readonly resolve: () => void;
}

function newBatch(): Batch {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { observations: [], inForce: promise, resolve };
}

/**
 * Tells the agent what clients learn from DNS. Known addresses of a name cost no wait, new ones until the agent has them in
 * force: the client's first connection succeeds then. While the agent is away, observations wait for it, but clients not
 * longer than `maxDelayMs`: they get addresses that their policies do not know yet, and are dropped as before.
 */
export class DnsObserver {
  /** How long a client waits for its answer at most while the agent puts the addresses in force. */
  maxDelayMs = DEFAULT_DNS_SETTINGS.maxDelayMs;
  private waiting = newBatch();
  private readonly sent = new Map<bigint, Batch>();
  private nextBatch = 1n;
  /** By endpoint and name: the addresses that the agent has, until when, and when it was told. */
  private readonly told = new Map<number, Map<string, { readonly until: Map<string, number>; atMs: number }>>();
  private toldAddresses = 0;
  private openAddresses = 0;
  private wake: (() => void) | undefined;

  /** Resolves when the addresses are in force, or after `maxDelayMs`; undefined when they are already, or nobody can be told. */
  readonly observe = (observation: DnsObservation): Promise<void> | undefined => {
    const { endpointId, name, addresses, ttlSeconds, timeMs } = observation;
    const known = this.told.get(endpointId)?.get(name);
    const isKnown = known !== undefined && addresses.every((address) => (known.until.get(address) ?? 0) > timeMs);
    const isFresh = isKnown && Math.abs(timeMs - known.atMs) < REFRESH_MS && ttlSeconds * 1000 > REFRESH_MS;
    if (isFresh || this.openAddresses + addresses.length > MAX_OPEN) return undefined;
    this.openAddresses += addresses.length;
    const { inForce } = this.waiting;
    this.waiting.observations.push(observation);
    this.wake?.();
    return isKnown || this.maxDelayMs === 0 ? undefined : atMost(inForce, this.maxDelayMs);
  };

  /** The batches of one stream, each of one turn of the event loop; ends with the signal. */
  async *batches(signal: AbortSignal): AsyncGenerator<DnsObservations> {
    // Another agent may know less.
    this.forget();
    const onAbort = () => this.wake?.();
    signal.addEventListener("abort", onAbort);
    this.takeBack();
    while (!signal.aborted) {
      if (this.waiting.observations.length === 0) await this.arrival();
      await nextTurn();
      if (signal.aborted || this.waiting.observations.length === 0) continue;
      const batch = this.nextBatch++;
      this.sent.set(batch, this.waiting);
      const { observations } = this.waiting;
      this.waiting = newBatch();
      yield create(DnsObservationsSchema, {
        batch,
        observations: observations.map((each) => ({ ...each, addresses: [...each.addresses] })),
      });
    }
    signal.removeEventListener("abort", onAbort);
  }

  /** What an earlier stream did not acknowledge is sent again, before what came since. */
  private takeBack(): void {
    const earlier = [...this.sent.values(), this.waiting];
    this.sent.clear();
    this.waiting = newBatch();
    for (const { observations, resolve } of earlier) {
      for (const observation of observations) this.waiting.observations.push(observation);
      void this.waiting.inForce.then(resolve);
    }
  }

  /** The agent has the batch in force. */
  acknowledge(batch: bigint): void {
    const sent = this.sent.get(batch);
    if (sent === undefined) return;
    this.sent.delete(batch);
    for (const observation of sent.observations) this.remember(observation);
    sent.resolve();
  }

  private remember({ endpointId, name, addresses, ttlSeconds, timeMs }: DnsObservation): void {
    this.openAddresses -= addresses.length;
    if (this.toldAddresses + addresses.length > MAX_TOLD) this.forget();
    const names = this.told.get(endpointId) ?? new Map();
    this.told.set(endpointId, names);
    const known = names.get(name);
    const until = known?.until ?? new Map<string, number>();
    const before = until.size;
    if (known !== undefined && Math.abs(timeMs - known.atMs) >= REFRESH_MS) {
      for (const [address, end] of until) if (end <= timeMs) until.delete(address);
    }
    const endMs = timeMs + Math.min(ttlSeconds, MOST_TTL_SECONDS) * 1000;
    for (const address of addresses) until.set(address, endMs);
    names.set(name, { until, atMs: timeMs });
    this.toldAddresses += until.size - before;
  }

  /** The agent may know no name any more: the next answers wait for it as the first ones did. */
  forget(): void {
    this.told.clear();
    this.toldAddresses = 0;
  }

  private async arrival(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.wake = resolve;
    });
    this.wake = undefined;
  }
}

function atMost(promise: Promise<void>, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    void promise.then(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
