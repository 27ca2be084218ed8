import { createSocket } from "node:dgram";
import { type AddressInfo, connect, createServer } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { dnsQuestion } from "../../test/support/dns-message.ts";
import { loopbackDatagrams, SERVER } from "../../test/support/loopback-datagrams.ts";
import { loopbackSockets } from "../../test/support/loopback-proxy.ts";
import type { AccessRecord } from "../model/access-record.ts";
import type { DnsObservation } from "../model/dns-observation.ts";
import type { ProxyOrigin } from "../model/proxy-origin.ts";
import type { L7PeerRules } from "../policy/policy-map.ts";
import { DnsClass, DnsCode, type DnsMessage, DnsType, decodeDns } from "../wire/dns.ts";
import { encodeDns } from "../wire/dns-encode.ts";
import { nameText } from "../wire/dns-name.ts";
import { DnsStreamReader, dnsFrame } from "../wire/dns-stream.ts";
import { DnsListener } from "./dns-listener.ts";
import { DnsPolicy } from "./dns-policy.ts";

const COREDNS = 104;
const ORIGIN: ProxyOrigin = { sourceIdentity: 1001, destinationIdentity: COREDNS, endpoint: 7, direction: "egress" };

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0).reverse()) close();
});

function query(name: string, id = 4711, type: number = DnsType.A): Uint8Array {
  return encodeDns(dnsQuestion(name, type, { id }));
}

/** A server that knows every name, and keeps what it was asked. */
function answerTo(bytes: Uint8Array, asked: string[], addresses: readonly string[]): Uint8Array {
  const question = decodeDns(bytes)!;
  const { name } = question.questions[0]!;
  asked.push(nameText(name));
  const answers = addresses.map((address) => ({
    name,
    class: DnsClass.IN,
    ttl: 30,
    data: { type: "A" as const, address },
  }));
  return encodeDns({ ...question, response: true, answers });
}

function policy(protocol: number, ...rules: readonly Partial<L7PeerRules>[]): DnsPolicy {
  return new DnsPolicy({
    key: `egress:${protocol === 6 ? "TCP" : "UDP"}:53:dns`,
    direction: "egress",
    protocol,
    port: 53,
    parser: "dns",
    rules: rules.map((rule) => ({ deny: false, origin: 0, precedence: 0, ...rule })),
  });
}

async function start(protocol: 6 | 17, rules: DnsPolicy, addresses: readonly string[] = ["192.0.2.1"]) {
  const asked: string[] = [];
  const records: AccessRecord[] = [];
  const observed: DnsObservation[] = [];
  const udp = createSocket("udp4");
  udp.on("message", (bytes, { port, address }) => udp.send(answerTo(bytes, asked, addresses), port, address));
  await new Promise<void>((resolve) => udp.bind(0, "127.0.0.1", resolve));
  const tcp = createServer((socket) => {
    const reader = new DnsStreamReader();
    socket.on("data", (chunk) => {
      for (const message of reader.push(chunk)) socket.write(dnsFrame(answerTo(message, asked, addresses)));
    });
  });
  await new Promise<void>((resolve) => tcp.listen(0, "127.0.0.1", resolve));
  const sockets = loopbackSockets(() => (tcp.address() as AddressInfo).port);
  const datagrams = loopbackDatagrams(() => udp.address().port);
  const world = {
    asked,
    records,
    observed,
    origin: ORIGIN as ProxyOrigin | undefined,
    inForce: Promise.resolve(),
    port: 0,
    listener: undefined as unknown as DnsListener,
  };
  world.listener = new DnsListener(7, rules, 10_000, {
    sockets,
    datagrams,
    origins: { lookup: () => world.origin, follow: () => () => world.origin },
    observe: (observation) => {
      observed.push(observation);
      return world.inForce;
    },
    record: (record) => records.push(record),
    now: () => 1000,
    connectTimeoutMs: 500,
  });
  await world.listener.open();
  world.port = protocol === 6 ? sockets.port(10_000) : await datagrams.port(10_000);
  closing.push(() => {
    world.listener.retire();
    udp.close();
    tcp.close();
  });
  return world;
}

/** Sends the messages from one socket and resolves with as many answers. */
function askUdp(port: number, ...messages: readonly Uint8Array[]): Promise<DnsMessage[]> {
  const socket = createSocket("udp4");
  closing.push(() => socket.close());
  return new Promise((resolve) => {
    const answers: DnsMessage[] = [];
    socket.on("message", (bytes) => {
      answers.push(decodeDns(bytes)!);
      if (answers.length === messages.length) resolve(answers);
    });
    for (const message of messages) socket.send(message, port, "127.0.0.1");
  });
}

function askTcp(port: number, bytes: Uint8Array, count: number): Promise<DnsMessage[]> {
  const socket = connect(port, "127.0.0.1", () => {
    for (const byte of bytes) socket.write(Uint8Array.of(byte));
  });
  closing.push(() => socket.destroy());
  const reader = new DnsStreamReader();
  return new Promise((resolve) => {
    const answers: DnsMessage[] = [];
    socket.on("data", (chunk) => {
      answers.push(...reader.push(chunk).map((message) => decodeDns(message)!));
      if (answers.length === count) resolve(answers);
    });
  });
}

const ONLY_STARWARS = { identities: [COREDNS], dns: [{ matchPattern: "*.starwars.com" }] };

describe("DNS over UDP", () => {
  it("lets an allowed name through under its own ID, and tells of its addresses first", async () => {
    const world = await start(17, policy(17, ONLY_STARWARS));
    const [answer] = await askUdp(world.port, query("Jobs.StarWars.com"));
    expect(answer).toMatchObject({ id: 4711, code: 0, answers: [{ data: { address: "192.0.2.1" } }] });
    expect(world.observed).toEqual([
      { endpointId: 7, name: "jobs.starwars.com.", addresses: ["192.0.2.1"], ttlSeconds: 30, timeMs: 1000 },
    ]);
    expect(world.records).toMatchObject([
      { type: "request", verdict: "forwarded", destinationAddress: SERVER.serverAddress, destinationPort: 53 },
      { type: "response", verdict: "forwarded", dns: { query: "jobs.starwars.com.", ttl: 30, types: [1] } },
    ]);
  });
  it("holds answers until the addresses are in force", async () => {
    const world = await start(17, policy(17, ONLY_STARWARS));
    let release = () => {};
    world.inForce = new Promise((resolve) => {
      release = resolve;
    });
    let answered = false;
    const answers = askUdp(world.port, query("a.starwars.com", 1), query("b.starwars.com", 2));
    void answers.then(() => {
      answered = true;
    });
    while (world.observed.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(answered).toBe(false);
    release();
    const said = (await answers).map(({ id, questions }) => `${id} ${nameText(questions[0]!.name)}`);
    expect(said.sort()).toEqual(["1 a.starwars.com", "2 b.starwars.com"]);
  });
  it("refuses a forbidden name itself", async () => {
    const world = await start(17, policy(17, ONLY_STARWARS));
    const [answer] = await askUdp(world.port, query("example.com", 9));
    expect(answer).toMatchObject({ id: 9, response: true, code: DnsCode.Refused, answers: [] });
    expect(world.asked).toEqual([]);
    expect(world.records).toMatchObject([{ type: "request", verdict: "denied", reason: "no rule matched" }]);
  });
  it("keeps equal IDs of two questions apart", async () => {
    const world = await start(17, policy(17, { dns: undefined as never }));
    const answers = await askUdp(world.port, query("a.example", 5), query("b.example", 5));
    expect(answers.map(({ questions }) => nameText(questions[0]!.name)).sort()).toEqual(["a.example", "b.example"]);
    expect(answers.map(({ id }) => id)).toEqual([5, 5]);
  });
  it("judges by the policy of the moment and by who the server is", async () => {
    const world = await start(17, policy(17, { identities: [1], dns: [{ matchPattern: "*" }] }));
    expect((await askUdp(world.port, query("a.starwars.com")))[0]?.code).toBe(DnsCode.Refused);
    world.listener.replace(policy(17, { identities: [COREDNS], deny: true }, ONLY_STARWARS));
    expect((await askUdp(world.port, query("a.starwars.com")))[0]?.code).toBe(DnsCode.Refused);
    world.listener.replace(policy(17, ONLY_STARWARS));
    expect((await askUdp(world.port, query("a.starwars.com")))[0]?.code).toBe(DnsCode.NoError);
    expect(world.asked).toEqual(["a.starwars.com"]);
  });
  it("answers what has no single meaning with FORMERR, and says nothing to strangers", async () => {
    const world = await start(17, policy(17, ONLY_STARWARS));
    const two = query("a.starwars.com").slice();
    two[5] = 2;
    expect((await askUdp(world.port, two))[0]?.code).toBe(DnsCode.FormErr);
    world.origin = undefined;
    const silent = askUdp(world.port, query("a.starwars.com")).then(() => "answered");
    world.origin = undefined;
    const waited = new Promise((resolve) => setTimeout(() => resolve("silence"), 50));
    expect(await Promise.race([silent, waited])).toBe("silence");
    expect(world.asked).toEqual([]);
  });
  it("cuts an answer that fits no packet, so that the client asks over TCP", async () => {
    const many = Array.from({ length: 120 }, (_, index) => `192.0.2.${index}`);
    const world = await start(17, policy(17, ONLY_STARWARS), many);
    const [answer] = await askUdp(world.port, query("a.starwars.com"));
    expect(answer).toMatchObject({ id: 4711, truncated: true, answers: [] });
    expect(world.observed[0]?.addresses).toHaveLength(120);
  });
});

describe("DNS over TCP", () => {
  it("judges each question of a connection, split anywhere", async () => {
    const world = await start(6, policy(6, ONLY_STARWARS));
    const messages = [query("a.starwars.com", 1), query("evil.example", 2), query("b.starwars.com", 3)];
    const answers = await askTcp(world.port, Buffer.concat(messages.map(dnsFrame)), 3);
    const codes = new Map(answers.map(({ id, code }) => [id, code]));
    expect([1, 2, 3].map((id) => codes.get(id))).toEqual([DnsCode.NoError, DnsCode.Refused, DnsCode.NoError]);
    expect([...world.asked].sort()).toEqual(["a.starwars.com", "b.starwars.com"]);
  });
  it("resets a connection of unknown origin", async () => {
    const world = await start(6, policy(6, ONLY_STARWARS));
    world.origin = { ...ORIGIN, endpoint: 8 };
    const socket = connect(world.port, "127.0.0.1");
    const code = await new Promise((resolve) =>
      socket.on("error", (error) => resolve((error as { code?: string }).code)),
    );
    expect(code).toBe("ECONNRESET");
  });
});
