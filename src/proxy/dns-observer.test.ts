import { afterEach, describe, expect, it } from "vitest";
import type { DnsObservations } from "../../proto/gen/proxy_pb.js";
import { DnsObserver } from "./dns-observer.ts";

const FIRST = { endpointId: 7, name: "a.example.", addresses: ["192.0.2.1"], ttlSeconds: 30, timeMs: 1000 };

let over = new AbortController();
afterEach(() => over.abort());

/** The agent's end: takes batches one by one. */
function agentOf(observer: DnsObserver) {
  over = new AbortController();
  const batches = observer.batches(over.signal);
  const next = async (): Promise<DnsObservations> => (await batches.next()).value as DnsObservations;
  return { next };
}

/** Whether nothing is waited for after some turns of the loop. */
async function isSettled(promise: Promise<void> | undefined): Promise<boolean> {
  let settled = promise === undefined;
  void promise?.then(() => {
    settled = true;
  });
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  return settled;
}

describe("DnsObserver", () => {
  it("lets a client wait until the agent has new addresses in force", async () => {
    const observer = new DnsObserver();
    const agent = agentOf(observer);
    const waiting = observer.observe(FIRST);
    const { batch, observations } = await agent.next();
    expect(observations).toMatchObject([FIRST]);
    expect(await isSettled(waiting)).toBe(false);
    observer.acknowledge(batch);
    expect(await isSettled(waiting)).toBe(true);
  });
  it("waits no longer than it may", async () => {
    const observer = new DnsObserver();
    observer.maxDelayMs = 1;
    await observer.observe(FIRST);
    observer.maxDelayMs = 0;
    expect(observer.observe({ ...FIRST, name: "b.example." })).toBeUndefined();
    const { observations } = await agentOf(observer).next();
    expect(observations.map(({ name }) => name)).toEqual(["a.example.", "b.example."]);
  });
  it("tells known addresses again without a wait, and not more often than once a second", async () => {
    const observer = new DnsObserver();
    const agent = agentOf(observer);
    const first = observer.observe(FIRST);
    observer.acknowledge((await agent.next()).batch);
    await first;
    expect(await isSettled(observer.observe({ ...FIRST, timeMs: 1500 }))).toBe(true);
    expect(await isSettled(observer.observe({ ...FIRST, timeMs: 3000 }))).toBe(true);
    const { observations } = await agent.next();
    expect(observations.map(({ timeMs }) => timeMs)).toEqual([3000]);
  });
  it.each([
    ["another address", { addresses: ["192.0.2.1", "192.0.2.2"] }],
    ["another endpoint", { endpointId: 8 }],
    ["another name", { name: "b.example." }],
    ["an address whose time is over", { timeMs: 31_001 }],
  ])("lets a client wait for %s", async (_, change) => {
    const observer = new DnsObserver();
    const agent = agentOf(observer);
    const first = observer.observe(FIRST);
    observer.acknowledge((await agent.next()).batch);
    await first;
    const second = observer.observe({ ...FIRST, timeMs: 1100, ...change });
    expect(await isSettled(second)).toBe(false);
    observer.acknowledge((await agent.next()).batch);
    expect(await isSettled(second)).toBe(true);
  });
  it("remembers and holds so many addresses and no more", async () => {
    const many = (first: number) =>
      Array.from({ length: 4000 }, (_, index) => `10.${first}.${index >> 8}.${index & 255}`);
    const observer = new DnsObserver();
    const agent = agentOf(observer);
    const sizes = observer as unknown as { toldAddresses: number; openAddresses: number };
    for (let first = 0; first < 40; first++) {
      void observer.observe({ ...FIRST, addresses: many(first), ttlSeconds: 0x7fff_ffff, timeMs: 1000 + first });
      observer.acknowledge((await agent.next()).batch);
      expect(sizes.toldAddresses).toBeLessThanOrEqual(65_536);
      expect(sizes.openAddresses).toBe(0);
    }
    // An agent that takes no more, and breaks its stream.
    for (let first = 0; first < 40; first++) void observer.observe({ ...FIRST, addresses: many(first + 100) });
    await agent.next();
    for (let first = 0; first < 40; first++) void observer.observe({ ...FIRST, addresses: many(first + 150) });
    expect(sizes.openAddresses).toBe(64_000);
    over.abort();
    const { batch, observations } = await agentOf(observer).next();
    expect(observations).toHaveLength(16);
    observer.acknowledge(batch);
    expect(sizes.openAddresses).toBe(0);
  });
  it("holds no client for ever, and tells a new agent what the old one did not take", async () => {
    const observer = new DnsObserver();
    const first = agentOf(observer);
    const waiting = observer.observe(FIRST);
    await first.next();
    await waiting; // by its time
    over.abort();
    const second = agentOf(observer);
    const later = observer.observe({ ...FIRST, name: "b.example." });
    const { batch, observations } = await second.next();
    expect(observations.map(({ name }) => name)).toEqual(["a.example.", "b.example."]);
    observer.acknowledge(batch);
    expect(await isSettled(later)).toBe(true);
  });
});
