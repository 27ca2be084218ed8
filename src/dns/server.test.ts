import { createSocket } from "node:dgram";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { dnsQuestion } from "../../test/support/dns-message.ts";
import { formatAddress } from "../model/cidr.ts";
import { type DnsMessage, type DnsRecord, DnsType, decodeDns } from "../wire/dns.ts";
import { encodeDns } from "../wire/dns-encode.ts";
import { nameText } from "../wire/dns-name.ts";
import { type DnsServer, startDnsServer } from "./server.ts";

const service = (name: string, namespace: string, spec: object) => ({ metadata: { name, namespace }, spec });
const DEATHSTAR = service("deathstar", "default", { clusterIP: "10.96.7.7", ports: [{ port: 80 }] });
const KUBE_DNS = service("kube-dns", "kube-system", {
  clusterIP: "10.96.0.10",
  ports: [
    { name: "dns", port: 53, protocol: "UDP" },
    { name: "dns-tcp", port: 53 },
  ],
});
const FLEET = service("fleet", "default", { clusterIP: "None", ports: [{ name: "http", port: 80 }] });
const PAIR = service("pair", "default", {
  clusterIP: "10.96.7.8",
  clusterIPs: ["10.96.7.8", "fd00:10:96::708"],
  ports: [{ name: "http", port: 80 }],
});
// a user may spell an address in more than one way
const SIX = service("six", "default", { clusterIP: "FD00:10:96:0::6", clusterIPs: ["FD00:10:96:0::6"] });
const CREW = service("crew", "default", {
  clusterIP: "None",
  clusterIPs: ["None"],
  ports: [{ name: "http", port: 80 }],
});
const MANY = service("many", "default", { clusterIP: "None" });

function slice(name: string, of: string, endpoints: readonly object[], extra: object = {}) {
  const labels = { "kubernetes.io/service-name": of };
  return {
    metadata: { name, namespace: "default", labels },
    addressType: "IPv4",
    endpoints,
    ports: [{ name: "http", port: 8080 }],
    ...extra,
  } as never;
}

let server: DnsServer;
beforeAll(async () => {
  server = await startDnsServer({ domain: "cluster.local", host: "127.0.0.1", port: 0, healthPort: 0, readyPort: 0 });
  for (const each of [DEATHSTAR, KUBE_DNS, FLEET, PAIR, SIX, CREW, MANY]) server.services.setService(each);
  server.services.setService(
    service("kubernetes", "default", { clusterIP: "10.96.0.1", ports: [{ name: "https", port: 443 }] }),
  );
  server.services.setService(service("away", "default", { type: "ExternalName", externalName: "example.org" }));
  const inside = (name: string, target: string) =>
    service(name, "default", { type: "ExternalName", externalName: `${target}.default.svc.cluster.local` });
  for (const [name, target] of [
    ["alias", "deathstar"],
    ["far", "alias"],
    ["ring", "ring"],
  ] as const)
    server.services.setService(inside(name, target));
  server.services.setEndpointSlice(
    slice("fleet-1", "fleet", [
      { addresses: ["172.20.1.4"], conditions: { ready: true }, hostname: "ship-0" },
      { addresses: ["172.20.2.4"], conditions: { ready: true } },
      { addresses: ["172.20.2.5"], conditions: { ready: false } },
    ]),
  );
  server.services.setEndpointSlice(slice("fleet-n", "fleet", [{ addresses: ["a.example"] }], { addressType: "FQDN" }));
  const hostname = "han";
  server.services.setEndpointSlice(
    slice("crew-4", "crew", [{ addresses: ["172.20.1.7"], hostname }, { addresses: ["172.20.1.8"] }]),
  );
  const sixes = [
    { addresses: ["fd00:172:20:1::7"], hostname },
    { addresses: ["fd00:172:20:1::8"] },
    { addresses: ["fd00:172:20:1::9"], conditions: { ready: false } },
  ];
  server.services.setEndpointSlice(slice("crew-6", "crew", sixes, { addressType: "IPv6" }));
  const addresses = Array.from({ length: 60 }, (_, index) => ({ addresses: [`172.20.1.${100 + index}`] }));
  server.services.setEndpointSlice(slice("many-1", "many", addresses));
});
afterAll(() => server.close());

function query(name: string, type: number, extra: Partial<DnsMessage> = {}): Uint8Array {
  return encodeDns(dnsQuestion(name, type, extra));
}

function askBytes(bytes: Uint8Array): Promise<DnsMessage> {
  const socket = createSocket("udp4");
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("no answer")), 4500);
    socket.on("message", (message) => {
      clearTimeout(timer);
      socket.close();
      resolve(decodeDns(message)!);
    });
    socket.send(bytes, server.port, "127.0.0.1");
  });
}

const ask = (name: string, type: number, extra?: Partial<DnsMessage>) => askBytes(query(name, type, extra));

function text({ name, data }: DnsRecord): string {
  if (data.type === "A") return `${nameText(name)} A ${data.address}`;
  if (data.type === "AAAA") return `${nameText(name)} AAAA ${formatAddress(data.address)}`;
  if (data.type === "SRV") return `${nameText(name)} SRV ${data.port} ${nameText(data.target)}`;
  if (data.type === "TXT") return `${nameText(name)} TXT ${data.texts.join(" ")}`;
  return "target" in data
    ? `${nameText(name)} ${data.type} ${nameText(data.target)}`
    : `${nameText(name)} ${data.type}`;
}

describe("names of the cluster", () => {
  test.each([
    ["deathstar.default.svc.cluster.local", "A", ["deathstar.default.svc.cluster.local A 10.96.7.7"]],
    ["DeathStar.Default.SVC.cluster.LOCAL.", "A", ["deathstar.default.svc.cluster.local A 10.96.7.7"]],
    ["kubernetes.default.svc.cluster.local", "A", ["kubernetes.default.svc.cluster.local A 10.96.0.1"]],
    ["ship-0.fleet.default.svc.cluster.local", "A", ["ship-0.fleet.default.svc.cluster.local A 172.20.1.4"]],
    ["172-20-2-4.fleet.default.svc.cluster.local", "A", ["172-20-2-4.fleet.default.svc.cluster.local A 172.20.2.4"]],
    ["172-20-1-9.default.pod.cluster.local", "A", ["172-20-1-9.default.pod.cluster.local A 172.20.1.9"]],
    ["away.default.svc.cluster.local", "A", ["away.default.svc.cluster.local CNAME example.org"]],
    [
      "far.default.svc.cluster.local",
      "A",
      [
        "far.default.svc.cluster.local CNAME alias.default.svc.cluster.local",
        "alias.default.svc.cluster.local CNAME deathstar.default.svc.cluster.local",
        "deathstar.default.svc.cluster.local A 10.96.7.7",
      ],
    ],
    ["far.default.svc.cluster.local", "CNAME", ["far.default.svc.cluster.local CNAME alias.default.svc.cluster.local"]],
    [
      "_dns._udp.kube-dns.kube-system.svc.cluster.local",
      "SRV",
      ["_dns._udp.kube-dns.kube-system.svc.cluster.local SRV 53 kube-dns.kube-system.svc.cluster.local"],
    ],
    ["10.0.96.10.in-addr.arpa", "PTR", ["10.0.96.10.in-addr.arpa PTR kube-dns.kube-system.svc.cluster.local"]],
    ["4.1.20.172.in-addr.arpa", "PTR", ["4.1.20.172.in-addr.arpa PTR ship-0.fleet.default.svc.cluster.local"]],
    ["pair.default.svc.cluster.local", "A", ["pair.default.svc.cluster.local A 10.96.7.8"]],
    ["pair.default.svc.cluster.local", "AAAA", ["pair.default.svc.cluster.local AAAA fd00:10:96::708"]],
    ["six.default.svc.cluster.local", "AAAA", ["six.default.svc.cluster.local AAAA fd00:10:96::6"]],
    ["han.crew.default.svc.cluster.local", "A", ["han.crew.default.svc.cluster.local A 172.20.1.7"]],
    ["han.crew.default.svc.cluster.local", "AAAA", ["han.crew.default.svc.cluster.local AAAA fd00:172:20:1::7"]],
    [
      "fd00-172-20-1--8.crew.default.svc.cluster.local",
      "AAAA",
      ["fd00-172-20-1--8.crew.default.svc.cluster.local AAAA fd00:172:20:1::8"],
    ],
    ["fd00--1.default.pod.cluster.local", "AAAA", ["fd00--1.default.pod.cluster.local AAAA fd00::1"]],
    [
      "8.0.7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.1.0.0.0.0.d.f.ip6.arpa",
      "PTR",
      ["8.0.7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.1.0.0.0.0.d.f.ip6.arpa PTR pair.default.svc.cluster.local"],
    ],
    [
      "6.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.1.0.0.0.0.d.f.ip6.arpa",
      "PTR",
      ["6.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.1.0.0.0.0.d.f.ip6.arpa PTR six.default.svc.cluster.local"],
    ],
    [
      "7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.0.2.0.0.2.7.1.0.0.0.D.F.IP6.ARPA",
      "PTR",
      [
        "7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.0.2.0.0.2.7.1.0.0.0.d.f.ip6.arpa PTR han.crew.default.svc.cluster.local",
      ],
    ],
    ["dns-version.cluster.local", "TXT", ["dns-version.cluster.local TXT 1.1.0"]],
  ] as const)("%s %s", async (name, type, wanted) => {
    const answer = await ask(name, DnsType[type]);
    expect({ code: answer.code, answers: answer.answers.map(text) }).toEqual({ code: 0, answers: wanted });
    expect(answer).toMatchObject({ id: 7, response: true, authoritative: true, recursionDesired: true });
  });

  test("a headless service gives its ready pods, another first each time, with ports that they have", async () => {
    const first = (await ask("fleet.default.svc.cluster.local", DnsType.A)).answers.map(text);
    const second = (await ask("fleet.default.svc.cluster.local", DnsType.A)).answers.map(text);
    expect(first).toHaveLength(2);
    expect(second).toEqual([...first].reverse());
    const srv = await ask("_http._tcp.fleet.default.svc.cluster.local", DnsType.SRV);
    expect(srv.answers.map(text).sort()).toEqual([
      "_http._tcp.fleet.default.svc.cluster.local SRV 8080 172-20-2-4.fleet.default.svc.cluster.local",
      "_http._tcp.fleet.default.svc.cluster.local SRV 8080 ship-0.fleet.default.svc.cluster.local",
    ]);
    expect(srv.additional.map(text)).toContain("ship-0.fleet.default.svc.cluster.local A 172.20.1.4");
  });

  test("a headless service of both families has the ready pods of each, and one SRV target for each name", async () => {
    const name = "crew.default.svc.cluster.local";
    const of = async (type: number) => (await ask(name, type)).answers.map(text).sort();
    expect(await of(DnsType.A)).toEqual([`${name} A 172.20.1.7`, `${name} A 172.20.1.8`]);
    expect(await of(DnsType.AAAA)).toEqual([`${name} AAAA fd00:172:20:1::7`, `${name} AAAA fd00:172:20:1::8`]);
    const srv = await ask(`_http._tcp.${name}`, DnsType.SRV, { edns: { udpSize: 1232, version: 0 } });
    expect(srv.answers.map(text).sort()).toEqual([
      `_http._tcp.${name} SRV 8080 172-20-1-8.${name}`,
      `_http._tcp.${name} SRV 8080 fd00-172-20-1--8.${name}`,
      `_http._tcp.${name} SRV 8080 han.${name}`,
    ]);
    expect(srv.additional.map(text)).toEqual(
      expect.arrayContaining([`han.${name} A 172.20.1.7`, `han.${name} AAAA fd00:172:20:1::7`]),
    );
    const pair = await ask("_http._tcp.pair.default.svc.cluster.local", DnsType.SRV);
    expect([pair.answers.length, pair.additional.map(({ data }) => data.type)]).toEqual([1, ["A", "AAAA"]]);
  });

  test("a change counts at once", async () => {
    const late = service("late", "space", { clusterIP: "10.96.9.9" });
    expect((await ask("late.space.svc.cluster.local", DnsType.A)).code).toBe(3);
    server.services.setService(late);
    expect((await ask("late.space.svc.cluster.local", DnsType.A)).answers).toHaveLength(1);
    expect((await ask("9.9.96.10.in-addr.arpa", DnsType.PTR)).answers).toHaveLength(1);
    server.services.deleteService(late);
    expect((await ask("late.space.svc.cluster.local", DnsType.A)).code).toBe(3);
    expect((await ask("space.svc.cluster.local", DnsType.A)).code).toBe(3);
    expect((await ask("9.9.96.10.in-addr.arpa", DnsType.PTR)).code).toBe(3);
  });
});

describe("answers that say no", () => {
  test.each([
    ["deathstar.default.svc.cluster.local", "AAAA", 0],
    ["six.default.svc.cluster.local", "A", 0],
    ["fleet.default.svc.cluster.local", "AAAA", 0],
    ["fd00-172-20-1--8.crew.default.svc.cluster.local", "A", 0],
    ["172-20-1-9.default.pod.cluster.local", "AAAA", 0],
    ["fd00--1.default.pod.cluster.local", "A", 0],
    ["fd00-1.default.pod.cluster.local", "AAAA", 3],
    ["fd00-172-20-1--9.crew.default.svc.cluster.local", "AAAA", 3],
    ["default.svc.cluster.local", "A", 0],
    ["svc.cluster.local", "A", 0],
    ["_tcp.fleet.default.svc.cluster.local", "A", 0],
    ["rebel.default.svc.cluster.local", "A", 3],
    ["deathstar.other.svc.cluster.local", "A", 3],
    ["x.deathstar.default.svc.cluster.local", "A", 3],
    ["300-1-1-1.default.pod.cluster.local", "A", 3],
    ["deathstar.default.svc.cluster.local.default.svc.cluster.local", "A", 3],
  ] as const)("%s %s is code %i, with the zone's authority", async (name, type, code) => {
    const answer = await ask(name, DnsType[type]);
    expect(answer).toMatchObject({ code, answers: [] });
    expect(answer.authority.map(text)).toEqual(["cluster.local SOA"]);
  });

  test("an external name that leads to itself ends", async () => {
    expect((await ask("ring.default.svc.cluster.local", DnsType.A)).answers).toHaveLength(9);
  });

  test("names outside do not exist, at once and without our authority", async () => {
    expect(await ask("example.org", DnsType.A)).toMatchObject({
      code: 3,
      answers: [],
      authority: [],
      authoritative: false,
    });
    expect(await ask("notcluster.local", DnsType.A)).toMatchObject({ code: 3 });
    for (const short of ["1.0.0.ip6.arpa", `${"1.".repeat(32)}ip7.arpa`, `g.${"1.".repeat(31)}ip6.arpa`]) {
      expect(await ask(short, DnsType.PTR)).toMatchObject({ code: 3, answers: [] });
    }
  });

  test("what is not asked properly", async () => {
    expect((await ask("x.cluster.local", DnsType.A, { opcode: 4 })).code).toBe(4);
    expect((await ask("x.cluster.local", DnsType.A, { questions: [] })).code).toBe(1);
    expect((await ask("x.cluster.local", DnsType.AXFR)).code).toBe(4);
    expect((await ask("x.cluster.local", DnsType.A, { questions: [{ name: ["x"], type: 1, class: 3 }] })).code).toBe(5);
    expect((await ask("x.cluster.local", DnsType.A, { edns: { udpSize: 1232, version: 1 } })).code).toBe(16);
    expect((await askBytes(Uint8Array.of(0, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 99))).code).toBe(1);
  });
});

describe("sizes", () => {
  test("an answer too large for UDP is cut, EDNS makes room, TCP has it all", async () => {
    expect(await ask("many.default.svc.cluster.local", DnsType.A)).toMatchObject({ truncated: true, answers: [] });
    const edns = await ask("many.default.svc.cluster.local", DnsType.A, { edns: { udpSize: 4096, version: 0 } });
    expect(edns).toMatchObject({ truncated: false, edns: { udpSize: 1232 } });
    expect(edns.answers).toHaveLength(60);
    const answers = await askTcp([
      query("many.default.svc.cluster.local", DnsType.A),
      query("nobody.cluster.local", DnsType.A),
    ]);
    expect(answers.map(({ code, answers: records }) => [code, records.length])).toEqual([
      [0, 60],
      [3, 0],
    ]);
  });
});

/** Sends the queries byte by byte on one connection. */
function askTcp(queries: readonly Uint8Array[]): Promise<DnsMessage[]> {
  const socket = connect(server.port, "127.0.0.1");
  socket.setNoDelay(true);
  for (const bytes of queries)
    for (const byte of [bytes.length >> 8, bytes.length & 255, ...bytes]) socket.write(Buffer.of(byte));
  let held = Buffer.alloc(0);
  const messages: DnsMessage[] = [];
  return new Promise((resolve) => {
    socket.on("data", (chunk) => {
      held = Buffer.concat([held, chunk]);
      while (held.length >= 2 && held.length >= 2 + held.readUInt16BE(0)) {
        const end = 2 + held.readUInt16BE(0);
        messages.push(decodeDns(held.subarray(2, end))!);
        held = held.subarray(end);
      }
      if (messages.length === queries.length) {
        socket.destroy();
        resolve(messages);
      }
    });
  });
}

test("it is well from the start and ready when told so", async () => {
  const status = async (port: number, path: string) => (await fetch(`http://127.0.0.1:${port}${path}`)).status;
  expect(await status(server.healthPort, "/health")).toBe(200);
  expect(await status(server.readyPort, "/ready")).toBe(503);
  server.markReady();
  expect(await status(server.readyPort, "/ready")).toBe(200);
  expect(await status(server.readyPort, "/other")).toBe(404);
});
