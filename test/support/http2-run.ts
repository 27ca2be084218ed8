/** One HTTP/2 client connection through the proxy, in memory, with nghttp2 as the server. */
import { performServerHandshake, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import type { AccessRecord } from "../../src/model/access-record.ts";
import type { HttpRule } from "../../src/policy/l7-rule.ts";
import { CLIENT_LIMITS } from "../../src/proxy/client-connection.ts";
import { HttpDetection } from "../../src/proxy/http-detection.ts";
import { RequestPolicy } from "../../src/proxy/request-policy.ts";
import { HpackDecoder } from "../../src/wire/hpack-decoder.ts";
import { FrameConnection, FrameType } from "./http2-frames.ts";
import { allow, FROM_EMPIRE, redirect } from "./loopback-proxy.ts";
import { memoryConnection } from "./memory-socket.ts";

/** What became of a stream of bytes. */
export interface Http2Run {
  /** What each stream got, in the order of its frames: a status, `end`, `reset 8`. */
  readonly streams: Readonly<Record<number, string>>;
  /** The code of the GOAWAY that the client got. */
  readonly goaway: number | undefined;
  readonly ended: boolean;
  /** Whole requests that the server got, as `METHOD host path body [trailers]`, sorted. */
  readonly seen: readonly string[];
  /** Streams that the server got the beginning of. */
  readonly begun: number;
  readonly records: readonly AccessRecord[];
}

const FACTS = {
  clientAddress: "10.0.0.1",
  clientPort: 1,
  serverAddress: "10.0.0.2",
  serverPort: 80,
  origin: FROM_EMPIRE,
};

/** Keeps what it got, and answers each whole request with 200. */
class Server {
  readonly seen: string[] = [];
  readonly sessions: ServerHttp2Session[] = [];
  begun = 0;
  moves = 0;

  connect() {
    const [ours, theirs] = memoryConnection();
    theirs.on("data", () => this.moves++);
    const session = performServerHandshake(theirs);
    session.on("error", () => undefined);
    session.on("stream", (stream, headers) =>
      this.serve(stream, `${headers[":method"]} ${headers[":authority"]} ${headers[":path"]}`),
    );
    this.sessions.push(session);
    return ours;
  }

  private serve(stream: ServerHttp2Stream, request: string): void {
    this.begun++;
    let body = "";
    let trailers = "";
    stream.on("error", () => undefined);
    stream.on("trailers", (given: object) => {
      trailers = ` ${JSON.stringify({ ...given })}`;
    });
    stream.on("data", (chunk: Buffer) => {
      body += chunk.toString("latin1");
    });
    stream.on("end", () => {
      if (stream.destroyed || stream.rstCode !== 0) return;
      this.seen.push(`${request} ${body}${trailers}`.trim());
      stream.respond();
      stream.end("ok");
    });
  }
}

/** What each stream got. */
export function streamsOf(client: FrameConnection): Record<number, string> {
  const decoder = new HpackDecoder(1000, 1 << 20);
  const words: Record<number, string[]> = {};
  for (const { type, flags, stream, payload } of client.received) {
    if (stream === 0 || type === FrameType.WindowUpdate) continue;
    words[stream] ??= [];
    const said = words[stream];
    if (type === FrameType.Headers) {
      const section = decoder.decode(payload, 0, payload.length)?.section ?? [];
      said.push(section[section.indexOf(":status") + 1] ?? "trailers");
    }
    if (type === FrameType.RstStream) said.push(`reset ${payload[3]}`);
    else if (type <= FrameType.Headers && (flags & 1) !== 0) said.push("end");
  }
  return Object.fromEntries(Object.entries(words).map(([stream, said]) => [stream, said.join(" ")]));
}

/** Sends the parts one after the other, each when the one before has had its effect; `later` makes time go on at the end. */
export async function runHttp2(
  rules: readonly HttpRule[],
  parts: readonly Uint8Array[],
  later: () => void,
): Promise<Http2Run> {
  const policy = new RequestPolicy(redirect([allow(rules)]));
  const server = new Server();
  const records: AccessRecord[] = [];
  const [socket, accepted] = memoryConnection();
  const client = new FrameConnection(socket);
  const connect = () => server.connect();
  const connection = new HttpDetection({
    client: accepted,
    facts: { ...FACTS },
    origin: () => FROM_EMPIRE,
    policy: () => policy,
    connectUpstream: connect,
    connectStream: connect,
    record: (record) => records.push(record),
    now: () => 0,
    connectTimeoutMs: 60_000,
    limits: CLIENT_LIMITS,
  });
  const settle = async () => {
    for (let before = -1; before !== server.moves + client.received.length; ) {
      before = server.moves + client.received.length;
      for (let turn = 0; turn < 6; turn++) await new Promise((resolve) => setImmediate(resolve));
    }
  };
  for (const part of parts) {
    if (socket.writable) socket.write(part);
    if (parts.length < 4 || part === parts.at(-1)) await settle();
    else await new Promise((resolve) => setImmediate(resolve));
  }
  later();
  await settle();
  const { goaway, ended } = client;
  const run = { streams: streamsOf(client), goaway, ended, seen: server.seen.toSorted(), begun: server.begun, records };
  connection.destroy();
  socket.destroy();
  for (const session of server.sessions) session.destroy();
  return run;
}
