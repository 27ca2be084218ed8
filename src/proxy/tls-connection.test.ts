import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { type TLSSocket, connect as tlsConnect } from "node:tls";
import { afterEach, describe, expect, it, vi } from "vitest";
import { helloFor, helloMessage, inRecords, serverNameExtension } from "../../test/support/client-hello.ts";
import {
  allowNames,
  converse,
  FROM_EMPIRE,
  type LoopbackProxy,
  namesPolicyOf,
  startLoopbackProxy,
} from "../../test/support/loopback-proxy.ts";
import { startTlsServer, type TlsServer } from "../../test/support/tls-server.ts";
import type { L7PeerRules } from "../policy/policy-map.ts";

const ONE = allowNames(["one.example"]);
const ANYTHING: L7PeerRules = { deny: false, precedence: 1, origin: 0 };

let proxy: LoopbackProxy;
const closing: (() => void)[] = [];
afterEach(async () => {
  vi.useRealTimers();
  await proxy.close();
  for (const close of closing.splice(0)) close();
});

async function tlsServer(serve: (socket: TLSSocket) => void = (socket) => socket.pipe(socket)): Promise<TlsServer> {
  const server = await startTlsServer(["one.example", "two.example"], serve);
  closing.push(() => server.close());
  return server;
}

/** A server's hello, as far as anybody looks at it. */
const ANSWER = `\x16\x03\x03\0\x2c\x02\0\0\x28\x03\x03${"r".repeat(32)}answer`;

/** The proxy before a server that answers what it gets. */
async function start(...rules: readonly L7PeerRules[]): Promise<void> {
  proxy = await startLoopbackProxy(namesPolicyOf(...rules), (_, socket) => {
    if (socket.writable) socket.write(ANSWER, "latin1");
  });
}

async function startBefore(server: TlsServer, ...rules: readonly L7PeerRules[]): Promise<void> {
  proxy = await startLoopbackProxy(namesPolicyOf(...rules), () => undefined, { upstreamPort: server.port });
}

function handshake(server: TlsServer, servername: string): TLSSocket {
  const socket = tlsConnect({
    socket: proxy.dial(),
    servername,
    ca: server.ca,
    ALPNProtocols: ["h2"],
    checkServerIdentity: () => undefined,
  });
  socket.on("error", () => undefined);
  return socket;
}

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition(); tries++) {
    if (tries > 500) throw new Error("it did not come true in 5 s");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** True when the socket was reset, false when it ended in order. */
function closed(socket: Socket): Promise<boolean> {
  return new Promise((resolve) => socket.once("close", resolve));
}

const latin1 = (bytes: Buffer) => bytes.toString("latin1");
const words = () => proxy.records.map(({ verdict, reason, tls }) => [verdict, reason, tls?.serverName]);

describe("a client that may have the name it asks for", () => {
  it("speaks TLS with the server itself", async () => {
    const server = await tlsServer();
    await startBefore(server, ONE);
    const socket = handshake(server, "one.example");
    await once(socket, "secureConnect");
    expect(socket.authorized).toBe(true);
    expect(socket.alpnProtocol).toBe("h2");
    socket.end("there and back");
    expect(await text(socket)).toBe("there and back");
    expect(server.names).toEqual(["one.example"]);
    expect(proxy.records).toHaveLength(1);
    expect(proxy.records[0]).toMatchObject({
      type: "request",
      verdict: "forwarded",
      sourceIdentity: FROM_EMPIRE.sourceIdentity,
      tls: { serverName: "one.example", protocols: ["h2"] },
    });
  });

  it("has every byte arrive as it was sent, however the hello is cut", async () => {
    await start(ONE);
    const hello = inRecords(helloMessage({ extensions: [serverNameExtension("ONE.example")] }), [1, 30, 31, 50]);
    for (const parts of [[hello], Array.from(hello, (byte) => Buffer.from([byte]))]) {
      const behind = Buffer.from([23, 3, 3, 0, 1, 0xff]);
      expect(await converse(proxy.dial(), [...parts, behind].map(latin1), (got) => got.includes("answer"))).toContain(
        "answer",
      );
      const seen = proxy.server.connections.at(-1)!;
      await until(() => seen.received.length === hello.length + behind.length);
      expect(seen.received).toBe(latin1(Buffer.concat([hello, behind])));
    }
  });

  it("may end its half first, and so may the server", async () => {
    await start(ONE);
    const client = proxy.dial();
    client.end(helloFor("one.example"));
    expect(await text(client)).toContain("answer");
    proxy.server.connections.length = 0;
    const late = proxy.dial();
    late.write(helloFor("one.example"));
    await once(late, "data");
    const seen = proxy.server.connections[0]!;
    seen.socket.end();
    late.resume();
    await once(late, "end");
    const bulk = Buffer.alloc(3_000_000, "x");
    seen.socket.pause();
    late.end(bulk);
    await closed(late);
    seen.socket.resume();
    await until(() => seen.received.length === helloFor("one.example").length + bulk.length);
  });

  it("is not read faster than the server takes, nor the server faster than the client", async () => {
    await start(ONE);
    const client = proxy.dial();
    client.write(helloFor("one.example"));
    await once(client, "data");
    const { socket } = proxy.server.connections[0]!;
    for (const [writer, reader] of [
      [client, socket],
      [socket, client],
    ] as const) {
      reader.pause();
      const bulk = Buffer.alloc(64 * 1024);
      let taken = 0;
      const pump = () => {
        if (++taken < 2000) writer.write(bulk, pump);
      };
      pump();
      for (let still = 0, before = -1; still < 20; still = taken === before ? still + 1 : 0) {
        before = taken;
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      // The kernel's buffers take some megabytes; a proxy without bounds takes all of it.
      expect(taken).toBeLessThan(1000);
      reader.resume();
      await until(() => taken === 2000);
    }
  });
});

describe("who is refused gets a reset, and nothing reaches the server", () => {
  const hellos: readonly [what: string, bytes: Buffer, reason: string, name: string | undefined][] = [
    ["another name", helloFor("two.example"), "no rule matched", "two.example"],
    ["no name", inRecords(helloMessage({ extensions: [] })), "no rule matched", undefined],
    ["a name with a NUL", helloFor("one.example\0"), "no rule matched", "one.example\0"],
    [
      "two names",
      helloFor("one.example", "two.example"),
      "client hello without exactly one server name in its extension",
      undefined,
    ],
    [
      "a request in the clear",
      Buffer.from("GET / HTTP/1.1\r\nHost: one.example\r\n\r\n"),
      "not a TLS handshake",
      undefined,
    ],
    ["SSL 2.0", Buffer.from([0x80, 0x2e, 1, 3, 3, 0, 0x15]), "not a TLS handshake", undefined],
    [
      "17 KiB of it",
      Buffer.concat([Buffer.from([22, 3, 1, 0x42, 0]), Buffer.alloc(17_000, 1)]),
      "client hello of more than 16384 bytes",
      undefined,
    ],
  ];

  it.each(hellos)("%s", async (_, bytes, reason, name) => {
    await start(ONE);
    expect(await converse(proxy.dial(), [latin1(bytes)])).toBe("<reset>");
    expect(words()).toEqual([["denied", reason, name]]);
    expect(proxy.server.connections).toHaveLength(0);
  });

  it.each(hellos)("%s, unless a rule without names lets the peer do what it wants", async (_, bytes, __, name) => {
    await start(ONE, ANYTHING);
    await converse(proxy.dial(), [latin1(bytes)], (got) => got.includes("answer"));
    await until(() => proxy.server.received.length === bytes.length);
    expect(proxy.server.received).toBe(latin1(bytes));
    expect(words()).toEqual([["forwarded", "", name]]);
  });

  it("half a hello, then the end", async () => {
    await start(ONE);
    const client = proxy.dial();
    client.end(helloFor("one.example").subarray(0, 30));
    expect(await converse(client, [])).toBe("<reset>");
    expect(words()).toEqual([["denied", "client hello cut short", undefined]]);
    expect(proxy.server.connections).toHaveLength(0);
  });

  it("half a hello, then silence", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    await start(ONE);
    const client = proxy.dial();
    const reset = new Promise((resolve) => client.once("error", resolve));
    client.write(helloFor("one.example").subarray(0, 30));
    await once(client, "connect");
    for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
    while (proxy.table.list()[0]!.connections === 0) await new Promise(setImmediate);
    vi.advanceTimersByTime(14_999);
    expect(proxy.records).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(words()).toEqual([["denied", "no client hello in time", undefined]]);
    expect(await reset).toMatchObject({ code: "ECONNRESET" });
  });

  it("silence, unless a rule without names lets the peer do what it wants: its server may speak first", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    await start(ONE, ANYTHING);
    const client = proxy.dial();
    await once(client, "connect");
    while (proxy.table.list()[0]!.connections === 0) await new Promise(setImmediate);
    vi.advanceTimersByTime(15_000);
    while (proxy.server.connections.length === 0) await new Promise(setImmediate);
    proxy.server.connections[0]!.socket.write("220 ready");
    expect(latin1((await once(client, "data"))[0])).toBe("220 ready");
    vi.advanceTimersByTime(1000);
    client.write("HELO");
    while (proxy.server.received === "") await new Promise(setImmediate);
    expect(proxy.server.received).toBe("HELO");
    expect(words()).toEqual([["forwarded", "", undefined]]);
  });

  it("nothing at all: no record either", async () => {
    await start(ONE);
    const client = proxy.dial();
    client.end();
    expect(await closed(client)).toBe(true);
    expect(proxy.records).toEqual([]);
  });

  it("a connection that the kernel knows no more", async () => {
    await start(ONE);
    const client = proxy.dial();
    await until(() => proxy.table.list()[0]!.connections === 1);
    proxy.origin = undefined;
    expect(await converse(client, [latin1(helloFor("one.example"))])).toBe("<reset>");
    expect(words()).toEqual([["denied", "connection of unknown origin", "one.example"]]);
  });
});

describe("rules in their order", () => {
  const deny = (...identities: number[]): L7PeerRules => ({ identities, deny: true, precedence: 1, origin: 0 });
  const { sourceIdentity } = FROM_EMPIRE;
  it.each<[string, L7PeerRules[], boolean]>([
    ["somebody else's rule", [allowNames(["one.example"], [7])], false],
    ["a deny before it", [deny(sourceIdentity), ONE], false],
    ["a deny behind it", [ONE, deny(sourceIdentity)], true],
    ["a deny for somebody else", [deny(7), ONE], true],
    [
      "a pass over a deny",
      [{ identities: [sourceIdentity], passTo: 2, deny: false, precedence: 1, origin: 0 }, deny(sourceIdentity), ONE],
      true,
    ],
    ["a pass over it", [{ passTo: 2, deny: false, precedence: 1, origin: 0 }, ONE, deny(sourceIdentity)], false],
    ["an HTTP rule, which cannot be judged", [{ http: [{}], deny: false, precedence: 1, origin: 0 }], false],
    ["no names are right", [allowNames([])], false],
  ])("%s", async (_, rules, isAllowed) => {
    await start(...rules);
    const got = await converse(proxy.dial(), [latin1(helloFor("one.example"))], (text) => text !== "");
    expect(got).toBe(isAllowed ? ANSWER : "<reset>");
    expect(proxy.server.connections).toHaveLength(isAllowed ? 1 : 0);
  });
});

describe("a policy that changes", () => {
  async function open(name: string): Promise<Socket> {
    const client = proxy.dial();
    client.write(helloFor(name));
    await once(client, "data");
    return client;
  }

  it("ends the tunnels that it would not open, and no others", async () => {
    await start(allowNames(["one.example", "two.example"]));
    const one = await open("one.example");
    const two = await open("two.example");
    const ended = closed(two);
    await proxy.apply(namesPolicyOf(ONE));
    expect(await ended).toBe(true);
    await until(() => proxy.server.connections[1]!.socket.destroyed);
    expect(words().at(-1)).toEqual(["denied", "no rule matched", "two.example"]);
    one.write("more");
    expect(latin1((await once(one, "data"))[0])).toBe(ANSWER);
  });

  it("judges by who the client is by now", async () => {
    await start(ONE);
    const client = await open("one.example");
    proxy.origin = { ...FROM_EMPIRE, sourceIdentity: 7 };
    const ended = closed(client);
    await proxy.apply(namesPolicyOf(ONE));
    expect(await ended).toBe(true);
  });

  it("ends them all when the redirect goes", async () => {
    await start(ONE);
    const ended = closed(await open("one.example"));
    await proxy.apply({ ...namesPolicyOf(ONE), redirects: [] });
    expect(await ended).toBe(true);
    await until(() => proxy.server.connections[0]!.socket.destroyed);
  });
});

describe("a server that is not there", () => {
  it("resets the client and says why", async () => {
    const gone = createServer();
    await new Promise<void>((resolve) => gone.listen(0, "127.0.0.1", resolve));
    const { port } = gone.address() as { port: number };
    await new Promise((resolve) => gone.close(resolve));
    proxy = await startLoopbackProxy(namesPolicyOf(ONE), () => undefined, { upstreamPort: port });
    expect(await converse(proxy.dial(), [latin1(helloFor("one.example"))])).toBe("<reset>");
    expect(words()).toEqual([
      ["forwarded", "", "one.example"],
      ["error", "remote connection failure: ECONNREFUSED", "one.example"],
    ]);
  });

  it("that resets, resets the client", async () => {
    await start(ONE);
    const client = proxy.dial();
    client.write(helloFor("one.example"));
    await once(client, "data");
    const ended = closed(client);
    proxy.server.connections[0]!.socket.resetAndDestroy();
    expect(await ended).toBe(true);
    expect(words()).toEqual([["forwarded", "", "one.example"]]);
  });
});
