import { beforeEach, describe, expect, it } from "vitest";
import {
  alpnExtension,
  helloFor,
  helloMessage,
  inRecords,
  record,
  serverNameExtension,
} from "../../test/support/client-hello.ts";
import { craftEvent, ipv4Packet, tcpHeader, udpHeader } from "../../test/support/craft-event.ts";
import { dnsQuestion } from "../../test/support/dns-message.ts";
import { END_STREAM, FrameType, frame, PREFACE, settings } from "../../test/support/http2-frames.ts";
import type { AccessRecord } from "../model/access-record.ts";
import { encodeDns } from "../wire/dns-encode.ts";
import { HpackEncoder } from "../wire/hpack-encoder.ts";
import { Overheard } from "./overheard.ts";
import type { Parser, Unread } from "./overheard-stream.ts";

const CAPTURE = 3;
const FIRST = 1000;

let heard: AccessRecord[] = [];
let unread: Unread[] = [];
let unreadPorts: number[] = [];
let parsers: readonly Parser[] = ["http"];
let overheard: Overheard;
beforeEach(() => {
  heard = [];
  unread = [];
  unreadPorts = [];
  parsers = ["http"];
  overheard = new Overheard({
    parsersAt: ({ endpoint }, _, port) => new Set(endpoint === 7 && port !== 81 ? parsers : []),
    clockOffsetNs: () => 5_000_000n,
    heard: (record) => heard.push(record),
    unread: (why, { destinationPort }) => unread.push(why) && unreadPorts.push(destinationPort),
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

interface Segment {
  readonly port?: number;
  readonly from?: number;
  readonly missing?: number;
  readonly flags?: number;
}

const SYN = 2;

/** A segment whose payload begins `at` bytes behind the connection's first. */
function segment(payload: string | Uint8Array, at: number, options: Segment = {}): void {
  const { port = 80, from = 43966, missing = 0, flags = 0x18 } = options;
  const header = tcpHeader({ flags, sourcePort: from, destinationPort: port });
  header.splice(4, 4, ...[24, 16, 8, 0].map((shift) => ((FIRST + at) >>> shift) & 255));
  overheard.take(capture([...header, ...(typeof payload === "string" ? bytesOf(payload) : payload)], 6, missing));
}

const syn = (options: Segment = {}) => segment("", -1, { ...options, flags: SYN });

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
    expect(unread).toEqual([]);
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
    expect(unread).toEqual([]);
  });

  it("behind a body that is longer than what is captured are read again", () => {
    const first = head("POST /1", "Content-Length: 5000");
    segment(first + "x".repeat(4000), 0, { missing: 3000 });
    segment("x".repeat(1000) + head("GET /2"), first.length + 4000);
    expect(said()).toEqual(["POST http://d/1", "GET http://d/2"]);
    expect(unread).toEqual([]);
  });

  it("are not sought in a body that comes in pieces", () => {
    const first = head("POST /1", "Content-Length: 90");
    segment(first, 0);
    for (const at of [0, 30, 60]) segment(head("GET /in-a-body").padEnd(30, "x").slice(0, 30), first.length + at);
    segment(head("GET /2"), first.length + 90);
    expect(said()).toEqual(["POST http://d/1", "GET http://d/2"]);
    expect(unread).toEqual([]);
  });

  it("are told where they cannot be read, once for a connection, with why", () => {
    syn();
    segment("\x16\x03\x01\x02\x00", 0);
    segment("\x17\x03\x03\x00\x10", 5);
    expect(unread).toEqual(["strange"]);
    segment("\x17\x03\x03\x00\x10", 5, { port: 8080 });
    expect(unread).toEqual(["strange", "before"]);
    segment(head("GET /long", `X: ${"y".repeat(500)}`), 0, { port: 8081, missing: 100 });
    expect(unread).toEqual(["strange", "before", "cut"]);
    expect(unreadPorts).toEqual([80, 8080, 8081]);
    expect(said()).toEqual([]);
  });

  it("of another connection on the same ports are read, wherever its numbers begin", () => {
    segment(head("GET /1"), 0);
    segment("", -5000, { flags: SYN });
    segment(head("GET /2"), -4999);
    expect(said()).toEqual(["GET http://d/1", "GET http://d/2"]);
  });

  it("that come with what was here before are read once", () => {
    const text = head("GET /1") + head("GET /2");
    segment(text.slice(0, 50), 0);
    segment(text.slice(10), 10);
    expect(said()).toEqual(["GET http://d/1", "GET http://d/2"]);
    expect(unread).toEqual([]);
  });

  it("behind a gap are read from where they begin anew", () => {
    segment(head("GET /1").slice(0, 12), 0);
    segment(head("GET /2"), 500);
    segment(head("GET /3"), 500 + head("GET /2").length, { port: 81 });
    expect(said()).toEqual(["GET http://d/2"]);
  });
});

const joined = (...parts: readonly Uint8Array[]) => new Uint8Array(Buffer.concat(parts));

describe("requests of HTTP/2", () => {
  let encoder: HpackEncoder;
  beforeEach(() => {
    encoder = new HpackEncoder();
  });
  const blockOf = (path: string) =>
    encoder
      .encode([":method", "POST", ":scheme", "http", ":authority", "d", ":path", path, "te", "trailers"], [])
      .slice();
  const headers = (stream: number, path: string) => frame(FrameType.Headers, END_STREAM | 4, stream, blockOf(path));
  const opened = (stream: number, path: string) => frame(FrameType.Headers, 4, stream, blockOf(path));
  const data = (stream: number, length: number) => frame(FrameType.Data, 0, stream, new Uint8Array(length));
  const trailers = (stream: number) => frame(FrameType.Headers, 5, stream, encoder.encode(["grpc-x", "1"], []));

  it("are read from the preface on, cut anywhere, with bodies and what follows them", () => {
    const [first, second] = [blockOf("/a.B/C"), opened(3, "/a.B/D")];
    const text = joined(
      ...[PREFACE, settings(), frame(FrameType.Headers, 0, 1, first.subarray(0, 3))],
      ...[frame(FrameType.Continuation, 4, 1, first.subarray(3)), data(1, 40), second],
      ...[data(3, 5), data(3, 0), trailers(3), headers(5, "/a.B/C")],
    );
    for (const length of [1, 7, 30, text.length]) {
      const from = 40_000 + length;
      syn({ from });
      segment(text.subarray(0, PREFACE.length), 0, { from });
      for (let at = PREFACE.length; at < text.length; at += length)
        segment(text.subarray(at, at + length), at, { from });
    }
    const each = ["POST http://d/a.B/C", "POST http://d/a.B/D", "POST http://d/a.B/C"];
    expect(said()).toEqual([...each, ...each, ...each, ...each]);
    expect(heard[0]).toMatchObject({ protocol: "HTTP/2", headers: [{ name: "te", value: "trailers" }] });
    expect(unread).toEqual([]);
  });

  it("are read behind a body of which a piece is missing, cut off or lost", () => {
    const start = joined(PREFACE, opened(1, "/1"), data(1, 9000));
    segment(start, 0, { missing: 5000 });
    const more = joined(data(1, 3000), headers(3, "/2"));
    segment(more.subarray(0, 100), start.length);
    segment(more.subarray(2000), start.length + 2000);
    expect(said()).toEqual(["POST http://d/1", "POST http://d/2"]);
    expect(unread).toEqual([]);
  });

  it("are not read where their headers, or anything before them, are missing: that is told", () => {
    const long = joined(PREFACE, headers(1, `/${"x".repeat(300)}`));
    segment(long, 0, { missing: 100 });
    segment(headers(3, "/2"), long.length);
    expect([said(), unread]).toEqual([[], ["cut"]]);
    encoder = new HpackEncoder();
    const first = joined(PREFACE, headers(1, "/1"));
    segment(first, 0, { from: 2 });
    segment(headers(3, "/2"), first.length + 500, { from: 2 });
    expect([said(), unread]).toEqual([["POST http://d/1"], ["cut", "cut"]]);
    segment(joined(headers(5, "/3")), 0, { from: 3 });
    expect(unread).toEqual(["cut", "cut", "before"]);
  });

  it("that are none are told, and others of the connection are read", () => {
    const connect = encoder.encode([":method", "CONNECT", ":authority", "d"], []);
    const text = joined(PREFACE, frame(FrameType.Headers, 5, 1, connect), headers(3, "/2"));
    segment(text, 0);
    expect([said(), unread]).toEqual([["POST http://d/2"], ["strange"]]);
    segment(
      joined(frame(FrameType.Headers, 5, 5, Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0x7f)), headers(7, "/4")),
      text.length,
    );
    expect([said(), unread]).toEqual([["POST http://d/2"], ["strange"]]);
  });

  it("of more connections than are held at a time are given up, the longest silent first", () => {
    const opening = joined(PREFACE, settings());
    for (let from = 1; from <= 501; from++) segment(opening, 0, { from });
    expect(unread).toEqual(["many"]);
    segment(headers(1, "/1"), opening.length, { from: 1 });
    expect([said(), unread]).toEqual([[], ["many"]]);
    encoder = new HpackEncoder();
    segment(headers(1, "/2"), opening.length, { from: 2 });
    expect(said()).toEqual(["POST http://d/2"]);
  });
});

describe("client hellos of TLS", () => {
  beforeEach(() => {
    parsers = ["tls"];
  });
  const names = () => heard.map(({ tls }) => tls?.serverName);

  it("are records of the name that is asked for, of how many segments they ever are", () => {
    const hello = inRecords(
      helloMessage({ extensions: [serverNameExtension("a.example"), alpnExtension("h2")] }),
      [20],
    );
    segment(hello, 0, { from: 1 });
    syn({ from: 2 });
    for (let at = 0; at < hello.length; at += 10) segment(hello.subarray(at, at + 10), at, { from: 2 });
    expect(heard.map(({ tls }) => tls)).toEqual([1, 2].map(() => ({ serverName: "a.example", protocols: ["h2"] })));
    segment(record(23, [1, 2, 3]), hello.length, { from: 1 });
    expect([heard.length, unread]).toEqual([2, []]);
  });

  it("that are none ask for no name, where the connection was seen from its beginning; else that is told", () => {
    syn();
    segment("SSH-2.0-x\r\n", 0);
    expect([heard.length, names(), unread]).toEqual([1, [undefined], []]);
    segment(record(23, [1, 2, 3]), 0, { from: 2 });
    segment(record(22, [16, 0, 0, 1, 0]), 0, { from: 3 });
    expect([heard.length, unread]).toEqual([1, ["before", "before"]]);
  });

  it("of which a piece is missing are told", () => {
    syn();
    segment(helloFor("a.example"), 0, { missing: 10 });
    expect([names(), unread]).toEqual([[], ["cut"]]);
  });

  it("stand beside requests in the clear where rules of both kinds are rehearsed", () => {
    parsers = ["http", "tls"];
    syn();
    segment(head("GET /1"), 0);
    syn({ from: 2 });
    segment(helloFor("a.example"), 0, { from: 2 });
    expect([said()[0], names()]).toEqual(["GET http://d/1", [undefined, "a.example"]]);
  });
});

describe("questions of DNS", () => {
  beforeEach(() => {
    parsers = ["dns"];
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
    expect([heard.length, unread]).toEqual([0, ["strange"]]);
  });
});

it("takes no events that are cut off", () => {
  const event = capture([...tcpHeader({ flags: 0x18 }), ...bytesOf(head("GET /"))], 6);
  for (let length = 1; length < event.length; length++) overheard.take(event.subarray(0, length));
  expect(said()).toEqual([]);
});
