import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { HTTP2_LIMITS } from "../../src/proxy/http2-limits.ts";
import { FrameWriter } from "../../src/wire/http2-frame-writer.ts";
import { Http2Session } from "../../src/wire/http2-session.ts";
import type { Http2StreamEvents } from "../../src/wire/http2-stream.ts";
import {
  asking,
  block,
  FrameConnection,
  FrameType,
  frame,
  headers,
  PREFACE,
  settings,
  u32,
} from "../support/http2-frames.ts";
import { Http2Proxy, waitFor } from "../support/loopback-http2.ts";
import { allow } from "../support/loopback-proxy.ts";

const stream = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom(3, 5, 7, 9, 11) },
  { weight: 1, arbitrary: fc.oneof(fc.constantFrom(0, 1, 2, 2 ** 31 - 1), fc.integer({ min: 1, max: 60 })) },
);
const bytes = fc.uint8Array({ maxLength: 40 });
const flags = fc.oneof(fc.constantFrom(0, 1, 4, 5, 8, 0x2d), fc.integer({ min: 0, max: 255 }));
const path = fc.constantFrom(
  "/ok",
  "/ok/1",
  "/no",
  "/ok/../no",
  "/no/%2e%2e/ok",
  "//ok",
  "/OK",
  "/ok%2f..%2fno",
  "*",
  "",
  "/ok#",
  "/%6fk",
);
const field = fc.tuple(
  fc.constantFrom(
    "host",
    "cookie",
    "te",
    "content-length",
    "X-A",
    ":path",
    ":status",
    "connection",
    "content-type",
    "x-a",
  ),
  fc.constantFrom("deathstar", "alderaan", "trailers", "0", "5", "/no", "a=1", "application/grpc", "a\r\nb", ""),
);
const section = fc
  .tuple(fc.constantFrom("GET", "POST", "CONNECT", "PUT"), path, fc.array(field, { maxLength: 3 }))
  .map(([method, target, fields]) => [...asking(method, target), ...fields.flat()]);
const word = fc.oneof(fc.constantFrom(0, 1, 65_535, 2 ** 31 - 1, 2 ** 32 - 1), fc.integer({ min: 0, max: 100_000 }));

/** Frames that mean something more often than not. */
const crafted = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.tuple(stream, section, fc.constantFrom(0, 1)).map(([id, given, end]) => headers(id | 1, given, end)),
  },
  {
    weight: 3,
    arbitrary: fc
      .tuple(stream, bytes, fc.constantFrom(0, 1, 8))
      .map(([id, body, end]) => frame(FrameType.Data, end, id, body)),
  },
  { weight: 2, arbitrary: fc.tuple(stream, word).map(([id, code]) => frame(FrameType.RstStream, 0, id, u32(code))) },
  { weight: 2, arbitrary: fc.tuple(stream, word).map(([id, size]) => frame(FrameType.WindowUpdate, 0, id, u32(size))) },
  { weight: 2, arbitrary: fc.tuple(fc.integer({ min: 0, max: 9 }), word).map(([id, value]) => settings(id, value)) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(stream, section)
      .map(([id, given]) => frame(FrameType.Headers, 1, id | 1, block(...given).subarray(0, 9))),
  },
  { weight: 1, arbitrary: fc.tuple(stream, bytes).map(([id, part]) => frame(FrameType.Continuation, 4, id | 1, part)) },
  { weight: 1, arbitrary: fc.constant(frame(FrameType.Ping, 0, 0, new Uint8Array(8))) },
);
const wild = fc
  .tuple(fc.integer({ min: 0, max: 12 }), flags, stream, bytes)
  .map(([type, flag, id, body]) => frame(type, flag, id, body));
/** A good frame of which one byte is another. */
const mutated = fc.tuple(crafted, fc.nat(), fc.integer({ min: 1, max: 255 })).map(([good, at, change]) => {
  const bad = Uint8Array.from(good);
  bad[at % bad.length]! ^= change;
  return bad;
});
const frames = fc.array(fc.oneof({ weight: 12, arbitrary: crafted }, wild, mutated), { maxLength: 40 });

interface Observed {
  readonly events: readonly string[];
  readonly written: number;
  readonly streams: number;
}

/** What a session makes of the chunks: its events and the bytes that it wrote. A chunk is another one when it was taken. */
function observe(role: "server" | "client", chunks: readonly Uint8Array[]): Observed {
  const events: string[] = [];
  const watching: Http2StreamEvents = {
    headers: ({ id }, head, ended) => events.push(`${id} headers ${head.section.join(" ")} ${ended}`),
    data: (one, body, ended) => {
      events.push(...[...body].map((byte) => `${one.id} ${byte}`), `${one.id} ended ${ended}`);
      one.sendData(body, ended);
    },
    sent: (one, count) => one.consume(count),
    closed: ({ id }, code) => events.push(`${id} closed ${code}`),
  };
  const frames = new FrameWriter(() => undefined);
  const session = new Http2Session({
    role,
    limits: HTTP2_LIMITS,
    now: () => 0,
    output: { isBlocked: false, frames },
    events: {
      opened: (one, head, ended) => {
        events.push(`${one.id} opened ${head.section.join(" ")} ${ended}`);
        one.events = watching;
        one.sendHeaders([":status", "200"], [], ended);
      },
      ready: () => events.push("ready"),
      goaway: () => events.push("goaway"),
      failed: (code, reason) => events.push(`failed ${code} ${reason}`),
    },
  });
  if (role === "client")
    for (const ended of [true, false, true]) session.openStream(asking("GET", "/"), [], ended, watching);
  for (const chunk of chunks) {
    const lent = Uint8Array.from(chunk);
    session.receive(lent);
    lent.fill(0x3f);
  }
  return { events, written: frames.length, streams: session.streams.size };
}

describe("a session of HTTP/2", () => {
  it.each(["server", "client"] as const)(
    "takes any frames, writes no more than it was asked for, and reads them the same however they are cut (%s)",
    (role) => {
      fc.assert(
        fc.property(
          frames,
          fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 8 }),
          (given, cuts) => {
            const preface = role === "server" ? [PREFACE, settings()] : [settings()];
            const whole = Buffer.concat([...preface, ...given]);
            const pieces: Uint8Array[] = [];
            for (let at = 0, turn = 0; at < whole.length; turn++) {
              const length = cuts[turn % cuts.length]!;
              pieces.push(whole.subarray(at, at + length));
              at += length;
            }
            const once = observe(role, [whole]);
            expect(observe(role, pieces)).toEqual(once);
            expect(once.streams).toBeLessThanOrEqual(HTTP2_LIMITS.concurrentStreams);
            expect(once.written).toBeLessThan(whole.length * 5 + 500);
          },
        ),
        { numRuns: 3000 },
      );
    },
  );
});

/** The client shuts its window, asks more, and goes: answers waited for that window, and the connection with them. */
const SHUT_WINDOW = [
  "000006040000000000000400000000",
  "00004901040000000500073a6d6574686f640347455400073a736368656d650468747470000a3a617574686f726974790964656174687374617200053a70617468032f4f4b00073a73746174757303613d31",
  "00004601050000000b00073a6d6574686f640347455400073a736368656d650468747470000a3a617574686f726974790964656174687374617200053a70617468042f6f6b230003582d4103613d31",
  "00005b01050000000700073a6d6574686f640347455400073a736368656d650468747470000a3a617574686f726974790964656174687374617200053a70617468032f6f6b0006636f6f6b696503613d3100073a73746174757309646561746873746172",
].map((frame) => Buffer.from(frame, "hex"));

describe("the proxy", () => {
  let proxy: Http2Proxy;
  beforeAll(async () => {
    const serve = (one: Parameters<NonNullable<ConstructorParameters<typeof Http2Proxy>[0]["serve"]>>[0]) => {
      one.respond();
      one.pipe(one);
    };
    proxy = await new Http2Proxy({
      rules: [allow([{ method: "GET|POST", path: "/ok(/.*)?", host: "deathstar" }])],
      serve,
    }).start();
    proxy.clientLimits = { lingerMs: 10 };
  });
  afterAll(() => proxy.close());

  it("lets nothing forbidden through and no connection behind, whatever frames come", async () => {
    await fc.assert(
      fc.asyncProperty(frames, async (given) => {
        const client = new FrameConnection(proxy.dial());
        client.send(PREFACE, settings(), headers(1, asking("GET", "/ok/first")));
        await waitFor(() => client.of(FrameType.Headers, 1).length > 0);
        client.send(...[3, 5, 7].map((id) => headers(id, asking("POST", `/ok/${id}`), 0)), ...given);
        // time for the server to see what got through; the frames may have reset the first stream too
        for (let turn = 0; turn < 10 && !client.ended; turn++) await new Promise((resolve) => setTimeout(resolve, 2));
        client.socket.destroy();
        await waitFor(() => proxy.connections.size === 0);
      }),
      { numRuns: 300, examples: [[SHUT_WINDOW]] },
    );
    expect(proxy.seen.length).toBeGreaterThan(400);
    expect(proxy.seen.filter((request) => !/^(?:GET|POST) \/ok(?:\/.*)?$/.test(request))).toEqual([]);
  });
});
