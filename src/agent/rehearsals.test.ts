import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AgentWorld } from "../../test/support/agent-world.ts";
import { craftEvent, ipv4Packet, tcpHeader } from "../../test/support/craft-event.ts";
import type { ConnectionRow } from "../datapath/port.ts";

let world: AgentWorld;
beforeEach(async () => {
  world = new AgentWorld();
  await world.startSynced();
});
afterEach(() => world.end());

const policy = (spec: object) => ({
  apiVersion: "cilium.io/v2",
  kind: "CiliumNetworkPolicy",
  metadata: { name: "candidate", namespace: "default" },
  spec,
});
const http = (port: string, endPort?: number) => ({
  toPorts: [{ ports: [{ port, protocol: "TCP", ...(endPort && { endPort }) }], rules: { http: [{ method: "GET" }] } }],
});
const WEB = policy({ endpointSelector: { matchLabels: { app: "web" } }, ingress: [http("80")] });

interface Held {
  readonly response: IncomingMessage;
  /** The next line. */
  next(): Promise<unknown>;
}

/** Rehearses as the command does. */
async function hold(...policies: readonly unknown[]): Promise<Held> {
  const sent = request({ socketPath: world.socketPath, method: "POST", path: "/v1/rehearsal", agent: false });
  sent.on("error", () => undefined);
  sent.end(JSON.stringify({ policies }));
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  response.on("error", () => undefined);
  const lines = createInterface({ input: response });
  lines.on("error", () => undefined);
  const iterator = lines[Symbol.asyncIterator]();
  return { response, next: async () => JSON.parse((await iterator.next()).value as string) };
}

const idOf = async (pod: string) => (await world.endpoints()).find(({ podName }) => podName === pod)!.id;
const watched = () => world.datapath.watched.map(({ endpoint, direction, port }) => `${endpoint} ${direction} ${port}`);

async function until(probe: () => boolean): Promise<void> {
  for (let turns = 0; turns < 500 && !probe(); turns++) await new Promise((resolve) => setTimeout(resolve, 2));
}

describe("a rehearsal", () => {
  it("looks at the ports whose requests the candidate judges, of the endpoints that it is about, and no longer than its client stays", async () => {
    await world.runPod("web", { app: "web" });
    await world.runPod("other", { app: "other" });
    const before = world.datapath.dumpPolicy(await idOf("web"));
    const held = await hold(WEB);
    expect(await held.next()).toEqual({ watched: 1 });
    expect(watched()).toEqual([`${await idOf("web")} ingress 80`]);
    expect(world.log).toContain("a rehearsal of 1 policies looks at 1 ports of endpoints");
    expect(world.datapath.dumpPolicy(await idOf("web"))).toEqual(before);
    held.response.destroy();
    await until(() => watched().length === 0);
    expect(watched()).toEqual([]);
    expect(world.log.at(-1)).toBe("the rehearsal is over: nothing is looked at any more");
  });

  it("looks at the ports whose clients' TLS names the candidate judges", async () => {
    await world.runPod("web", { app: "web" });
    const names = { toPorts: [{ ports: [{ port: "443", protocol: "TCP" }], serverNames: ["a.example"] }] };
    const held = await hold(policy({ endpointSelector: {}, egress: [names], ingress: [names] }));
    const id = await idOf("web");
    expect(watched().sort()).toEqual([`${id} egress 443`, `${id} ingress 443`]);
    held.response.destroy();
  });

  it("follows endpoints that come and go", async () => {
    const held = await hold(WEB);
    expect(await held.next()).toEqual({ watched: 0 });
    const pod = await world.runPod("web", { app: "web" });
    expect(await held.next()).toEqual({ watched: 1 });
    await world.removePod(pod);
    expect(await held.next()).toEqual({ watched: 0 });
    held.response.destroy();
  });

  it("is told of the connections that stand, of those whom the candidate is about", async () => {
    const { address } = await world.runPod("web", { app: "web" });
    const other = await world.runPod("other", { app: "other" });
    const base = { protocol: 6, expires: 0, expiresIn: 100, flags: 0, forwardFlags: 0x12, replyFlags: 0x10 };
    const told = { forwardReported: 0, replyReported: 0, sourceIdentity: 2, translatedAddress: "", translatedPort: 0 };
    const to = (destination: string, more: Partial<ConnectionRow> = {}): ConnectionRow => ({
      ...{ ...base, ...told, scope: "ingress", source: "192.0.2.1", sourcePort: 4000 },
      ...{ destination, destinationPort: 5432, ...more },
    });
    world.datapath.standing = [
      to(address),
      to(address, { forwardFlags: 0x13 }),
      to(address, { expiresIn: -1 }),
      to(address, { scope: "service" }),
      to(other.address),
    ];
    const held = await hold(WEB);
    expect(await held.next()).toEqual({ watched: 1 });
    expect(await held.next()).toMatchObject({
      connection: {
        flow: {
          ...{ verdict: "FORWARDED", is_reply: false, traffic_direction: "INGRESS", trace_reason: "ESTABLISHED" },
          ...{ IP: { source: "192.0.2.1", destination: address }, l4: { TCP: { destination_port: 5432 } } },
          ...{ source: { labels: ["reserved:world"] }, destination: { pod_name: "web" } },
        },
      },
    });
    await world.removePod(other);
    const pod = await world.runPod("web2", { app: "web" });
    expect(await held.next()).toEqual({ watched: 2 });
    await world.removePod(pod);
    held.response.destroy();
  });

  it("is told once of each two between whom something could not be read, as of a flow that nobody can judge; later ones too", async () => {
    await world.runPod("web", { app: "web" });
    const id = await idOf("web");
    const send = (payload: string, sourcePort: number) => {
      const packet = ipv4Packet(6, [...tcpHeader({ flags: 0x18, sourcePort }), ...Buffer.from(payload)]);
      const event = craftEvent({ type: 3, direction: 1, endpoint: id, place: packet.length, packet });
      new DataView(event.buffer).setUint32(24, packet.length, true);
      world.datapath.emit(event);
    };
    const held = await hold(WEB);
    expect(await held.next()).toEqual({ watched: 1 });
    for (const port of [1, 2, 3, 4]) send("\x17\x03\x03\x00\x10", port);
    send("GET / HTTP/1.1\r\nHost: d\r\n\r\n", 5);
    const flow = { verdict: "FORWARDED", Type: "L7", l7: { type: "REQUEST" }, traffic_direction: "INGRESS" };
    const connection = { flow: { ...flow, l4: { TCP: { destination_port: 80 } } } };
    expect(await held.next()).toMatchObject({ connection });
    for (const before of [1, 2, 4]) expect(await held.next()).toEqual({ unread: { before } });
    const later = await hold(WEB);
    expect([await later.next(), await later.next()]).toMatchObject([{ watched: 1 }, { connection }]);
    for (const each of [held, later]) each.response.destroy();
  });

  it("stands beside another one", async () => {
    await world.runPod("web", { app: "web" });
    const id = await idOf("web");
    const [first, second] = [
      await hold(WEB),
      await hold(policy({ endpointSelector: {}, egress: [{ ...http("8080", 8082), toEntities: ["all"] }] })),
    ];
    expect(watched().sort()).toEqual(
      [8080, 8081, 8082].map((port) => `${id} egress ${port}`).concat(`${id} ingress 80`),
    );
    first.response.destroy();
    await until(() => watched().length === 3);
    expect(watched().sort()).toEqual([8080, 8081, 8082].map((port) => `${id} egress ${port}`));
    second.response.destroy();
  });

  it("of what is no policy, or of too many ports, is refused, and leaves nothing", async () => {
    await world.runPod("web", { app: "web" });
    const call = (body: unknown) => world.call("POST", "/v1/rehearsal", body);
    expect(await call({ policies: [policy({ endpointSelector: 5 })] })).toMatchObject({ status: 400 });
    expect(await call({})).toEqual({ status: 400, body: "the body must be a JSON object with a list `policies`" });
    const wide = policy({ endpointSelector: {}, ingress: [http("1", 20_000)] });
    expect(await call({ policies: [wide] })).toEqual({
      status: 400,
      body: "rules for requests at more than 16384 ports of endpoints",
    });
    expect(watched()).toEqual([]);
  });

  it("ends without harm where another one has too many ports by now", async () => {
    await world.runPod("web", { app: "web" });
    const wide = policy({ endpointSelector: { matchLabels: { app: "web" } }, ingress: [http("1000", 9999)] });
    const [one, other] = [await hold(WEB), await hold(wide)];
    expect([await one.next(), await other.next()]).toEqual([{ watched: 1 }, { watched: 9001 }]);
    await world.runPod("web2", { app: "web" });
    const isRefused = (line: string) => line.includes("at more than 16384 ports of endpoints");
    await until(() => world.log.some(isRefused));
    one.response.destroy();
    await once(one.response, "close");
    // the agent hears of it before it answers what is asked later
    for (let calls = 0; calls < 3; calls++) await world.call("GET", "/v1/healthz");
    expect([isRefused(world.log.at(-1)!), watched().length]).toEqual([true, 9001]);
    other.response.destroy();
    await until(() => watched().length === 0);
    expect(watched()).toEqual([]);
  });

  it("is over when the agent starts anew", async () => {
    await world.runPod("web", { app: "web" });
    await hold(WEB);
    expect(watched()).toHaveLength(1);
    await world.stop();
    expect(watched()).toHaveLength(1);
    await world.startSynced();
    expect(watched()).toEqual([]);
  });
});
