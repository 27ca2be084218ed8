/** A server that asks for a second client hello: with real TLS, and with a client that changes the name. */
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { connect as tlsConnect } from "node:tls";
import { afterEach, expect, it } from "vitest";
import { helloFor, record } from "../../test/support/client-hello.ts";
import {
  allowNames,
  converse,
  type LoopbackProxy,
  namesPolicyOf,
  startLoopbackProxy,
} from "../../test/support/loopback-proxy.ts";
import { startTlsServer } from "../../test/support/tls-server.ts";

const POLICY = namesPolicyOf(allowNames(["one.example"]));
const RETRY = Buffer.from(
  "160303002a020000260303cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c",
  "hex",
);

let proxy: LoopbackProxy;
afterEach(() => proxy.close());

const latin1 = (bytes: Buffer) => bytes.toString("latin1");
const refusals = () => proxy.records.filter(({ verdict }) => verdict === "denied").map(({ reason }) => reason);

it("goes through with real TLS", async () => {
  const server = await startTlsServer(["one.example"], (socket) => socket.pipe(socket), { ecdhCurve: "P-521" });
  proxy = await startLoopbackProxy(POLICY, () => undefined, { upstreamPort: server.port });
  const ecdhCurve = "X25519:P-521";
  const socket = tlsConnect({ socket: proxy.dial(), servername: "one.example", ca: server.ca, ecdhCurve });
  await once(socket, "secureConnect");
  expect(socket.getEphemeralKeyInfo()).toMatchObject({ name: "secp521r1" });
  socket.end("x".repeat(100_000));
  expect(await text(socket)).toHaveLength(100_000);
  expect(server.names).toEqual(["one.example"]);
  server.close();
});

it("does not get another name, asked or not: not a byte of that hello", async () => {
  const [one, two] = [helloFor("one.example"), helloFor("two.example")];
  proxy = await startLoopbackProxy(POLICY, (_, socket) => socket.write(RETRY));
  expect(await converse(proxy.dial(), [latin1(Buffer.concat([one, two]))])).toContain("<reset>");
  const asked = proxy.dial();
  asked.write(one);
  await once(asked, "data");
  expect(
    await converse(asked, [latin1(record(20, [1])), latin1(two.subarray(0, 70)), latin1(two.subarray(70))]),
  ).toContain("<reset>");
  expect(refusals()).toEqual(Array(2).fill("second client hello for two.example"));
  expect(proxy.server.received).not.toContain("two.example");
  expect(proxy.server.received.length).toBeLessThanOrEqual(2 * one.length + record(20, [1]).length);
});

it("gets the second hello as it was, with the same name", async () => {
  const one = helloFor("one.example");
  proxy = await startLoopbackProxy(POLICY, (_, socket) => socket.write(RETRY));
  const client = proxy.dial();
  client.write(one);
  await once(client, "data");
  const again = Buffer.concat([record(20, [1]), one, record(23, [1, 2, 3])]);
  await converse(
    client,
    Array.from(again, (byte) => String.fromCharCode(byte)),
    () => proxy.server.received.length >= one.length + again.length,
  );
  expect(proxy.server.received).toBe(latin1(Buffer.concat([one, again])));
  expect(refusals()).toEqual([]);
});
