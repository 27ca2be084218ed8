import { beforeEach, describe, expect, it } from "vitest";
import { craftEvent, ipv4Packet, tcpHeader, udpHeader } from "../../test/support/craft-event.ts";
import { dnsQuestion } from "../../test/support/dns-message.ts";
import type { AccessRecord } from "../model/access-record.ts";
import { encodeDns } from "../wire/dns-encode.ts";
import { Overheard, type Parser } from "./overheard.ts";

const CAPTURE = 3;
const FIRST = 1000;

let heard: AccessRecord[] = [];
let misunderstood = 0;
let parser: Parser = "http";
let overheard: Overheard;
beforeEach(() => {
  heard = [];
  misunderstood = 0;
  parser = "http";
  overheard = new Overheard({
    parsersAt: ({ endpoint }, _, port) => new Set(endpoint === 7 && port !== 81 ? [parser] : []),
    clockOffsetNs: () => 5_000_000n,
    heard: (record) => heard.push(record),
    notUnderstood: () => misunderstood++,
  });
});

const bytesOf = (text: string) => [...Buffer.from(text, "latin1")];

/** A capture event; `captured` = bytes of the payload that are there. */
function capture(upper: readonly number[], protocol: number, missing = 0): Uint8Array {
  const whole = ipv4Packet(protocol, upper);
  const packet = whole.subarray(0, whole.length - missing);
  const event = { type: CAPTURE, direction: 1, endpoint: 7, sourceIdentity: 300, destinationIdentity: 400 };
  const bytes = craftEvent({ ...event, monotonicNs: 2_500_000n, place: packet.length, packet });
  new DataView(bytes.buffer).setUint32(24, whole.length, true);
  return bytes;
}

/** A segment whose payload begins `at` bytes behind the connection's first. */
function segment(text: string, at: number, options: { port?: number; missing?: number } = {}): void {
  const { port = 80, missing = 0 } = options;
  const header = tcpHeader({ flags: 0x18, destinationPort: port });
  header.splice(4, 4, ...[24, 16, 8, 0].map((shift) => ((FIRST + at) >>> shift) & 255));
  overheard.take(capture([...header, ...bytesOf(text)], 6, missing));
}

const said = () => heard.map(({ method, url }) => `${method} ${url}`);
const head = (line: string, ...fields: string[]) =>
  [`${line} HTTP/1.1`, "Host: d", ...fields]
    .map((each) => `${each}\r\n`)
    .join("")
    .concat("\r\n");

describe("requests of HTTP", () => {
  it("are records of what passed", () => {
    segment(head("PUT /v1/exhaust-port?a=b", "X-Key: 1"), 0);
    expect(heard).toEqual([
      {
        ...{ type: "request", verdict: "forwarded", timeMs: 7.5, direction: "ingress", endpointId: 7 },
        ...{ sourceIdentity: 300, destinationIdentity: 400, sourceAddress: "172.20.2.10", sourcePort: 43966 },
        ...{ destinationAddress: "172.20.1.20", destinationPort: 80, protocol: "HTTP/1.1", method: "PUT" },
        ...{ url: "http://d/v1/exhaust-port?a=b", status: 0, latencyMs: 0, reason: "" },
        headers: [
          { name: "Host", value: "d" },
          { name: "X-Key", value: "1" },
        ],
      },
    ]);
    expect(misunderstood).toBe(0);
  });

  it("are read across segments, behind one another, and once when a segment comes again", () => {
    const text =
      head("GET /1") + head("POST /2", "Content-Length: 30") + head("GET /in-a-body").slice(0, 30) + head("GET /3");
    let at = 0;
    for (const length of [3, 20, 40, 25, text.length]) {
      segment(text.slice(at, at + length), at);
      segment(text.slice(at, at + length), at);
      at += Math.min(length, text.length - at);
    }
    expect(said()).toEqual(["GET http://d/1", "POST http://d/2", "GET http://d/3"]);
    expect(misunderstood).toBe(0);
  });

  it("behind a body that is longer than what is captured are read again", () => {
    const first = head("POST /1", "Content-Length: 5000");
    segment(first + "x".repeat(4000), 0, { missing: 3000 });
    segment("x".repeat(1000) + head("GET /2"), first.length + 4000);
    expect(said()).toEqual(["POST http://d/1", "GET http://d/2"]);
    expect(misunderstood).toBe(0);
  });

  it("are not sought in a body that comes in pieces", () => {
    const first = head("POST /1", "Content-Length: 90");
    segment(first, 0);
    for (const at of [0, 30, 60]) segment(head("GET /in-a-body").padEnd(30, "x").slice(0, 30), first.length + at);
    segment(head("GET /2"), first.length + 90);
    expect(said()).toEqual(["POST http://d/1", "GET http://d/2"]);
    expect(misunderstood).toBe(0);
  });

  it("are told where they cannot be read, once for a connection", () => {
    segment("\x16\x03\x01\x02\x00", 0);
    segment("\x17\x03\x03\x00\x10", 5);
    expect(misunderstood).toBe(1);
    segment("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0, { port: 8080 });
    expect(misunderstood).toBe(2);
    segment(head("GET /long", `X: ${"y".repeat(500)}`), 0, { port: 8081, missing: 100 });
    expect(misunderstood).toBe(3);
    expect(said()).toEqual([]);
  });

  it("behind a gap are read from where they begin anew", () => {
    segment(head("GET /1").slice(0, 12), 0);
    segment(head("GET /2"), 500);
    segment(head("GET /3"), 500 + head("GET /2").length, { port: 81 });
    expect(said()).toEqual(["GET http://d/2"]);
  });
});

describe("questions of DNS", () => {
  beforeEach(() => {
    parser = "dns";
  });

  it("are records, over UDP and over TCP", () => {
    const question = [...encodeDns(dnsQuestion("Star.Wars."))];
    overheard.take(capture([...udpHeader(), ...question], 17));
    overheard.take(capture([...tcpHeader({ flags: 0x18, destinationPort: 53 }), 0, question.length, ...question], 6));
    expect(heard.map(({ dns }) => dns)).toMatchObject([
      { query: "star.wars.", type: 1, transport: "udp" },
      { query: "star.wars.", type: 1, transport: "tcp" },
    ]);
  });

  it("that are none are told", () => {
    overheard.take(capture([...udpHeader(), 1, 2, 3], 17));
    expect([heard.length, misunderstood]).toEqual([0, 1]);
  });
});

it("takes no events that are cut off", () => {
  const event = capture([...tcpHeader({ flags: 0x18 }), ...bytesOf(head("GET /"))], 6);
  for (let length = 1; length < event.length; length++) overheard.take(event.subarray(0, length));
  expect(said()).toEqual([]);
});
