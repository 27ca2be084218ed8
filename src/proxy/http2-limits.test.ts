import type { ServerHttp2Stream } from "node:http2";
import { afterEach, describe, expect, test } from "vitest";
import {
  asking,
  block,
  END_STREAM,
  FrameConnection,
  FrameType,
  frame,
  headers,
  PREFACE,
  settings,
  u32,
} from "../../test/support/http2-frames.ts";
import { answerOf, Http2Proxy, type Http2ProxyOptions, waitFor } from "../../test/support/loopback-http2.ts";
import { allow } from "../../test/support/loopback-proxy.ts";

const OK = allow([{ path: "/ok.*" }]);
const CALM = 11;
const REFUSED = 7;
const END_HEADERS = 4;
const range = (count: number) => Array.from({ length: count }, (_, index) => index);

let proxy: Http2Proxy;
afterEach(() => proxy.close());

async function open(options: Partial<Http2ProxyOptions> = {}): Promise<FrameConnection> {
  proxy = await new Http2Proxy({ rules: [OK], ...options }).start();
  proxy.clientLimits = { lingerMs: 20 };
  const client = new FrameConnection(proxy.dial());
  client.send(PREFACE, settings());
  return client;
}

/** The connection goes on: a request on it is answered. */
async function expectAlive(client: FrameConnection, stream: number): Promise<void> {
  client.send(headers(stream, asking("GET", "/no")));
  await waitFor(() => client.of(FrameType.Headers, stream).length > 0);
  expect(client.goaway).toBeUndefined();
}

async function expectCalm(client: FrameConnection, reason: string): Promise<void> {
  expect(await waitFor(() => client.goaway)).toBe(CALM);
  await waitFor(() => client.ended);
  const record = { type: "request", verdict: "error", reason: `HTTP/2: ${reason}` };
  expect(proxy.records).toContainEqual(expect.objectContaining(record));
  await waitFor(() => proxy.connections.size === 0);
}

describe("floods", () => {
  test("streams that are opened and reset at once (CVE-2023-44487)", async () => {
    const client = await open({ limits: { resetBurst: 50, resetsPerSecond: 0 }, serve: () => undefined });
    const cycle = (id: number) => [headers(id, asking("GET", "/ok")), frame(FrameType.RstStream, 0, id, u32(8))];
    client.send(...range(50).flatMap((index) => cycle(index * 2 + 1)));
    await expectAlive(client, 201);
    client.send(...cycle(203));
    await expectCalm(client, "resets");
    expect(proxy.seen.length).toBeLessThanOrEqual(51);
  });

  test("streams whose reset the client provokes (CVE-2025-8671)", async () => {
    const client = await open({ limits: { resetBurst: 50, resetsPerSecond: 0 }, serve: () => undefined });
    const cycle = (id: number) => [headers(id, asking("GET", "/ok")), frame(FrameType.WindowUpdate, 0, id, u32(0))];
    client.send(...range(51).flatMap((index) => cycle(index * 2 + 1)));
    await expectCalm(client, "resets");
    expect(client.reset(1)).toBe(1);
  });

  test.each<[string, (index: number) => Uint8Array]>([
    ["SETTINGS", () => settings(4, 65_535)],
    ["acknowledgements of nothing", () => frame(FrameType.Settings, 1, 0)],
    ["PRIORITY", () => frame(FrameType.Priority, 0, 5, new Uint8Array(5))],
    ["unknown frames", () => frame(0x77, 0, 0, new Uint8Array(9))],
    ["empty DATA (CVE-2019-9518)", () => frame(FrameType.Data, 0, 1)],
  ])("frames that do no work: %s", async (_, useless) => {
    const client = await open({ limits: { idleFrameBurst: 100, idleFramesPerSecond: 0 }, serve: () => undefined });
    client.send(headers(1, asking("POST", "/ok"), 0), ...range(90).map(useless));
    await expectAlive(client, 3);
    client.send(...range(20).map(useless));
    await expectCalm(client, "frames that do no work");
  });

  test("frames that do no work: header sections of streams that are over", async () => {
    const client = await open({ limits: { idleFrameBurst: 100, idleFramesPerSecond: 0 }, serve: () => undefined });
    await expectAlive(client, 1);
    client.send(...range(120).map(() => headers(1, asking("GET", "/ok"))));
    await expectCalm(client, "frames that do no work");
    expect(proxy.seen).toEqual([]);
  });

  test("PING without reading the answers", async () => {
    const client = await open();
    await expectAlive(client, 1);
    client.socket.pause();
    const pings = Buffer.concat(range(20_000).map(() => frame(FrameType.Ping, 0, 0, new Uint8Array(8))));
    for (let round = 0; round < 400 && !client.socket.destroyed && proxy.connections.size > 0; round++) {
      if (!client.socket.write(pings)) await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await waitFor(() => proxy.connections.size === 0);
  });

  test("a header section without an end (CVE-2024-27316)", async () => {
    const client = await open();
    client.send(frame(FrameType.Headers, END_STREAM, 1, block(...asking("GET", "/ok"))));
    client.send(...range(20).map(() => frame(FrameType.Continuation, 0, 1, block("a", "b"))));
    await expectCalm(client, "header section that is too long");
    expect(proxy.dialled).toBe(0);
  });

  test("a header section of too many bytes", async () => {
    const client = await open();
    client.send(frame(FrameType.Headers, END_STREAM, 1, block(...asking("GET", "/ok"))));
    client.send(...range(6).map(() => frame(FrameType.Continuation, 0, 1, block("a", "b".repeat(16_000)))));
    await expectCalm(client, "header section that is too long");
  });

  test("a small header section that grows by the table is refused, and the connection goes on", async () => {
    const client = await open();
    const fill = Buffer.concat([Buffer.from([0x40]), block("x-a", "b".repeat(4000)).subarray(1)]);
    const bomb = Buffer.concat([block(...asking("GET", "/ok")), fill, Buffer.alloc(1000, 0x80 | 62)]);
    client.send(frame(FrameType.Headers, END_STREAM | END_HEADERS, 1, bomb));
    await waitFor(() => client.of(FrameType.Data, 1).length > 0);
    expect(proxy.records[0]).toMatchObject({ verdict: "error", reason: "header section that is too large" });
    expect(proxy.records[1]).toMatchObject({ status: 431 });
    await expectAlive(client, 3);
  });

  test("streams beyond those that are allowed at once are refused one by one", async () => {
    const client = await open({ limits: { concurrentStreams: 10 }, serve: () => undefined });
    client.send(...range(12).map((index) => headers(index * 2 + 1, asking("GET", `/ok/${index}`))));
    await waitFor(() => client.of(FrameType.RstStream).length === 2);
    expect([client.reset(21), client.reset(23)]).toEqual([REFUSED, REFUSED]);
    await waitFor(() => proxy.seen.length === 10);
    client.send(frame(FrameType.RstStream, 0, 1, u32(8)));
    await expectAlive(client, 25);
  });
});

test("a request that crossed the goodbye on its way ends nothing of what is under way", async () => {
  const streams: ServerHttp2Stream[] = [];
  const client = await open({ serve: (stream) => void streams.push(stream) });
  client.send(headers(1, asking("GET", "/ok")));
  await waitFor(() => streams.length === 1);
  proxy.apply(undefined);
  await waitFor(() => client.goaway === 0);
  client.send(headers(3, asking("POST", "/ok"), 0), frame(FrameType.Data, 0, 3, Buffer.from("body")));
  client.send(headers(3, ["x", "y"]), frame(FrameType.RstStream, 0, 3, u32(8)));
  await new Promise((resolve) => setTimeout(resolve, 20));
  streams[0]!.respond({ ":status": 204 }, { endStream: true });
  await waitFor(() => client.ended);
  expect([client.of(FrameType.Goaway).length, client.of(FrameType.Headers, 1).length]).toEqual([1, 1]);
  expect(proxy.seen).toHaveLength(1);
});

describe("peers that do not move", () => {
  test("a preface that does not go on ends the connection", async () => {
    proxy = await new Http2Proxy({ rules: [OK] }).start();
    proxy.clientLimits = { headMs: 30 };
    const client = new FrameConnection(proxy.dial());
    client.send(PREFACE.subarray(0, 20));
    await waitFor(() => client.ended);
  });

  test("a preface without SETTINGS ends the connection", async () => {
    proxy = await new Http2Proxy({ rules: [OK], limits: { prefaceMs: 30 } }).start();
    const client = new FrameConnection(proxy.dial());
    client.send(PREFACE);
    await waitFor(() => client.ended);
  });

  test("a client that opens no window for an answer is reset, and so is the server; other streams go on", async () => {
    const codes: (number | undefined)[] = [];
    const serve: Http2ProxyOptions["serve"] = (stream) => {
      stream.respond();
      stream.on("close", () => codes.push(stream.rstCode));
      stream.end(Buffer.alloc(200_000));
    };
    const client = await open({ limits: { stallMs: 40 }, serve });
    client.send(headers(1, asking("GET", "/ok")));
    expect(await waitFor(() => client.reset(1))).toBe(8);
    expect(await waitFor(() => codes[0])).toBe(8);
    await expectAlive(client, 3);
  });

  test("a server that takes no body makes a 408 of a request that is not whole", async () => {
    proxy = await new Http2Proxy({ rules: [OK], limits: { stallMs: 40 }, serve: (stream) => stream.pause() }).start();
    const stream = proxy.connect().request({ ":method": "POST", ":path": "/ok" });
    const answer = answerOf(stream);
    stream.end(Buffer.alloc(500_000));
    expect(await answer).toMatchObject({ status: 408, body: "stream timeout" });
    expect(proxy.records.at(-1)).toMatchObject({ verdict: "error", responseFlags: "SI" });
  });

  test("a server that does not answer makes a 504, a connection without streams ends", async () => {
    proxy = await new Http2Proxy({ rules: [OK], limits: { stallMs: 20 }, serve: () => undefined }).start();
    proxy.clientLimits = { idleMs: 300 };
    const session = proxy.connect();
    const closed = new Promise((resolve) => session.once("close", resolve));
    expect(await answerOf(session.request({ ":path": "/ok" }))).toMatchObject({ status: 504, body: "stream timeout" });
    await closed;
    await waitFor(() => proxy.connections.size === 0);
  });

  test("what is held of bodies that nobody reads stays within the windows", async () => {
    const client = await open({ serve: (stream) => stream.pause() });
    client.send(...range(20).map((index) => headers(index * 2 + 1, asking("POST", "/ok"), 0)));
    await waitFor(() => proxy.seen.length === 20);
    const piece = (id: number) => frame(FrameType.Data, 0, id, new Uint8Array(16_000));
    client.send(...range(20).flatMap((index) => range(4).map(() => piece(index * 2 + 1))));
    // a whole window came of each stream, and none may send more; Node's server took what its own windows let in
    await waitFor(() => client.of(FrameType.WindowUpdate, 0).length > 1);
    client.send(...range(20).flatMap((index) => range(9).map(() => piece(index * 2 + 1))));
    await waitFor(() => client.of(FrameType.RstStream).length === 20 || client.goaway !== undefined);
    expect(client.goaway).toBeUndefined();
    expect(client.reset(1)).toBe(3);
  });
});
