import type { ProxyOrigin } from "../model/proxy-origin.ts";
import { ErrorCode } from "../wire/http2-frame.ts";
import { Http2Session } from "../wire/http2-session.ts";
import type { Http2StreamEvents } from "../wire/http2-stream.ts";
import { latin1Bytes } from "../wire/latin1.ts";
import { BatchWriter } from "./access-batch.ts";
import type { ByteStream } from "./byte-stream.ts";
import { CLIENT_LIMITS } from "./client-connection.ts";
import { streamPair } from "./epoll/pair.ts";
import { HttpDetection } from "./http-detection.ts";
import { HTTP2_LIMITS } from "./http2-limits.ts";
import { Http2Output } from "./http2-output.ts";
import { Http2Upstream } from "./http2-upstream.ts";
import type { ProxySockets } from "./listeners.ts";
import { RequestPolicy } from "./request-policy.ts";

/** Measured: what is run so often is compiled by then, and more of it changes nothing that can be seen. */
const CONNECTIONS = 300;
const REQUESTS_OF_A_CONNECTION = 10;
const STREAMS = 3000;
const STREAMS_AT_ONCE = 20;

const ORIGIN: ProxyOrigin = { sourceIdentity: 1, destinationIdentity: 2, endpoint: 0, direction: "ingress" };
const POLICY = new RequestPolicy({
  key: "warm-up",
  direction: "ingress",
  protocol: 6,
  port: 80,
  parser: "http",
  rules: [{ identities: [1], http: [{ method: "GET", path: "/warm/.*" }], deny: false, precedence: 1, origin: 0 }],
});
const BODY = latin1Bytes("warm\n");
const ANSWER = latin1Bytes("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nwarm\n");
const ANSWER_SECTION = [":status", "200", "content-type", "text/plain", "content-length", "5"];
const SECTION = [":method", "GET", ":scheme", "http", ":authority", "warm", ":path", "/warm/up", "user-agent", "proxy"];
const NOTHING: readonly string[] = [];
const SILENT: Http2StreamEvents = { headers() {}, data() {}, sent() {}, closed() {} };

/**
 * Wraps sockets so that the first port that HTTP is served at sets off a warm-up: JavaScript is compiled where it has run
 * often, and the first thousands of requests of a pod would pay for it. A proxy that serves no HTTP does nothing of it.
 * `failed` is told once when it could not be done, which costs speed alone.
 */
export function warming(sockets: ProxySockets, failed: (error: unknown) => void, warm = warmUp): ProxySockets {
  let isCold = true;
  return {
    ...sockets,
    async listenStreams(...listening) {
      const listener = await sockets.listenStreams(...listening);
      if (isCold) setImmediate(() => void warm().catch(failed));
      isCold = false;
      return listener;
    },
  };
}

/** Runs requests of its own through the code that serves clients, over socket pairs; nothing of them is seen from outside. */
export async function warmUp(): Promise<void> {
  const batch = new BatchWriter();
  for (let count = 0; count < CONNECTIONS; count++) await overHttp1(batch);
  await overHttp2(batch);
}

function serve(client: ByteStream, batch: BatchWriter, connectStream: () => ByteStream): void {
  const facts = { clientAddress: "127.0.0.1", clientPort: 1, serverAddress: "127.0.0.1", serverPort: 80 };
  new HttpDetection({
    client,
    facts: { ...facts, origin: ORIGIN },
    origin: () => ORIGIN,
    policy: () => POLICY,
    connectUpstream: () => {
      throw new Error("HTTP needs no socket of node's");
    },
    connectStream,
    record: (record) => batch.append(record),
    now: Date.now,
    connectTimeoutMs: CLIENT_LIMITS.lingerMs,
    limits: CLIENT_LIMITS,
  });
  batch.take();
}

/** One connection, its last request the one that ends it. */
function overHttp1(batch: BatchWriter): Promise<void> {
  const [client, accepted] = streamPair();
  serve(accepted, batch, () => {
    const [upstream, server] = streamPair();
    server.on("data", () => server.write(ANSWER));
    server.on("error", () => server.destroy());
    server.on("end", () => server.destroy());
    return upstream;
  });
  let left = REQUESTS_OF_A_CONNECTION;
  const ask = () => {
    left--;
    client.write(
      latin1Bytes(`GET /warm/${left} HTTP/1.1\r\nHost: warm\r\n${left === 0 ? "Connection: close\r\n" : ""}\r\n`),
    );
  };
  return new Promise((resolve, reject) => {
    client.on("data", () => {
      if (left > 0) ask();
    });
    client.on("end", () => client.destroy());
    client.on("error", reject);
    client.on("close", () => (left === 0 ? resolve() : reject(new Error("a connection of the warm-up ended early"))));
    ask();
  });
}

/** One connection with many streams. */
function overHttp2(batch: BatchWriter): Promise<void> {
  const [client, accepted] = streamPair();
  serve(accepted, batch, () => {
    const [upstream, server] = streamPair();
    answerHttp2(server);
    return upstream;
  });
  return new Promise((resolve, reject) => {
    const asking = new Http2Upstream(client, CLIENT_LIMITS.lingerMs, HTTP2_LIMITS, Date.now, () => undefined);
    let begun = 0;
    let over = 0;
    const events: Http2StreamEvents = {
      ...SILENT,
      closed: (_, code) => {
        if (code !== ErrorCode.None) reject(new Error(`a stream of the warm-up was reset: ${code}`));
        else if (++over === STREAMS) resolve(asking.destroy());
        else if (begun < STREAMS) ask();
      },
    };
    const ask = () => {
      begun++;
      asking.ask({
        granted: () => void asking.open(SECTION, NOTHING, true, events),
        failed: ({ failure }) => reject(new Error(failure)),
      });
    };
    for (let count = 0; count < STREAMS_AT_ONCE; count++) ask();
  });
}

function answerHttp2(stream: ByteStream): void {
  const output = new Http2Output(stream, () => session.pump());
  const session = new Http2Session({
    role: "server",
    limits: HTTP2_LIMITS,
    now: Date.now,
    output,
    events: {
      opened: (one) => {
        one.sendHeaders(ANSWER_SECTION, NOTHING, false);
        one.sendData(BODY, true);
      },
      ready: () => undefined,
      goaway: () => undefined,
      failed: () => stream.destroy(),
    },
  });
  stream.on("data", (chunk) => session.receive(chunk));
  stream.on("error", () => stream.destroy());
  stream.on("end", () => stream.destroy());
}
