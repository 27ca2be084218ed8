import type { Socket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import {
  allow,
  converse,
  FROM_EMPIRE,
  type LoopbackProxy,
  policyOf,
  startLoopbackProxy,
} from "../../test/support/loopback-proxy.ts";

const LANDING = allow([{ method: "POST", path: "/v1/request-landing" }]);
const HEAD = "HTTP/1.1\r\nHost: deathstar\r\n";
const LAND = `POST /v1/request-landing ${HEAD}Content-Length: 0\r\n\r\n`;
const EXHAUST = `PUT /v1/exhaust-port ${HEAD}\r\n`;
const LANDED = "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nShip landed\n";
const DENIED =
  "HTTP/1.1 403 Forbidden\r\ncontent-length: 15\r\ncontent-type: text/plain\r\nserver: shieldgate\r\n\r\nAccess denied\r\n";

let proxy: LoopbackProxy;
afterEach(() => proxy.close());

async function start(policy = policyOf(LANDING), answer = answerEach(LANDED)): Promise<void> {
  proxy = await startLoopbackProxy(policy, answer);
}

/** One answer for each request head that arrives. */
function answerEach(text: string): (received: string, socket: Socket) => void {
  return (received, socket) => {
    for (const _ of received.matchAll(/ HTTP\/1\.[01]\r\n/g)) socket.write(text);
  };
}

function times(count: number, text: string): (received: string) => boolean {
  return (received) => received.split(text).length > count;
}

function summary(): string[] {
  return proxy.records.map(({ type, verdict, method, url, status, reason }) =>
    [type, verdict, method, url, status, reason].join(" ").trim(),
  );
}

describe("verdicts", () => {
  test("an allowed request passes byte for byte and is recorded with its answer", async () => {
    await start();
    expect(await converse(proxy.dial(), [LAND], times(1, "landed\n"))).toBe(LANDED);
    expect(proxy.server.received).toBe(LAND);
    expect(summary()).toEqual([
      "request forwarded POST http://deathstar/v1/request-landing 0",
      "response forwarded POST http://deathstar/v1/request-landing 200",
    ]);
    expect(proxy.records[1]).toMatchObject({
      endpointId: 871,
      sourceIdentity: 19274,
      destinationIdentity: 318,
      protocol: "HTTP/1.1",
      direction: "ingress",
    });
  });

  test("a denied request gets 403, never opens a connection to the server, and the client's one stays", async () => {
    await start();
    expect(await converse(proxy.dial(), [EXHAUST, EXHAUST], times(2, "denied\r\n"))).toBe(DENIED + DENIED);
    expect(proxy.server.connections).toHaveLength(0);
    expect(summary().slice(0, 2)).toEqual([
      "request denied PUT http://deathstar/v1/exhaust-port 0 no rule matched",
      "response forwarded PUT http://deathstar/v1/exhaust-port 403",
    ]);
  });

  test("every pipelined request is judged and the answers keep their order", async () => {
    await start();
    const sent = LAND + EXHAUST + LAND + EXHAUST + EXHAUST + LAND;
    const wanted = LANDED + DENIED + LANDED + DENIED + DENIED + LANDED;
    expect(await converse(proxy.dial(), [sent], times(3, "landed\n"))).toBe(wanted);
    expect(proxy.server.received).toBe(LAND + LAND + LAND);
  });

  test("a pipeline cut at every byte gives the same answers", async () => {
    await start();
    const sent = LAND + EXHAUST + LAND;
    expect(await converse(proxy.dial(), [...sent], times(2, "landed\n"))).toBe(LANDED + DENIED + LANDED);
    expect(proxy.server.received).toBe(LAND + LAND);
  });

  test("a body that looks like a request is a body", async () => {
    await start(policyOf(allow([{ method: "POST" }])));
    const body = EXHAUST;
    const sent = `POST / ${HEAD}Content-Length: ${body.length}\r\n\r\n${body}`;
    await converse(proxy.dial(), [sent], times(1, "landed\n"));
    expect(proxy.records.filter(({ type }) => type === "request")).toHaveLength(1);
  });

  test("a denied request's body is thrown away and the next request judged", async () => {
    await start();
    const denied = `PUT /x ${HEAD}Content-Length: ${LAND.length}\r\n\r\n${LAND}`;
    expect(await converse(proxy.dial(), [denied + LAND], times(1, "landed\n"))).toBe(DENIED + LANDED);
    expect(proxy.server.received).toBe(LAND);
  });

  test("a denied request that waits for 100-continue ends the connection", async () => {
    await start();
    const sent = `PUT /x ${HEAD}Expect: 100-continue\r\nContent-Length: 9\r\n\r\n`;
    const received = await converse(proxy.dial(), [sent]);
    expect(received).toMatch(/^HTTP\/1.1 403[\s\S]*connection: close\r\n\r\nAccess denied\r\n<end>$/);
  });

  test("a peer outside the rule's identities is denied, a deny rule before an allowing one decides, absent identities mean everybody", async () => {
    await start(policyOf(LANDING));
    proxy.origin = { ...FROM_EMPIRE, sourceIdentity: 5 };
    expect(await converse(proxy.dial(), [LAND], times(1, "denied\r\n"))).toBe(DENIED);
    await proxy.apply(policyOf({ deny: false, precedence: 0, origin: 0 }));
    expect(await converse(proxy.dial(), [LAND], times(1, "landed\n"))).toBe(LANDED);
    await proxy.apply(
      policyOf({ identities: [5], deny: true, precedence: 0, origin: 0 }, { deny: false, precedence: 0, origin: 0 }),
    );
    expect(await converse(proxy.dial(), [LAND], times(1, "denied\r\n"))).toBe(DENIED);
  });

  test("a new policy counts from the next request of an open connection", async () => {
    await start();
    const socket = proxy.dial();
    await new Promise((resolve) => {
      socket.once("data", resolve);
      socket.write(LAND);
    });
    await proxy.apply(policyOf(allow([{ method: "PUT" }])));
    expect(await converse(socket, [LAND], times(1, "denied\r\n"))).toBe(DENIED);
  });

  test("a changed identity counts from the next request of an open connection", async () => {
    await start(policyOf(LANDING));
    const socket = proxy.dial();
    await new Promise((resolve) => {
      socket.once("data", resolve);
      socket.write(LAND);
    });
    proxy.origin = { ...FROM_EMPIRE, sourceIdentity: 5 };
    expect(await converse(socket, [LAND], times(1, "denied\r\n"))).toBe(DENIED);
  });

  test("an unknown origin is refused before a byte is read", async () => {
    await start();
    proxy.origin = undefined;
    expect(await converse(proxy.dial(), [LAND])).toBe("<reset>");
    expect(summary()).toEqual(["request error   0 connection of unknown origin"]);
    expect(proxy.server.connections).toHaveLength(0);
  });

  test("the connections of a removed redirect end", async () => {
    await start();
    const socket = proxy.dial();
    const over = converse(socket, [LAND]);
    await waitFor(() => socket.bytesRead === LANDED.length);
    proxy.table.remove(871);
    expect(await over).toBe(`${LANDED}<end>`);
  });
});

describe("what reaches the server", () => {
  test.each([
    ["two lengths", `POST /v1/request-landing ${HEAD}Content-Length: 1\r\nContent-Length: 2\r\n\r\n`, 400],
    ["bare LF", "POST /v1/request-landing HTTP/1.1\nHost: deathstar\n\n", 400],
    ["chunked by another name", `POST /v1/request-landing ${HEAD}Transfer-Encoding: xchunked\r\n\r\n`, 501],
    ["a preface that is not HTTP/2's", "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", 505],
    ["head too large", `GET / ${HEAD}X: ${"a".repeat(70_000)}`, 431],
  ])("nothing of %s", async (_, sent, status) => {
    await start();
    const received = await converse(proxy.dial(), [sent]);
    expect(received).toMatch(new RegExp(`^HTTP/1.1 ${status} [\\s\\S]*connection: close\r\n\r\nBad request\r\n<end>$`));
    expect(proxy.server.connections).toHaveLength(0);
    expect(proxy.records[0]).toMatchObject({ type: "request", verdict: "error" });
    expect(proxy.records[0]!.reason).not.toBe("");
  });

  test("a chunk that lies ends both connections; nothing after it passes", async () => {
    await start(policyOf(LANDING), () => undefined);
    const head = `POST /v1/request-landing ${HEAD}Transfer-Encoding: chunked\r\n\r\n`;
    const good = `${head}3\r\nabc\r\n`;
    const received = await converse(proxy.dial(), [good, () => proxy.server.received === good, `zz\r\n${LAND}`]);
    expect(received).toMatch(/^HTTP\/1.1 400 /);
    expect(proxy.server.received).toBe(good);
  });

  test("the path in its normal form, the one that was judged", async () => {
    await start();
    const sent = `POST /v1/x/..//%72equest-landing ${HEAD}Content-Length: 0\r\n\r\n`;
    expect(await converse(proxy.dial(), [sent], times(1, "landed\n"))).toBe(LANDED);
    expect(proxy.server.received).toBe(LAND);
  });

  test("no escaped slash: the client is sent to the plain path", async () => {
    await start();
    const sent = `POST /v1%2frequest-landing ${HEAD}\r\n`;
    const received = await converse(proxy.dial(), [sent], times(1, "\r\n\r\n"));
    expect(received).toMatch(/^HTTP\/1.1 307 [\s\S]*location: \/v1\/request-landing\r\n/);
    expect(proxy.server.connections).toHaveLength(0);
  });

  test("no upgrade but WebSocket, and that only by an allowed request", async () => {
    await start(policyOf(allow([{ method: "GET" }])));
    const sent = `GET / ${HEAD}Connection: Upgrade\r\nUpgrade: TLS/1.0\r\n\r\n`;
    expect(await converse(proxy.dial(), [sent], times(1, "denied\r\n"))).toBe(DENIED);
    const post = `POST / ${HEAD}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`;
    expect(await converse(proxy.dial(), [post], times(1, "denied\r\n"))).toBe(DENIED);
    expect(proxy.server.connections).toHaveLength(0);
  });

  test("of an upgrade to HTTP/2 the request, without the wish", async () => {
    await start(policyOf(allow([{ method: "GET" }])));
    const h2c = `GET / ${HEAD}Connection: Upgrade, close, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAM\r\n\r\n`;
    expect(await converse(proxy.dial(), [h2c])).toBe(`${LANDED}<end>`);
    expect(proxy.server.received).toBe(`GET / ${HEAD}Connection: close\r\n\r\n`);
  });
});

describe("a WebSocket", () => {
  const UPGRADE = `GET /chat ${HEAD}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`;
  const SWITCHED = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n";
  const echo = (received: string, socket: Socket) =>
    socket.write(received.startsWith("GET") ? SWITCHED : received.toUpperCase());

  test("becomes a tunnel, with bytes that were sent too early", async () => {
    await start(policyOf(allow([{ path: "/chat" }])), echo);
    expect(await converse(proxy.dial(), [`${UPGRADE}early`, "late"], times(1, "LATE"))).toBe(`${SWITCHED}EARLYLATE`);
  });

  test("ends when the policy would no longer allow it", async () => {
    await start(policyOf(allow([{ path: "/chat" }])), echo);
    const socket = proxy.dial();
    const over = converse(socket, [UPGRADE]);
    await waitFor(() => socket.bytesRead === SWITCHED.length);
    await proxy.apply(policyOf(LANDING));
    expect(await over).toMatch(/^HTTP\/1.1 101 [\s\S]*<(?:end|reset)>$/);
  });

  test("that nobody asked for is a fault of the server", async () => {
    await start(policyOf(LANDING), answerEach(SWITCHED));
    expect(await converse(proxy.dial(), [LAND])).toMatch(/^HTTP\/1.1 502 /);
  });
});

describe("answers", () => {
  test("a server that cannot be reached is a 503", async () => {
    await start();
    proxy.server.close();
    const body = "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure";
    const received = await converse(proxy.dial(), [LAND, EXHAUST], times(1, "denied\r\n"));
    expect(received).toBe(
      `HTTP/1.1 503 Service Unavailable\r\ncontent-length: 98\r\ncontent-type: text/plain\r\nserver: shieldgate\r\n\r\n${body}${DENIED}`,
    );
    expect(summary()[1]).toMatch(/^response error POST \S+ 503 remote connection failure: ECONNREFUSED$/);
    expect(proxy.records[1]?.responseFlags).toBe("UF");
  });

  test("a server that hangs up before its answer is a 503, in its middle a reset or end", async () => {
    await start(policyOf(LANDING), (_, socket) => socket.destroy());
    expect(await converse(proxy.dial(), [LAND])).toMatch(/^HTTP\/1.1 503 /);
    await proxy.close();
    await start(policyOf(LANDING), (_, socket) => socket.end("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc"));
    expect(await converse(proxy.dial(), [LAND])).toMatch(/abc<(?:end|reset)>$/);
  });

  test("an answer that could be read in two ways is a 502", async () => {
    await start(
      policyOf(LANDING),
      answerEach("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
    );
    expect(await converse(proxy.dial(), [LAND])).toMatch(/^HTTP\/1.1 502 /);
  });

  test("bytes after an answer are not taken for the next one", async () => {
    await start(policyOf(LANDING), answerEach(`${LANDED}HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged`));
    expect(await converse(proxy.dial(), [LAND, LAND], times(2, "landed\n"))).toBe(LANDED + LANDED);
    expect(proxy.server.connections).toHaveLength(2);
  });

  test("100-continue, HEAD, 204, chunks and until-close pass", async () => {
    await start(policyOf({ deny: false, precedence: 0, origin: 0 }), (received, socket) => {
      if (received.startsWith("POST")) socket.write("HTTP/1.1 100 Continue\r\n\r\n");
      // head and body may come in one piece
      if (received.endsWith("body")) socket.write("HTTP/1.1 204 No Content\r\n\r\n");
      else if (received.startsWith("HEAD")) socket.write("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n");
      else if (received.startsWith("GET /c"))
        socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n");
      else if (received.startsWith("GET /d")) socket.end("HTTP/1.1 200 OK\r\n\r\nuntil close");
    });
    const parts = [
      `POST / ${HEAD}Expect: 100-continue\r\nContent-Length: 4\r\n\r\n`,
      "body",
      `HEAD / ${HEAD}\r\n`,
      `GET /c ${HEAD}\r\n`,
      `GET /d ${HEAD}\r\n`,
    ];
    expect(await converse(proxy.dial(), parts)).toBe(
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n" +
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\nuntil close<end>",
    );
    expect(proxy.records.filter(({ type }) => type === "response").map(({ status }) => status)).toEqual([
      204, 200, 200, 200,
    ]);
  });

  test("a client that closes its half still gets its answer", async () => {
    await start();
    const socket = proxy.dial();
    socket.end(LAND);
    expect(await converse(socket, [])).toBe(`${LANDED}<end>`);
  });

  test("HTTP/1.0 and Connection: close end the connection after the answer", async () => {
    await start();
    expect(await converse(proxy.dial(), ["POST /v1/request-landing HTTP/1.0\r\n\r\n"])).toBe(`${LANDED}<end>`);
    expect(await converse(proxy.dial(), [LAND.replace("Content", "Connection: close\r\nContent")])).toBe(
      `${LANDED}<end>`,
    );
  });

  test("an HTTP/1.0 client never sees an interim answer", async () => {
    await start(policyOf(LANDING), answerEach(`HTTP/1.1 103 Early Hints\r\n\r\n${LANDED}`));
    expect(await converse(proxy.dial(), ["POST /v1/request-landing HTTP/1.0\r\n\r\n"])).toBe(`${LANDED}<end>`);
  });

  test("a large body and a large answer pass a slow pair whole, without piling up", async () => {
    const size = 48 * 1024 * 1024;
    await start(policyOf({ deny: false, precedence: 0, origin: 0 }), () => undefined);
    const socket = proxy.dial();
    socket.write(`POST / ${HEAD}Content-Length: ${size}\r\n\r\n`);
    const accepted = await waitFor(() => proxy.server.connections[0]?.socket);
    accepted.pause();
    const body = Buffer.alloc(size, "b");
    socket.write(body);
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(socket.writableLength).toBeGreaterThan(0);
    accepted.removeAllListeners("data");
    expect(await countBytes(accepted, size - 1)).toBeGreaterThanOrEqual(size - 1);
    accepted.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
    accepted.write(body);
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(accepted.writableLength).toBeGreaterThan(0);
    expect(await countBytes(socket, size)).toBeGreaterThan(size);
  });
});

function countBytes(socket: Socket, wanted: number): Promise<number> {
  let count = 0;
  return new Promise((resolve) => {
    socket.on("data", (chunk) => {
      count += chunk.length;
      if (count >= wanted) resolve(count);
    });
    socket.resume();
  });
}

async function waitFor<T>(read: () => T | undefined | false): Promise<T> {
  for (let tries = 0; tries < 1000; tries++) {
    const value = read();
    if (value !== undefined && value !== false) return value;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error("it did not come in 10 s");
}
