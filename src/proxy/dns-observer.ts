import { setImmediate as nextTurn } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import { type DnsObservations, DnsObservationsSchema } from "../../proto/gen/proxy_pb.js";
import type { DnsObservation } from "../model/dns-observation.ts";

/** How long a client waits for its answer at most while the agent puts the addresses in force; Cilium's default, in ms. */
const MAX_DELAY_MS = 100;
/** An observation that differs from the last one in its time alone is told again after so long. */
const REFRESH_MS = 1000;
/** Most names that are remembered as told, and observations that wait while the agent is away. */
const MAX_TOLD = 16_384;
const MAX_WAITING = 4096;

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
 * longer than `MAX_DELAY_MS`: they get addresses that their policies do not know yet, and are dropped as before.
 */
export class DnsObserver {
  private waiting = newBatch();
  private readonly sent = new Map<bigint, Batch>();
  private nextBatch = 1n;
  /** By endpoint and name: the addresses that the agent has, until when, and when it was told. */
  private told = new Map<string, { readonly until: Map<string, number>; atMs: number }>();
  private wake: (() => void) | undefined;

  /** Resolves when the addresses are in force, or after `MAX_DELAY_MS`. */
  readonly observe = (observation: DnsObservation): Promise<void> => {
    const { endpointId, name, addresses, ttlSeconds, timeMs } = observation;
    const known = this.told.get(`${endpointId} ${name}`);
    const isKnown = known !== undefined && addresses.every((address) => (known.until.get(address) ?? 0) > timeMs);
    const isFresh = isKnown && Math.abs(timeMs - known.atMs) < REFRESH_MS && ttlSeconds * 1000 > REFRESH_MS;
    if (isFresh || this.waiting.observations.length >= MAX_WAITING) return Promise.resolve();
    const { inForce } = this.waiting;
    this.waiting.observations.push(observation);
    this.wake?.();
    return isKnown ? Promise.resolve() : atMost(inForce);
  };

  /** The batches of one stream, each of one turn of the event loop; ends with the signal. */
  async *batches(signal: AbortSignal): AsyncGenerator<DnsObservations> {
    // Another agent may know less.
    this.told.clear();
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

  /** What an earlier stream did not acknowledge is sent again. */
  private takeBack(): void {
    for (const { observations, resolve } of this.sent.values()) {
      this.waiting.observations.unshift(...observations);
      void this.waiting.inForce.then(resolve);
    }
    this.sent.clear();
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
    if (this.told.size >= MAX_TOLD) this.told.clear();
    const key = `${endpointId} ${name}`;
    const until = this.told.get(key)?.until ?? new Map<string, number>();
    for (const [address, end] of until) if (end <= timeMs) until.delete(address);
    for (const address of addresses) until.set(address, timeMs + ttlSeconds * 1000);
    this.told.set(key, { until, atMs: timeMs });
  }

  private async arrival(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.wake = resolve;
    });
    this.wake = undefined;
  }
}

function atMost(promise: Promise<void>): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, MAX_DELAY_MS);
    void promise.then(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
