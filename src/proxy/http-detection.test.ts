import { afterEach, expect, test } from "vitest";
import { asking, FrameConnection, FrameType, headers, PREFACE, settings } from "../../test/support/http2-frames.ts";
import { Http2Proxy, waitFor } from "../../test/support/loopback-http2.ts";
import { allow, converse } from "../../test/support/loopback-proxy.ts";

const OK = allow([{ path: "/ok" }]);
let proxy: Http2Proxy;
afterEach(() => proxy.close());

test("a connection that begins with the preface is HTTP/2, wherever its bytes are cut", async () => {
  proxy = await new Http2Proxy({ rules: [OK] }).start();
  const bytes = Buffer.concat([
    PREFACE,
    settings(),
    headers(1, asking("GET", "/ok")),
    headers(3, asking("GET", "/no")),
  ]);
  for (let cut = 1; cut < bytes.length; cut++) {
    const client = new FrameConnection(proxy.dial());
    client.send(bytes.subarray(0, cut));
    await new Promise((resolve) => setTimeout(resolve, 1));
    client.send(bytes.subarray(cut));
    await waitFor(() => [1, 3].every((stream) => client.of(FrameType.Headers, stream).length > 0));
    client.socket.destroy();
  }
  expect(proxy.seen).toEqual(Array.from({ length: bytes.length - 1 }, () => "GET /ok"));
});

test("byte by byte too", async () => {
  proxy = await new Http2Proxy({ rules: [OK] }).start();
  const client = new FrameConnection(proxy.dial());
  for (const byte of Buffer.concat([PREFACE, settings(), headers(1, asking("GET", "/ok"))])) {
    client.send(Uint8Array.of(byte));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await waitFor(() => client.of(FrameType.Headers, 1).length > 0);
});

test.each([
  ["a request whose method begins like the preface", "PRINT /no HTTP/1.1\r\nHost: a\r\n\r\n", 403],
  ["one byte less than the preface, then another", "PRI * HTTP/2.0\r\n\r\nSM\r\n\rX", 505],
  ["the preface in small letters", "pri * http/2.0\r\n\r\nsm\r\n\r\n", 400],
  ["a request before the preface", `GET /no HTTP/1.1\r\nHost: a\r\n\r\n${Buffer.from(PREFACE)}`, 403],
])("everything else is HTTP/1, and no byte is lost: %s", async (_, sent, status) => {
  proxy = await new Http2Proxy({ rules: [OK] }).start();
  for (const cut of [0, 1, 3, 22]) {
    const parts = [sent.slice(0, cut), sent.slice(cut)].filter((part) => part !== "");
    expect(await converse(proxy.dial(), parts, (received) => received.includes("\r\n\r\n"))).toMatch(
      new RegExp(`^HTTP/1.1 ${status} `),
    );
  }
  expect(proxy.dialled).toBe(0);
});

test("half a preface and then the end is nothing", async () => {
  proxy = await new Http2Proxy({ rules: [OK] }).start();
  const socket = proxy.dial();
  socket.end("PRI * HT");
  expect(await converse(socket, [])).toBe("<end>");
});
