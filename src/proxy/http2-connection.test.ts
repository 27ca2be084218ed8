import type { ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import {
  asking,
  END_STREAM,
  FrameConnection,
  FrameType,
  frame,
  headers,
  PREFACE,
  settings,
  u32,
} from "../../test/support/http2-frames.ts";
import { answerOf, ask, Http2Proxy, type Http2ProxyOptions, waitFor } from "../../test/support/loopback-http2.ts";
import { allow, FROM_EMPIRE } from "../../test/support/loopback-proxy.ts";

const LANDING = allow([{ method: "POST", path: "/v1/request-landing" }]);
const EVERYTHING = { deny: false, precedence: 0, origin: 0 };
const LAND = { ":method": "POST", ":path": "/v1/request-landing", ":authority": "deathstar" };
const EXHAUST = { ":method": "PUT", ":path": "/v1/exhaust-port", ":authority": "deathstar" };
const GET = { ":path": "/x", ":authority": "deathstar" };
const GRPC = { "content-type": "application/grpc", te: "trailers" };
const CANCEL = 8;

let proxy: Http2Proxy;
afterEach(() => proxy.close());

async function start(options: Partial<Http2ProxyOptions> = {}): Promise<void> {
  proxy = await new Http2Proxy({ rules: [LANDING], ...options }).start();
}

/** A server that sends its SETTINGS and nothing else by itself. */
async function startFrameServer(): Promise<FrameConnection[]> {
  const connections: FrameConnection[] = [];
  const accept = (socket: Socket) => {
    connections.push(new FrameConnection(socket, PREFACE.length));
    socket.write(settings());
  };
  await start({ rules: [EVERYTHING], accept });
  return connections;
}

/** A client that has sent half a body, and the server that has it. */
async function halfOfABody() {
  const servers = await startFrameServer();
  const client = new FrameConnection(proxy.dial());
  client.send(
    PREFACE,
    settings(),
    headers(1, asking("POST", "/"), 0),
    frame(FrameType.Data, 0, 1, Buffer.from("half")),
  );
  const server = await waitFor(() => (servers[0]?.of(FrameType.Data).length ?? 0) > 0 && servers[0]);
  return { client, server };
}

const land = (stream: ServerHttp2Stream) => {
  stream.respond({ ":status": 200, "x-ship": ["tie", "wing"] });
  stream.end("Ship landed\n");
};

describe("verdicts", () => {
  test("an allowed request passes and is recorded with its answer", async () => {
    await start({ serve: land });
    const answer = await ask(proxy.connect(), { ...LAND, "x-a": ["1", "2"], cookie: ["a=1", "b=2"] }, "body");
    expect(answer).toMatchObject({ status: 200, body: "Ship landed\n", code: 0 });
    expect(answer.headers["x-ship"]).toBe("tie, wing");
    expect(proxy.seen).toEqual(["POST /v1/request-landing"]);
    expect(proxy.summary).toEqual([
      "request forwarded POST http://deathstar/v1/request-landing 0",
      "response forwarded POST http://deathstar/v1/request-landing 200",
    ]);
    expect(proxy.records[0]).toMatchObject({ protocol: "HTTP/2", sourceIdentity: 19274, endpointId: 871 });
    expect(proxy.records[0]!.headers).toContainEqual({ name: "cookie", value: "a=1; b=2" });
  });

  test("a denied request gets 403 and opens no connection to the server", async () => {
    await start();
    const session = proxy.connect();
    const answer = await ask(session, EXHAUST, "x".repeat(100_000));
    expect(answer).toMatchObject({ status: 403, body: "Access denied\r\n", code: 0 });
    expect(answer.headers["content-length"]).toBe("15");
    expect(await ask(session, { ...EXHAUST, ":method": "HEAD" })).toMatchObject({ status: 403, body: "" });
    expect(proxy.dialled).toBe(0);
    expect(proxy.summary.slice(0, 2)).toEqual([
      "request denied PUT http://deathstar/v1/exhaust-port 0 no rule matched",
      "response forwarded PUT http://deathstar/v1/exhaust-port 403",
    ]);
  });

  test("a denied gRPC call gets PERMISSION_DENIED in an answer that is all trailers", async () => {
    await start();
    const answer = await ask(proxy.connect(), { ...EXHAUST, ...GRPC }, "call");
    expect(answer).toMatchObject({ status: 200, body: "" });
    expect(answer.headers).toMatchObject({
      "content-type": "application/grpc",
      "grpc-status": "7",
      "grpc-message": "Access denied%0D%0A",
    });
    expect(proxy.seen).toEqual([]);
  });

  test("streams of one connection are judged each for itself, however they interleave", async () => {
    await start({ serve: land });
    const session = proxy.connect();
    const requests = Array.from({ length: 300 }, (_, index) => (index % 3 === 1 ? LAND : EXHAUST));
    const answers = await Promise.all(
      requests.map((request, index) => ask(session, request, index % 2 === 0 ? "b".repeat(index * 50) : undefined)),
    );
    expect(answers.map(({ status }) => status)).toEqual(requests.map((request) => (request === LAND ? 200 : 403)));
    expect(new Set(proxy.seen)).toEqual(new Set(["POST /v1/request-landing"]));
    expect(proxy.seen).toHaveLength(100);
    expect(proxy.dialled).toBe(1);
  });

  test("a peer outside the rule's identities is denied, from the next stream of an open connection on", async () => {
    await start({ serve: land });
    const session = proxy.connect();
    expect((await ask(session, LAND)).status).toBe(200);
    proxy.origin = { ...FROM_EMPIRE, sourceIdentity: 5 };
    expect((await ask(session, LAND)).status).toBe(403);
    proxy.origin = undefined;
    expect((await ask(session, LAND)).status).toBe(403);
    expect(proxy.seen).toHaveLength(1);
  });

  test("the server gets the path that was judged, and one authority", async () => {
    let headers = {};
    await start({
      serve: (stream, given) => {
        headers = given;
        land(stream);
      },
    });
    const request = { ":method": "POST", ":path": "/v1/x/..//%72equest-landing", host: "deathstar" };
    expect((await ask(proxy.connect(), request)).status).toBe(200);
    expect(headers).toMatchObject({ ":path": "/v1/request-landing", ":authority": "deathstar" });
    expect(headers).not.toHaveProperty("host");
  });

  test("rules add, replace and delete headers of what they let pass, and records say so", async () => {
    let headers = {};
    const serve = (stream: ServerHttp2Stream, given: object) => {
      headers = given;
      land(stream);
    };
    const headerMatches = [
      { name: "X-Side", value: "empire", mismatch: "REPLACE" as const },
      { name: "X-Added", value: "yes", mismatch: "ADD" as const },
    ];
    await start({ rules: [allow([{ headerMatches }])], serve });
    expect((await ask(proxy.connect(), { ...LAND, "x-side": "rebels" })).status).toBe(200);
    expect(headers).toMatchObject({ "x-side": "empire", "x-added": "yes" });
    expect(proxy.records[0]?.rejectedHeaders).toEqual([{ name: "x-side", value: "rebels" }]);
  });

  test("an escaped slash sends the client to the plain path, a gRPC client nowhere", async () => {
    await start();
    const path = { ":path": "/v1%2frequest-landing" };
    const answer = await ask(proxy.connect(), { ...LAND, ...path });
    expect(answer).toMatchObject({ status: 307, headers: { location: "/v1/request-landing" } });
    expect((await ask(proxy.connect(), { ...LAND, ...path, ...GRPC })).headers["grpc-status"]).toBe("13");
    expect(proxy.seen).toEqual([]);
  });

  test.each([
    ["two hosts", ["host", "alderaan"], 400],
    ["CONNECT", [], 501],
  ])("what has no one meaning is refused: %s", async (name, more, status) => {
    await start({ rules: [EVERYTHING] });
    const section =
      name === "CONNECT"
        ? [":method", "CONNECT", ":authority", "deathstar:80"]
        : [...Object.entries(LAND).flat(), ":scheme", "http", ...more];
    expect(await ask(proxy.connect(), section)).toMatchObject({ status, body: "Bad request\r\n" });
    expect(proxy.records[0]).toMatchObject({ type: "request", verdict: "error", protocol: "" });
    expect(proxy.dialled).toBe(0);
  });
});

describe("a policy that changes", () => {
  test("counts from the next stream, and ends open streams that it would not open", async () => {
    await start({ rules: [EVERYTHING], serve: (stream) => stream.respond() });
    const session = proxy.connect();
    const kept = session.request(LAND, { endStream: true });
    const open = session.request({ ...EXHAUST, ...GRPC });
    const over = answerOf(open);
    void answerOf(kept);
    open.write("call");
    await Promise.all([kept, open].map((stream) => new Promise((resolve) => stream.once("response", resolve))));
    proxy.apply([LANDING]);
    expect(await over).toMatchObject({ status: 200, code: CANCEL });
    expect(kept.closed).toBe(false);
    expect((await ask(session, EXHAUST)).status).toBe(403);
    expect((await ask(session, GET)).status).toBe(403);
    expect(proxy.seen).toHaveLength(2);
  });

  test("answers 403 to a forbidden request that the server has not answered yet, and cancels it there", async () => {
    const codes: (number | undefined)[] = [];
    await start({ rules: [EVERYTHING], serve: (stream) => stream.on("close", () => codes.push(stream.rstCode)) });
    const answer = ask(proxy.connect(), EXHAUST);
    await waitFor(() => proxy.seen.length > 0);
    proxy.apply([LANDING]);
    expect(await answer).toMatchObject({ status: 403, body: "Access denied\r\n" });
    expect(await waitFor(() => codes[0])).toBe(CANCEL);
  });

  test("that takes the redirect away lets open streams end and takes no new one", async () => {
    let held: ServerHttp2Stream | undefined;
    await start({
      serve: (stream) => {
        held = stream;
        stream.respond();
      },
    });
    const session = proxy.connect();
    const answer = ask(session, LAND);
    const stream = await waitFor(() => held);
    const goodbye = new Promise((resolve) => session.once("goaway", resolve));
    proxy.apply(undefined);
    expect(await goodbye).toBe(0);
    stream.end("late");
    expect(await answer).toMatchObject({ status: 200, body: "late", code: 0 });
    await waitFor(() => proxy.connections.size === 0);
  });

  test("that takes the redirect away ends streams that do not end by themselves", async () => {
    await start({ limits: { drainMs: 50 }, serve: (stream) => stream.respond() });
    const answer = ask(proxy.connect(), LAND);
    await waitFor(() => proxy.seen.length > 0);
    proxy.apply(undefined);
    expect((await answer).code).not.toBe(0);
    await waitFor(() => proxy.connections.size === 0);
  });
});

describe("messages", () => {
  test("trailers, interim answers and both bodies pass", async () => {
    let trailers = {};
    await start({
      rules: [EVERYTHING],
      serve: (stream) => {
        stream.additionalHeaders({ ":status": 103, link: "</a>" });
        stream.on("trailers", (given) => {
          trailers = given;
        });
        stream.respond({ ":status": 200 }, { waitForTrailers: true });
        stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "5", "x-b": ["1", "2"] }));
        stream.pipe(stream);
      },
    });
    const answer = await ask(proxy.connect(), { ...LAND, te: "trailers" }, "echo", { "x-checksum": "9" });
    expect(answer).toMatchObject({ status: 200, body: "echo", interim: [103], code: 0 });
    expect(answer.trailers).toMatchObject({ "grpc-status": "5", "x-b": "1, 2" });
    expect(trailers).toMatchObject({ "x-checksum": "9" });
  });

  test("a trailer that would direct a message ends the stream on both sides", async () => {
    const { client, server } = await halfOfABody();
    client.send(headers(1, ["authorization", "x"]));
    expect([await waitFor(() => client.reset(1)), await waitFor(() => server.reset(1))]).toEqual([1, 1]);
    expect(server.received.some(({ stream, flags }) => stream === 1 && (flags & END_STREAM) !== 0)).toBe(false);
  });

  test.each([
    ["", frame(FrameType.Data, END_STREAM, 1, Buffer.from("half"))],
    [", trailers or not", Buffer.concat([frame(FrameType.Data, 0, 1, new Uint8Array(2)), headers(1, ["x-a", "1"])])],
  ])("a body that is not as long as announced is no whole one%s", async (_, rest) => {
    const servers = await startFrameServer();
    const client = new FrameConnection(proxy.dial());
    client.send(PREFACE, settings(), headers(1, [...asking("POST", "/"), "content-length", "9"], 0));
    await waitFor(() => (servers[0]?.of(FrameType.Headers).length ?? 0) > 0);
    client.send(rest);
    expect([await waitFor(() => client.reset(1)), await waitFor(() => servers[0]!.reset(1))]).toEqual([1, 1]);
    expect(servers[0]!.received.some(({ stream, flags }) => stream === 1 && (flags & END_STREAM) !== 0)).toBe(false);
  });

  test("a refused request is answered after its rest, or a moment", { retry: 3 }, async () => {
    await start({ rules: [LANDING] });
    const client = new FrameConnection(proxy.dial());
    const isAnswered = (id: number) => client.of(FrameType.Data, id).some(({ flags }) => (flags & END_STREAM) !== 0);
    client.send(PREFACE, settings(), headers(1, asking("PUT", "/exhaust-port"), 0));
    client.send(headers(3, asking("GET", "/other")));
    await waitFor(() => isAnswered(3));
    expect(isAnswered(1)).toBe(false);
    client.send(frame(FrameType.Data, END_STREAM, 1, Buffer.from("late")));
    await waitFor(() => isAnswered(1));
    client.send(headers(5, asking("PUT", "/exhaust-port"), 0));
    await waitFor(() => client.of(FrameType.RstStream, 5).length > 0);
    expect([isAnswered(5), client.reset(5), client.reset(3), client.reset(1)]).toEqual([true, 0, undefined, undefined]);
  });

  test("100-continue reaches the client before it sends its body", async () => {
    await start({
      rules: [EVERYTHING],
      serve: (stream) => {
        stream.additionalHeaders({ ":status": 100 });
        stream.respond();
        stream.pipe(stream);
      },
    });
    const stream = proxy.connect().request({ ...LAND, expect: "100-continue" });
    const answer = answerOf(stream);
    stream.once("continue", () => stream.end("now"));
    expect(await answer).toMatchObject({ status: 200, body: "now", interim: [100] });
  });

  test.each([
    ["HEAD", { ":method": "HEAD" }, 200, { "content-length": "7" }],
    ["204", {}, 204, {}],
    ["304", {}, 304, { "content-length": "7" }],
  ])("an answer without a body stays one: %s", async (_, request, status, headers) => {
    await start({
      rules: [EVERYTHING],
      serve: (stream) => stream.respond({ ":status": status, ...headers }, { endStream: true }),
    });
    const answer = await ask(proxy.connect(), { ...GET, ...request });
    expect(answer).toMatchObject({ status, body: "", code: 0, headers });
  });

  test("a large body and a large answer pass a slow pair whole, and little of them waits in between", async () => {
    const size = 16 << 20;
    let arrived = 0;
    let held: ServerHttp2Stream | undefined;
    await start({
      rules: [EVERYTHING],
      serve: (stream) => {
        held = stream;
        stream.pause();
        stream.on("data", (chunk) => {
          arrived += chunk.length;
        });
        stream.pause();
      },
    });
    const session = proxy.connect();
    const stream = session.request(LAND);
    const answer = answerOf(stream);
    stream.end(Buffer.alloc(size, "b"));
    const server = await waitFor(() => held);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(arrived).toBe(0);
    // other streams of the connection are not held up
    expect(
      await Promise.race([ask(session, { ...GET, ":path": "/other" }), waitFor(() => proxy.seen.length === 2)]),
    ).toBe(true);
    server.resume();
    await waitFor(() => arrived === size);
    server.respond();
    server.end(Buffer.alloc(size, "a"));
    expect((await answer).body).toHaveLength(size);
  });
});

describe("resets", () => {
  test("of the client reach the server with their code", async () => {
    const codes: (number | undefined)[] = [];
    await start({ serve: (stream) => stream.on("close", () => codes.push(stream.rstCode)) });
    const stream = proxy.connect().request(LAND);
    void answerOf(stream);
    await waitFor(() => proxy.seen.length > 0);
    stream.close(CANCEL);
    expect(await waitFor(() => codes[0])).toBe(CANCEL);
  });

  test("of the client's connection end the server's; half a body is never passed off as a whole one", async () => {
    const { client, server } = await halfOfABody();
    client.socket.destroy();
    await waitFor(() => server.ended);
    expect(server.received.some(({ stream, flags }) => stream === 1 && (flags & END_STREAM) !== 0)).toBe(false);
  });

  test("of the server reach the client with their code once the answer has begun, and it is no whole answer", async () => {
    const servers = await startFrameServer();
    const client = new FrameConnection(proxy.dial());
    client.send(PREFACE, settings(), headers(1, asking("GET", "/")));
    const server = await waitFor(() => (servers[0]?.of(FrameType.Headers).length ?? 0) > 0 && servers[0]);
    server.send(headers(1, [":status", "200"], 0), frame(FrameType.Data, 0, 1, Buffer.from("part")));
    server.send(frame(FrameType.RstStream, 0, 1, u32(11)));
    expect(await waitFor(() => client.reset(1))).toBe(11);
    expect(client.received.some(({ stream, flags }) => stream === 1 && (flags & END_STREAM) !== 0)).toBe(false);
    expect(Buffer.concat(client.of(FrameType.Data).map(({ payload }) => payload)).toString()).toBe("part");
  });

  test("of the server that spare the rest of a body pass as such", async () => {
    await start({
      serve: (stream) => {
        stream.respond({ ":status": 413 });
        stream.end("enough", () => stream.close(0));
      },
    });
    const stream = proxy.connect().request(LAND);
    const answer = answerOf(stream);
    stream.write("a body without an end");
    expect(await answer).toMatchObject({ status: 413, body: "enough", code: 0 });
  });
});
