import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  allow,
  allowNames,
  converse,
  ENDPOINT,
  namesPolicyOf,
  policyOf,
  redirect,
  startLoopbackProxy,
} from "../../test/support/loopback-proxy.ts";
import type { AccessRecord } from "../model/access-record.ts";
import { AccessLog } from "./access-log.ts";
import { DnsObserver } from "./dns-observer.ts";
import type { ListenerTable } from "./listeners.ts";
import { PolicyRefused } from "./listeners.ts";
import { AgentChannel } from "./xds-client.ts";
import { createPolicyDiscovery, type PolicyDiscovery } from "./xds-server.ts";
import { fromWire, toWire } from "./xds-wire.ts";

const HEADER_MATCHES = [
  { name: "a", value: "1" },
  ...(["LOG", "ADD", "DELETE", "REPLACE"] as const).map((mismatch) => ({ name: "b", secret: "n/s", mismatch })),
];
const POLICY = {
  ...policyOf(
    allow([
      { method: "POST", path: "/v1/request-landing", headers: ["X-Token: a"] },
      { host: "h", headerMatches: HEADER_MATCHES },
    ]),
    { identities: [], deny: true, precedence: 4_294_967_295, origin: 3 },
  ),
  secrets: new Map([["n/s", "\xff\x00\n"]]),
};

let directory: string;
const closing: (() => Promise<unknown>)[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "sgt-f-"));
});
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
  rmSync(directory, { recursive: true });
});

const socketPath = () => join(directory, "xds.sock");

async function agent(onAccessRecord: (record: AccessRecord) => void = () => undefined): Promise<PolicyDiscovery> {
  const discovery = await createPolicyDiscovery({ socketPath: socketPath(), onAccessRecord });
  closing.push(() => discovery.close());
  return discovery;
}

/** A table that keeps what it was told instead of opening ports. */
class Table {
  readonly applied: unknown[] = [];
  readonly listeners = new Map<string, { endpointId: number; key: string; port: number; connections: number }>();
  refuse: ((port: number) => Error | undefined) | undefined;

  async apply(policy: typeof POLICY, ports: ReadonlyMap<string, number>): Promise<void> {
    for (const port of ports.values()) {
      const error = this.refuse?.(port);
      if (error !== undefined) throw error;
    }
    this.applied.push(policy);
    for (const [key, port] of ports) {
      this.listeners.set(`${policy.endpointId}/${key}`, { endpointId: policy.endpointId, key, port, connections: 0 });
    }
  }

  remove(endpointId: number): void {
    for (const [name, listener] of this.listeners) if (listener.endpointId === endpointId) this.listeners.delete(name);
  }

  list() {
    return [...this.listeners.values()];
  }
}

/** Lines of proxies' logs. */
const logged: string[] = [];
/** What proxies were told of DNS, in order. */
const dnsSettings: unknown[] = [];

function proxy(table: Table | ListenerTable, accessLog = new AccessLog(), observer = new DnsObserver()): AgentChannel {
  const channel = new AgentChannel({
    socketPath: socketPath(),
    node: { id: "n", cluster: "c" },
    table: table as ListenerTable,
    accessLog,
    observer,
    setDnsSettings: (settings) => dnsSettings.push([settings.rejectCode, settings.maxDelayMs]),
    log: (line) => logged.push(line),
  });
  closing.push(() => channel.close());
  return channel;
}

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition(); tries++) {
    if (tries > 3000) throw new Error("it did not come true in 30 s");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

test("a policy waits for a proxy, arrives as it was, and resolves with its ports", async () => {
  const discovery = await agent();
  const published = discovery.publish(POLICY);
  expect(discovery.connected).toBe(false);
  const table = new Table();
  proxy(table);
  const ports = await published;
  expect([...ports.keys()]).toEqual(["ingress:TCP:80"]);
  expect(ports.get("ingress:TCP:80")).toBe(10000);
  expect(table.applied).toEqual([POLICY]);
  expect(discovery.connected).toBe(true);
});

test("a proxy that starts first finds the agent when it comes, and a restarted one gets the same ports", async () => {
  const first = proxy(new Table());
  const discovery = await agent();
  const ports = await discovery.publish(POLICY);
  await discovery.publish({ ...POLICY, endpointId: 872 });
  await first.close();
  await until(() => !discovery.connected);
  const table = new Table();
  proxy(table);
  await until(() => table.listeners.size === 2);
  expect(table.listeners.get(`${ENDPOINT}/ingress:TCP:80`)?.port).toBe(ports.get("ingress:TCP:80"));
});

test("a restarted agent keeps the proxy's ports and policies, and takes away what it does not know", async () => {
  const table = new Table();
  const before = await agent();
  proxy(table);
  await before.publish({ ...POLICY, endpointId: 5 });
  const ports = await before.publish(POLICY);
  await before.close();
  expect(table.listeners.size).toBe(2);
  const after = await agent();
  await until(() => after.connected);
  expect(table.listeners.size).toBe(2);
  expect(await after.publish(POLICY)).toEqual(ports);
  after.removeUnpublished();
  await until(() => table.listeners.size === 1);
  expect([...table.listeners.keys()]).toEqual([`${ENDPOINT}/ingress:TCP:80`]);
});

test("a refused policy rejects with the reason, and others of the same version stand", async () => {
  const discovery = await agent();
  const broken = discovery.publish(policyOf(allow([{ path: "(" }])));
  const good = discovery.publish({ ...POLICY, endpointId: 5 });
  const loopback = await startLoopbackProxy(POLICY, () => undefined);
  closing.push(() => loopback.close());
  proxy(loopback.table);
  await expect(broken).rejects.toThrow(/refused the policy of endpoint 871: redirect ingress:TCP:80: /);
  expect((await good).size).toBe(1);
  expect(loopback.table.inForce().find(({ endpointId }) => endpointId === ENDPOINT)).toEqual(POLICY);
});

test("a port that somebody else has is given up for another", async () => {
  const discovery = await agent();
  const table = new Table();
  table.refuse = (port) => (port < 10002 ? new PolicyRefused("bind: EADDRINUSE", [port]) : undefined);
  proxy(table);
  logged.length = 0;
  expect((await discovery.publish(POLICY)).get("ingress:TCP:80")).toBe(10002);
  const waits = "policy of endpoint 871 waits for another port from the agent: bind: EADDRINUSE";
  expect(logged.filter((line) => line.startsWith("policy"))).toEqual([waits, waits]);
});

test("removing an endpoint reaches the proxy and rejects who waits", async () => {
  const discovery = await agent();
  const pending = discovery.publish(POLICY);
  discovery.remove(ENDPOINT);
  await expect(pending).rejects.toThrow("endpoint 871 was removed");
  const table = new Table();
  proxy(table);
  await discovery.publish(POLICY);
  discovery.remove(ENDPOINT);
  await until(() => table.listeners.size === 0);
});

test("the last of many quick publications is in force, and all resolve", async () => {
  const discovery = await agent();
  const table = new Table();
  proxy(table);
  await until(() => discovery.connected);
  const all = Array.from({ length: 50 }, (_, revision) => discovery.publish({ ...POLICY, revision }));
  await Promise.all(all);
  expect(table.applied.at(-1)).toEqual({ ...POLICY, revision: 49 });
  expect(table.applied.length).toBeLessThan(5);
});

test("records reach the agent, those made while it was away too", async () => {
  const records: AccessRecord[] = [];
  const accessLog = new AccessLog();
  const loopback = await startLoopbackProxy(POLICY, () => undefined);
  closing.push(() => loopback.close());
  await converse(loopback.dial(), ["PUT / HTTP/1.1\r\nHost: h\r\n\r\n"], (text) => text.endsWith("denied\r\n"));
  for (const record of loopback.records) accessLog.record(record);
  proxy(new Table(), accessLog);
  await agent((record) => records.push(record));
  await until(() => records.length === 2);
  expect(records).toEqual(loopback.records);
  accessLog.record(loopback.records[0]!);
  await until(() => records.length === 3);
});

test("records flow on after the agent failed to take one", async () => {
  const loopback = await startLoopbackProxy(POLICY, () => undefined);
  closing.push(() => loopback.close());
  await converse(loopback.dial(), ["PUT / HTTP/1.1\r\nHost: h\r\n\r\n"], (text) => text.endsWith("denied\r\n"));
  const accessLog = new AccessLog();
  const taken: AccessRecord[] = [];
  let failures = 0;
  const discovery = await agent((record) => {
    if (failures++ === 0) throw new Error("no room");
    taken.push(record);
  });
  proxy(new Table(), accessLog);
  await until(() => discovery.connected);
  accessLog.record(loopback.records[0]!);
  await until(() => failures >= 1);
  accessLog.record(loopback.records[1]!);
  await until(() => taken.length >= 1);
});

test("redirects of both directions and rules without peers or HTTP survive the wire", async () => {
  const discovery = await agent();
  const table = new Table();
  proxy(table);
  const policy = {
    ...POLICY,
    redirects: [
      redirect([
        { deny: false, precedence: 0, origin: 0 },
        { identities: [2], deny: false, precedence: 0, passTo: 2, origin: 8 },
        { identities: [1, 70000], http: [{}], deny: false, precedence: 0, origin: 9 },
      ]),
      { ...redirect([], "egress:TCP:80"), direction: "egress" as const },
      {
        ...redirect(
          [{ dns: [{ matchName: "a.b" }, { matchPattern: "*" }, {}], deny: false, origin: 0, precedence: 1 }],
          "egress:UDP:53:dns",
        ),
        direction: "egress" as const,
        protocol: 17,
        parser: "dns" as const,
      },
    ],
  };
  const ports = await discovery.publish(policy);
  expect(new Set(ports.values()).size).toBe(3);
  expect(table.applied).toEqual([policy]);
});

test("names of servers arrive as they were; no names at all are not the same as no rule about names", () => {
  const policy = namesPolicyOf(allowNames(["one.example", "*.two.example"]), allowNames([]), {
    ...allowNames([]),
    http: [],
  });
  const { policy: read } = fromWire(toWire(policy, new Map()));
  expect(read).toEqual(policy);
  expect("serverNames" in fromWire(toWire(POLICY, new Map())).policy.redirects[0]!.rules[0]!).toBe(false);
});

test("a parser that is not served is refused by name", () => {
  const [redirect] = POLICY.redirects;
  const crd = { ...POLICY, redirects: [{ ...redirect!, parser: "crd" as const }] };
  expect(() => fromWire(toWire(crd, new Map()))).toThrow('redirect ingress:TCP:80: parser "crd" is not served');
});

const observation = { endpointId: 7, name: "a.example.", addresses: ["192.0.2.1"], ttlSeconds: 30, timeMs: 1000.5 };

/** An agent that takes what it is told of DNS. */
async function learningAgent() {
  const taken: unknown[] = [];
  const discovery = await createPolicyDiscovery({
    socketPath: socketPath(),
    onAccessRecord: () => undefined,
    onObservations: (observations) => taken.push(...observations),
  });
  closing.push(() => discovery.close());
  return { taken, discovery };
}

test("what clients learn from DNS waits for the agent, and for the next one", async () => {
  const observer = new DnsObserver();
  proxy(new Table(), new AccessLog(), observer);
  await observer.observe(observation);
  const { taken } = await learningAgent();
  await until(() => taken.length === 1);
  expect(taken).toMatchObject([observation]);
});

test("what the agent forgets before its time is told to it again, and waited for", async () => {
  const observer = new DnsObserver();
  proxy(new Table(), new AccessLog(), observer);
  const { taken, discovery } = await learningAgent();
  await observer.observe(observation);
  expect(observer.observe(observation)).toBeUndefined();
  expect(taken).toHaveLength(1);
  discovery.namesForgotten();
  await until(() => observer.observe(observation) !== undefined);
  await until(() => taken.length === 2);
});

test("how DNS is answered is told to the proxy of the moment and to each that comes; an agent that does not know changes nothing", async () => {
  dnsSettings.length = 0;
  const discovery = await agent();
  const first = proxy(new Table());
  await until(() => first.connected);
  expect(dnsSettings).toEqual([]);
  discovery.setDnsSettings({ rejectCode: 3, maxDelayMs: 250 });
  await until(() => dnsSettings.length > 0);
  await first.close();
  const second = proxy(new Table());
  await until(() => second.connected && dnsSettings.length > 1);
  discovery.setDnsSettings({ rejectCode: 5, maxDelayMs: 0 });
  await until(() => dnsSettings.length > 2);
  expect(dnsSettings).toEqual([
    [3, 250],
    [3, 250],
    [5, 0],
  ]);
});
