/** What clients, servers and policies do at bad moments. Limits are short here; nothing is asserted about time. */
import { Socket } from "node:net";
import { afterEach, describe, expect, test, vi } from "vitest";
import {
  allow,
  converse,
  type LoopbackProxy,
  policyOf,
  startLoopbackProxy,
} from "../../test/support/loopback-proxy.ts";

const HEAD = "HTTP/1.1\r\nHost: h\r\n";
const GET = `GET /ok ${HEAD}\r\n`;
const POST = `POST /ok ${HEAD}Content-Length: 4\r\n\r\nbody`;
const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const ALL = policyOf(allow([{ path: "/ok.*" }]));

let proxy: LoopbackProxy;
afterEach(() => proxy.close());

const flags = () => proxy.records.flatMap(({ responseFlags }) => (responseFlags === undefined ? [] : [responseFlags]));
const connections = () => proxy.server.connections;
const isOver = ({ socket }: { readonly socket: Socket }) => socket.destroyed || socket.readableEnded;

describe("a client", () => {
  test("whose head comes drop by drop is told that it took too long", async () => {
    proxy = await startLoopbackProxy(ALL, () => undefined, { limits: { headMs: 30 } });
    const received = await converse(proxy.dial(), ["GET /ok HTTP/1.1\r\nX: "]);
    expect(received).toMatch(/^HTTP\/1.1 408 Request Timeout\r\n[\s\S]*connection: close\r\n[\s\S]*<end>$/);
    expect(proxy.records[0]).toMatchObject({ verdict: "error", reason: "head that took too long" });
    expect(connections()).toHaveLength(0);
  });

  test("whose heads come in time is not", async () => {
    proxy = await startLoopbackProxy(ALL, (_, socket) => socket.write(OK), { limits: { headMs: 500 } });
    const socket = proxy.dial();
    for (let round = 0; round < 3; round++) {
      socket.write(GET.slice(0, 9));
      await new Promise((resolve) => setTimeout(resolve, 5));
      const answered = new Promise((resolve) => socket.once("data", resolve));
      socket.write(GET.slice(9));
      await answered;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    expect(proxy.records.map(({ status }) => status)).toEqual([0, 200, 0, 200, 0, 200]);
    socket.destroy();
  });

  test("that says nothing is let go", async () => {
    proxy = await startLoopbackProxy(ALL, () => undefined, { limits: { idleMs: 30 } });
    expect(await converse(proxy.dial(), [])).toBe("<end>");
    expect(proxy.records).toEqual([]);
  });

  test("that stops in the middle of a body is told so, and its server let go", async () => {
    proxy = await startLoopbackProxy(ALL, () => undefined, { limits: { idleMs: 300 } });
    const received = await converse(proxy.dial(), [POST.slice(0, -1)]);
    expect(received).toMatch(/^HTTP\/1.1 408 [\s\S]*\r\n\r\nstream timeout<end>$/);
    expect(flags()).toEqual(["SI"]);
    await vi.waitFor(() => expect(connections().every(isOver)).toBe(true));
  });

  test.each([
    ["before the answer", GET],
    ["in the middle of a body", POST.slice(0, -1)],
  ])("that vanishes %s takes the server's connection along, and is on record", async (_, sent) => {
    proxy = await startLoopbackProxy(ALL, () => undefined);
    const socket = proxy.dial();
    socket.write(sent);
    await vi.waitFor(() => expect(proxy.server.received).toBe(sent));
    socket.resetAndDestroy();
    await vi.waitFor(() => expect(connections().every(isOver)).toBe(true));
    expect(flags()).toEqual(["DC"]);
    await vi.waitFor(() => expect(proxy.table.list()[0]?.connections).toBe(0));
  });

  test("that does not take its answer holds no more of it here than buffers hold", async () => {
    const upstreams: Socket[] = [];
    const dial = () => {
      const socket = new Socket({ allowHalfOpen: true }).connect(proxy.server.port, "127.0.0.1");
      upstreams.push(socket);
      return socket;
    };
    const size = 64 * 1024 * 1024;
    const answer = (_: string, socket: Socket) => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
      socket.write(Buffer.alloc(size));
    };
    proxy = await startLoopbackProxy(ALL, answer, { connect: dial });
    const socket = proxy.dial();
    socket.pause();
    socket.write(GET);
    const taken = await standstill(() => upstreams[0]?.bytesRead ?? 0);
    expect(taken).toBeGreaterThan(0);
    expect(taken).toBeLessThan(size / 4);
    socket.resume();
    await vi.waitFor(() => expect(socket.bytesRead).toBeGreaterThan(size), { timeout: 10_000 });
    socket.destroy();
  });
});

/** The value of a count that grows, once it has stopped. */
async function standstill(read: () => number): Promise<number> {
  for (let last = -1, still = 0; ; ) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    const now = read();
    still = now === last && now > 0 ? still + 1 : 0;
    last = now;
    if (still === 10) return now;
  }
}

describe("a server", () => {
  test("that stalls is a 504; its late answer is nobody's, and the connection goes on", async () => {
    let late: Socket | undefined;
    const answer = (received: string, socket: Socket) => {
      if (received.includes("/ok/slow")) late = socket;
      else socket.write(OK);
    };
    proxy = await startLoopbackProxy(ALL, answer, { limits: { idleMs: 400 } });
    const slow = `GET /ok/slow ${HEAD}\r\n`;
    const received = await converse(proxy.dial(), [slow, () => late !== undefined, GET], (text) => text.endsWith("ok"));
    late?.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate");
    expect(received).toMatch(/^HTTP\/1.1 504 Gateway Timeout\r\n[\s\S]*stream timeoutHTTP\/1.1 200 OK\r\n/);
    expect(flags()).toEqual(["SI"]);
    expect(connections()).toHaveLength(2);
  });

  test("that cannot be reached in time is a 503", async () => {
    const connect = () => Object.assign(new Socket(), { connecting: true });
    proxy = await startLoopbackProxy(ALL, () => undefined, { connect, connectTimeoutMs: 50 });
    const received = await converse(proxy.dial(), [GET], (text) => text.endsWith("timeout"));
    expect(received).toMatch(/^HTTP\/1.1 503 [\s\S]*before headers\. reset reason: connection timeout$/);
    expect(flags()).toEqual(["UF"]);
  });

  test("whose connection cannot even be begun is a 503", async () => {
    const connect = () => {
      throw Object.assign(new Error("no port"), { code: "EADDRNOTAVAIL" });
    };
    proxy = await startLoopbackProxy(ALL, () => undefined, { connect });
    const received = await converse(proxy.dial(), [GET], (text) => text.endsWith("failure"));
    expect(received).toMatch(/reset reason: local connection failure$/);
    expect(proxy.records[1]).toMatchObject({
      responseFlags: "UF",
      reason: "local connection failure: EADDRNOTAVAIL",
    });
  });

  test.each([
    ["that closes", (socket: Socket) => socket.end(), 503, "connection termination", "UC"],
    ["that resets", (socket: Socket) => socket.resetAndDestroy(), 503, "connection termination", "UC"],
    ["that ends in the middle of a head", (socket: Socket) => socket.end("HTTP/1.1 2"), 502, "protocol error", "UPE"],
    ["that speaks something else", (socket: Socket) => socket.write("hello\r\n\r\n"), 502, "protocol error", "UPE"],
  ] as const)("%s in place of an answer", async (_, act, status, reason, flag) => {
    proxy = await startLoopbackProxy(ALL, (__, socket) => void act(socket));
    const received = await converse(proxy.dial(), [GET], (text) => text.endsWith(reason));
    expect(received).toMatch(new RegExp(`^HTTP/1.1 ${status} [\\s\\S]*before headers\\. reset reason: ${reason}$`));
    expect(flags()).toEqual([flag]);
  });

  test("that closes a kept connection as it is used again: what may be repeated is, anything else is a 503", async () => {
    const used = new WeakSet<Socket>();
    const answer = (_: string, socket: Socket) => {
      if (used.has(socket)) socket.resetAndDestroy();
      else socket.write(OK);
      used.add(socket);
    };
    proxy = await startLoopbackProxy(ALL, answer);
    const count = (text: string) => text.split("HTTP/1.1 ").length - 1;
    const received = await converse(
      proxy.dial(),
      [GET, GET, POST],
      (text) => count(text) === 3 && text.endsWith("termination"),
    );
    expect(received).toMatch(/^HTTP\/1.1 200 OK[\s\S]*HTTP\/1.1 200 OK[\s\S]*HTTP\/1.1 503 /);
    expect(connections().map(({ received: seen }) => seen)).toEqual([GET + GET, GET + POST]);
  });
});

test("an answer before the body is complete is passed on at once, the body goes on, and the next request gets its own", async () => {
  const early = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno";
  proxy = await startLoopbackProxy(ALL, (received, socket) => {
    if (received.startsWith("POST")) socket.write(early);
    else if (received.includes("GET")) socket.write(OK);
  });
  const received: string[] = [];
  const socket = proxy.dial().on("data", (chunk) => received.push(String(chunk)));
  socket.write(POST.slice(0, -2));
  await vi.waitFor(() => expect(received.join("")).toBe(early));
  socket.write(POST.slice(-2) + GET);
  await vi.waitFor(() => expect(received.join("")).toBe(early + OK));
  expect(proxy.server.received).toBe(POST + GET);
  socket.destroy();
});

describe("a policy that takes back what is under way", () => {
  const NOTHING = policyOf(allow([{ path: "/other" }]));

  test("refuses what has no answer yet", async () => {
    proxy = await startLoopbackProxy(ALL, () => undefined);
    const over = converse(proxy.dial(), [GET]);
    await vi.waitFor(() => expect(proxy.server.received).toBe(GET));
    await proxy.apply(NOTHING);
    expect(await over).toMatch(/^HTTP\/1.1 403 Forbidden[\s\S]*Access denied\r\n<end>$/);
    expect(proxy.records[1]?.reason).toBe("policy changed: no rule matched");
    await vi.waitFor(() => expect(connections().every(isOver)).toBe(true));
  });

  test("cuts an answer that has begun, and lets be what stays allowed", async () => {
    const half = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf";
    proxy = await startLoopbackProxy(ALL, (_, socket) => socket.write(half));
    let received = "";
    const socket = proxy.dial().on("data", (chunk) => {
      received += chunk;
    });
    socket.write(GET);
    await vi.waitFor(() => expect(received).toBe(half));
    await proxy.apply(policyOf(allow([{ path: "/ok" }])));
    connections()[0]?.socket.write("more");
    await vi.waitFor(() => expect(received).toBe(`${half}more`));
    await proxy.apply(NOTHING);
    await vi.waitFor(() => expect(socket.readableEnded || socket.destroyed).toBe(true));
    expect(received).toBe(`${half}more`);
  });
});
