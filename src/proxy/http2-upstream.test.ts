import { performServerHandshake, type ServerHttp2Stream } from "node:http2";
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
} from "../../test/support/http2-frames.ts";
import { ask, Http2Proxy, type Http2ProxyOptions, waitFor } from "../../test/support/loopback-http2.ts";

const EVERYTHING = { deny: false, precedence: 0, origin: 0 };
const LAND = { ":method": "POST", ":path": "/v1/request-landing", ":authority": "deathstar" };
const GRPC = { "content-type": "application/grpc", te: "trailers" };

let proxy: Http2Proxy;
afterEach(() => proxy.close());

async function start(options: Partial<Http2ProxyOptions> = {}): Promise<void> {
  proxy = await new Http2Proxy({ rules: [EVERYTHING], ...options }).start();
}

const land = (stream: ServerHttp2Stream) => {
  stream.respond();
  stream.end("Ship landed\n");
};

describe("a server that does not answer", () => {
  const GONE = "upstream connect error or disconnect/reset before headers. reset reason: ";

  test("a server that cannot be reached is a 503; UNAVAILABLE for gRPC", async () => {
    await start();
    await proxy.stopServer();
    const session = proxy.connect();
    expect(await ask(session, LAND)).toMatchObject({ status: 503, body: `${GONE}remote connection failure` });
    expect(proxy.summary.at(-1)).toMatch(/^response error POST \S+ 503 remote connection failure: ECONNREFUSED$/);
    expect((await ask(session, { ...LAND, ...GRPC }, "call")).headers).toMatchObject({ "grpc-status": "14" });
  });

  test.each<[string, (stream: ServerHttp2Stream) => void, number, string]>([
    ["resets the stream", (stream) => stream.close(2), 503, "remote reset"],
    ["refuses the stream", (stream) => stream.close(7), 503, "remote refused stream reset"],
    ["hangs up", (stream) => stream.session?.destroy(), 503, "connection termination"],
    ["answers nonsense", (stream) => stream.close(1), 502, "protocol error"],
  ])("a server that %s before its answer", async (_, serve, status, reason) => {
    await start({ serve });
    expect(await ask(proxy.connect(), LAND)).toMatchObject({ status, body: GONE + reason, code: 0 });
    expect(proxy.records.at(-1)).toMatchObject({ type: "response", verdict: "error", status });
  });

  test("a server that hangs up within its answer is a reset, never a whole answer", async () => {
    await start({
      serve: (stream) => {
        stream.respond();
        stream.write("part", () => stream.session?.destroy());
      },
    });
    const answer = await ask(proxy.connect(), LAND);
    expect(answer).toMatchObject({ status: 200 });
    expect(answer.code).not.toBe(0);
  });

  test("a server that goes away gracefully is left after its last answer; the next request gets another connection", async () => {
    await start({ serve: land });
    const session = proxy.connect();
    expect((await ask(session, LAND)).status).toBe(200);
    await new Promise<void>((resolve) => proxy.serverSessions[0]!.close(resolve));
    expect((await ask(session, LAND)).status).toBe(200);
    expect(proxy.dialled).toBe(2);
  });

  test("a stream that the server refused is asked for once more, where nothing of it can have been done", async () => {
    let refusals = 0;
    const serve = (stream: ServerHttp2Stream) => {
      if (refusals++ > 0) land(stream);
      else stream.close(7);
    };
    await start({ serve });
    expect(await ask(proxy.connect(), LAND)).toMatchObject({ status: 200 });
    expect([proxy.seen.length, proxy.records.length]).toEqual([2, 2]);
    refusals = 0;
    expect(await ask(proxy.connect(), LAND, "body")).toMatchObject({ status: 503 });
    expect(proxy.seen).toHaveLength(3);
  });

  test("what a server's goodbye found waiting or unread goes to another connection", async () => {
    const goingAway = (socket: Socket) => {
      const server = new FrameConnection(socket, PREFACE.length);
      server.send(settings(3, 1)); // one stream at a time
      socket.on("data", () => {
        if (server.of(FrameType.Headers).length > 0) server.send(frame(FrameType.Goaway, 0, 0, new Uint8Array(8)));
      });
    };
    const answering = (socket: Socket) =>
      performServerHandshake(socket).on("stream", (stream) => stream.respond({ ":status": 204 }, { endStream: true }));
    await start({ accept: (socket) => (proxy.dialled === 1 ? goingAway(socket) : answering(socket)) });
    const session = proxy.connect();
    const answers = await Promise.all([ask(session, LAND), ask(session, LAND, "body")]);
    expect(answers.map(({ status }) => status)).toEqual([204, 204]);
    expect(proxy.dialled).toBe(2);
  });

  test("an answer that is over and says that it is not is no answer", async () => {
    await start({ serve: (stream) => stream.respond({ "content-length": "5" }, { endStream: true }) });
    expect(await ask(proxy.connect(), { ...LAND, ":method": "GET" })).toMatchObject({ status: 502 });
    expect(await ask(proxy.connect(), { ...LAND, ":method": "HEAD" })).toMatchObject({ status: 200 });
  });

  test("a server of HTTP/1 gets no request, not even one hidden in a body, and the client a 502", async () => {
    let received = "";
    await start({
      rules: [EVERYTHING],
      accept: (socket) => {
        socket.on("data", (chunk) => {
          received += chunk.toString("latin1");
          socket.write("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        });
      },
    });
    const answer = await ask(proxy.connect(), LAND, "\r\nPUT /v1/exhaust-port HTTP/1.1\r\nHost: deathstar\r\n\r\n");
    expect(answer).toMatchObject({ status: 502, body: `${GONE}protocol error` });
    expect(received).toMatch(/^PRI \* HTTP\/2.0\r\n\r\nSM\r\n\r\n/);
    expect(received).not.toContain("exhaust-port");
    expect(received).not.toContain("deathstar");
  });

  test("a server that says nothing is a 503, and got no request", async () => {
    let received = "";
    await start({
      accept: (socket) => {
        socket.on("data", (chunk) => {
          received += chunk.toString("latin1");
        });
      },
    });
    proxy.connectTimeoutMs = 50;
    expect(await ask(proxy.connect(), LAND, "b")).toMatchObject({ status: 503, body: `${GONE}connection timeout` });
    expect(received).not.toContain("deathstar");
  });

  test("a server that answers too much in advance is a 502", async () => {
    await start({
      limits: { interimAnswers: 3 },
      serve: (stream) => {
        for (let count = 0; count < 4; count++) stream.additionalHeaders({ ":status": 103 });
      },
    });
    expect(await ask(proxy.connect(), LAND)).toMatchObject({ status: 502, interim: [103, 103, 103] });
  });

  test("a server that pushes is left", async () => {
    await start({
      serve: (stream) => {
        expect(stream.pushAllowed).toBe(false);
        stream.respond({ ":status": 204 }, { endStream: true });
      },
    });
    expect((await ask(proxy.connect(), LAND)).status).toBe(204);
  });
});

test("a server that has answered gets no more of a body that a new policy forbids", async () => {
  const servers: FrameConnection[] = [];
  const accept = (socket: Socket) => {
    servers.push(new FrameConnection(socket, PREFACE.length));
    socket.write(settings(4, 4)); // a window of 4 bytes
  };
  await start({ accept });
  const client = new FrameConnection(proxy.dial());
  const body = frame(FrameType.Data, END_STREAM, 1, Buffer.from("half of it"));
  client.send(PREFACE, settings(), headers(1, asking("POST", "/"), 0), body);
  await waitFor(() => servers[0]?.of(FrameType.Data)[0]);
  servers[0]!.send(headers(1, [":status", "200"]));
  await waitFor(() => client.of(FrameType.Headers, 1)[0]);
  expect(servers[0]!.reset(1)).toBeUndefined();
  proxy.apply([]);
  expect(await waitFor(() => servers[0]!.reset(1))).toBe(8);
  expect(servers[0]!.of(FrameType.Data).map(({ payload }) => String(payload))).toEqual(["half"]);
});
