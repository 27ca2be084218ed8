import { appendFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AgentWorld } from "../../test/support/agent-world.ts";
import type { ConnectionRow } from "../datapath/port.ts";
import type { KubeObject } from "../kube/object.ts";
import { CiliumNetworkPolicies } from "../kube/resources.ts";
import { connectionRound } from "./connection-rounds.ts";
import { FqdnNames } from "./fqdn-names.ts";
import { AgentMetrics } from "./metrics/agent-metrics.ts";

const TCP = 6;
const ADDRESS = "198.18.0.7";

let world: AgentWorld;
let endpoint: number;

/** What the client may reach of the address by names' policies: the ports, and whether the kernel says so. */
function portsTowards(address: string): readonly number[] {
  const identity = world.datapath.listIpcache().get(`${address}/32`)?.identity;
  if (identity === undefined) return [];
  return world.datapath
    .dumpPolicy(endpoint)
    .filter((row) => row.direction === "egress" && row.identity === identity && row.protocol === TCP && !row.deny)
    .map(({ port }) => port);
}

function observe(name: string, addresses: readonly string[], ttlSeconds = 30): void {
  world.proxy.observe([{ endpointId: endpoint, name, addresses, ttlSeconds, timeMs: world.nowMs }]);
}

function policy(...toFQDNs: readonly object[]): KubeObject {
  return {
    apiVersion: "cilium.io/v2",
    kind: "CiliumNetworkPolicy",
    metadata: { name: "names", namespace: "default" },
    spec: {
      endpointSelector: { matchLabels: { app: "client" } },
      egress: [{ toFQDNs, toPorts: [{ ports: [{ port: "80", protocol: "TCP" }] }] }],
    },
  };
}

async function addClient(): Promise<void> {
  const pod = world.putPod("client", { app: "client" });
  const { body } = await world.put(await world.prepare(pod));
  endpoint = (body as { id: number }).id;
}

beforeEach(async () => {
  world = new AgentWorld();
  await world.startSynced();
  world.kube.put(CiliumNetworkPolicies, policy({ matchName: "jobs.example" }, { matchPattern: "*.cdn.example" }));
  await addClient();
});
afterEach(async () => {
  await world.end();
});

describe("names", () => {
  it("open what an answer names before the listener returns, and nothing else", () => {
    observe("jobs.example.", [ADDRESS]);
    expect(portsTowards(ADDRESS)).toEqual([80]);
    observe("other.example.", ["198.18.0.8"]);
    expect(world.datapath.listIpcache().get("198.18.0.8/32")).toBeUndefined();
    observe("a.cdn.example.", ["198.18.0.9", ADDRESS]);
    expect(portsTowards("198.18.0.9")).toEqual([80]);
    expect(portsTowards(ADDRESS)).toEqual([80]);
  });
  it("count for policies that come later, and no longer when the policy goes", async () => {
    observe("late.example.", [ADDRESS]);
    world.kube.replace(CiliumNetworkPolicies, policy({ matchPattern: "late.*" }));
    await new Promise((resolve) => setImmediate(resolve));
    expect(portsTowards(ADDRESS)).toEqual([80]);
    world.kube.replace(CiliumNetworkPolicies, policy({ matchName: "jobs.example" }));
    await new Promise((resolve) => setImmediate(resolve));
    expect(world.datapath.listIpcache().get(`${ADDRESS}/32`)).toBeUndefined();
  });
  it("never speak for a pod of the cluster", () => {
    const own = world.datapath.listEndpoints()[0]!;
    observe("jobs.example.", [own.address]);
    expect(world.datapath.listIpcache().get(`${own.address}/32`)?.identity).toBe(own.identity);
  });
  it("are shown by the API, and forgotten by it", async () => {
    observe("jobs.example.", [ADDRESS]);
    observe("a.cdn.example.", ["198.18.0.9"]);
    const listed = await world.call("GET", "/v1/fqdn/cache?matchpattern=jobs.*");
    expect(listed.body).toMatchObject([{ fqdn: "jobs.example.", ips: [ADDRESS], ttl: 30, source: "lookup" }]);
    expect(await world.call("DELETE", "/v1/fqdn/cache?matchpattern=*.cdn.example")).toMatchObject({
      status: 200,
      body: { forgotten: 1 },
    });
    expect(portsTowards("198.18.0.9")).toEqual([]);
    expect(portsTowards(ADDRESS)).toEqual([80]);
    // the proxy took them for known
    expect(world.proxy.forgotten).toBe(1);
    await world.call("DELETE", "/v1/fqdn/cache?matchpattern=*.cdn.example");
    expect(world.proxy.forgotten).toBe(1);
    expect((await world.call("GET", "/v1/fqdn/cache?matchpattern=a_%C3%A4")).status).toBe(400);
    expect((await world.call("GET", "/v1/fqdn/cache?source=both")).status).toBe(400);
    expect((await world.call("GET", "/v1/fqdn/cache/x")).status).toBe(400);
  });
});

describe("after a restart", () => {
  const lookUp = async () => (await world.call("GET", "/v1/fqdn/cache")).body;

  it("names are in force as before, whether the agent ended or was killed", async () => {
    observe("jobs.example.", [ADDRESS]);
    const { identity } = world.datapath.listIpcache().get(`${ADDRESS}/32`)!;
    await world.stop();
    await world.startSynced();
    expect(portsTowards(ADDRESS)).toEqual([80]);
    expect(world.datapath.listIpcache().get(`${ADDRESS}/32`)?.identity).toBe(identity);
    // A kill leaves what was added, and half a line.
    const line = {
      endpointId: endpoint,
      name: "jobs.example.",
      addresses: ["198.18.0.8"],
      ttlSeconds: 5,
      timeMs: world.nowMs,
    };
    await world.stop();
    appendFileSync(join(world.directory, "state", "fqdn-cache.added"), `${JSON.stringify(line)}\n{"endpointId":`);
    await world.startSynced();
    expect(portsTowards("198.18.0.8")).toEqual([80]);
  });
  it("rubbish in the file is told and costs the names alone", async () => {
    observe("jobs.example.", [ADDRESS]);
    await world.stop();
    writeFileSync(join(world.directory, "state", "fqdn-cache.json"), "{");
    await world.startSynced();
    expect(world.log.join("\n")).toContain("names of an earlier agent");
    expect(await lookUp()).toEqual([]);
    expect(portsTowards(ADDRESS)).toEqual([]);
  });
});

/** A datapath with these connections, and names over it. */
function namesWith(connections: readonly Partial<ConnectionRow>[]) {
  const limits: { minTtl?: number; maxAddressesPerName?: number } = {};
  const kept = new Map<string, string>();
  const log: string[] = [];
  const time = { nowMs: 1_000_000 };
  const names = new FqdnNames({
    files: {
      whole: () => kept.get("whole"),
      added: () => [],
      add: () => undefined,
      replace: (text) => void kept.set("whole", text),
    },
    isEndpoint: (id) => id === 7,
    endpointAt: (address) => (address === "172.20.1.5" ? 7 : undefined),
    now: () => time.nowMs,
    log: (line) => log.push(line),
    limits: () => limits,
  });
  const relabeled: string[] = [];
  names.onRelabeled((addresses) => relabeled.push(...addresses));
  names.setSelectors([{ kind: "fqdn", matchName: "a.example", text: "a" }]);
  const datapath = { collectConnections: () => [], connections: () => connections as readonly ConnectionRow[] };
  const round = () =>
    connectionRound({ datapath, names, metrics: new AgentMetrics(), now: () => time.nowMs, log: () => undefined });
  return { names, relabeled, time, round, log, limits };
}

describe("an address whose time is over", () => {
  const CONNECTION = { scope: "egress", source: "172.20.1.5", destination: ADDRESS } as const;

  it.each([
    ["stays while a connection to it lives", [CONNECTION], 1],
    ["goes when nobody uses it", [], 0],
    ["goes when only others use it", [{ ...CONNECTION, source: "172.20.1.6" }], 0],
  ])("%s", (_, connections, count) => {
    const { names, time, round } = namesWith(connections);
    const observation = { endpointId: 7, name: "a.example.", addresses: [ADDRESS], ttlSeconds: 1 };
    names.learn([{ ...observation, timeMs: time.nowMs }]);
    for (let step = 0; step < 6; step++) {
      time.nowMs += 30_000;
      round();
      names.collect();
    }
    expect(names.labelsOf(ADDRESS)).toHaveLength(count);
    expect(names.namesOf(7, ADDRESS)).toEqual(count === 1 ? ["a.example"] : []);
  });
  it("has the least time and the number that the settings of the moment say", () => {
    const { names, time, round, limits } = namesWith([]);
    let forgotten = 0;
    names.onForgotten(() => forgotten++);
    const learn = (name: string, ...addresses: string[]) =>
      names.learn([{ endpointId: 7, name, addresses, ttlSeconds: 1, timeMs: time.nowMs }]);
    learn("short.example.", ADDRESS);
    for (let step = 0; step < 3; step++) {
      time.nowMs += 30_000;
      round();
      names.collect();
    }
    // its time was over, for whoever told of it too
    expect([names.list({ pattern: "short.example" }), forgotten]).toEqual([[], 0]);
    learn("short.example.", ADDRESS);
    limits.minTtl = 3600;
    learn("a.example.", ADDRESS);
    learn("many.example.", "198.18.0.8", "198.18.0.9");
    limits.maxAddressesPerName = 1;
    learn("many.example.", "198.18.0.8", "198.18.0.9", "198.18.0.10");
    for (let step = 0; step < 6; step++) {
      time.nowMs += 30_000;
      round();
      names.collect();
    }
    const kept = (pattern: string) => names.list({ pattern }).flatMap((each) => each.ips ?? []);
    // of three one is in force, and as many wait for their time to run out
    expect(forgotten).toBeGreaterThan(0);
    expect([kept("short.example"), kept("a.example"), kept("many.example").length]).toEqual([[], [ADDRESS], 2]);
  });
  it("is not learned for an endpoint that is gone", () => {
    const { names, time } = namesWith([]);
    names.learn([{ endpointId: 8, name: "a.example.", addresses: [ADDRESS], ttlSeconds: 60, timeMs: time.nowMs }]);
    expect(names.labelsOf(ADDRESS)).toEqual([]);
    expect(names.list({ pattern: "*" })).toEqual([]);
  });
  it("is told when an endpoint can learn nothing more, once", () => {
    const { names, time, log } = namesWith([]);
    const observed = (first: number) => ({
      endpointId: 7,
      name: `n${first}.example.`,
      addresses: Array.from({ length: 1000 }, (_, index) => `10.${first}.${index >> 8}.${index & 255}`),
      ttlSeconds: 60,
      timeMs: time.nowMs,
    });
    for (let first = 0; first < 52; first++) names.learn([observed(first)]);
    expect(log).toEqual([expect.stringContaining("endpoint 7 knows as many addresses as it may")]);
  });
  it("goes with its endpoint", () => {
    const { names, relabeled, time } = namesWith([]);
    names.learn([{ endpointId: 7, name: "a.example.", addresses: [ADDRESS], ttlSeconds: 60, timeMs: time.nowMs }]);
    names.keepOnly((id) => id !== 7);
    expect(relabeled).toEqual([ADDRESS, ADDRESS]);
    expect(names.labelsOf(ADDRESS)).toEqual([]);
  });
});
