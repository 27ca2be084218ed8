/** One client connection through the proxy's HTTP/1 side, in memory: what goes in, what comes out on both sides. */
import type { Socket } from "node:net";
import type { AccessRecord } from "../../src/model/access-record.ts";
import type { HttpRule } from "../../src/policy/l7-rule.ts";
import { CLIENT_LIMITS } from "../../src/proxy/client-connection.ts";
import { HttpDetection } from "../../src/proxy/http-detection.ts";
import { RequestPolicy } from "../../src/proxy/request-policy.ts";
import { BodyReader } from "../../src/wire/http-body.ts";
import { HeadReader, isFault } from "../../src/wire/http-head.ts";
import { type HttpRequest, readRequest } from "../../src/wire/http-request.ts";
import { allow, FROM_EMPIRE, redirect } from "./loopback-proxy.ts";
import { memoryConnection } from "./memory-socket.ts";

/** What became of a stream; texts have one character a byte. */
export interface HttpRun {
  readonly received: string;
  /** The proxy ended the client's connection. */
  readonly ended: boolean;
  /** Of all connections to the server, in order. */
  readonly passed: string;
  readonly records: readonly AccessRecord[];
}

const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n";

/** A server that reads as strictly as the proxy, keeps the bytes and answers each whole request with 200. */
function strictServer(socket: Socket, seen: (bytes: string) => void): void {
  const heads = new HeadReader();
  let request: HttpRequest | undefined;
  let body: BodyReader | undefined;
  socket.on("end", () => socket.end());
  socket.on("data", (chunk: Buffer) => {
    seen(chunk.toString("latin1"));
    for (let at = 0; at < chunk.length; ) {
      if (body === undefined) {
        const progress = heads.push(chunk, at, chunk.length);
        if (progress.state === "more") return;
        if (progress.state === "fault") throw new Error(`the server got: ${progress.fault.fault}`);
        const read = readRequest(progress.head);
        if (isFault(read)) throw new Error(`the server got: ${read.fault}`);
        request = read;
        body = new BodyReader(read.framing);
        at += progress.consumed;
      } else at += body.take(chunk, at, chunk.length);
      if (!body.done) continue;
      body = undefined;
      socket.write(request?.method === "HEAD" ? OK : `${OK}ok`);
      if (request?.keepAlive === false) socket.end();
    }
  });
}

function latin1(text: string): Buffer {
  return Buffer.from(text, "latin1");
}

/** Sends the parts one after the other, each when the one before has had its effect. The client does not end. */
export async function runHttp(
  rules: readonly HttpRule[],
  parts: readonly string[],
  serve: (socket: Socket, seen: (bytes: string) => void) => void = strictServer,
): Promise<HttpRun> {
  const policy = new RequestPolicy(redirect([allow(rules)]));
  const [client, accepted] = memoryConnection();
  const run = { received: "", ended: false, passed: "", records: [] as AccessRecord[] };
  let moves = 0;
  client.on("data", (chunk) => {
    run.received += chunk.toString("latin1");
    moves++;
  });
  client.on("end", () => {
    run.ended = true;
    moves++;
  });
  const facts = {
    clientAddress: "10.0.0.1",
    clientPort: 1,
    serverAddress: "10.0.0.2",
    serverPort: 80,
    origin: FROM_EMPIRE,
  };
  const connect = () => {
    const [ours, theirs] = memoryConnection();
    serve(theirs, (bytes) => {
      run.passed += bytes;
      moves++;
    });
    return ours;
  };
  const connection = new HttpDetection({
    client: accepted,
    facts,
    origin: () => FROM_EMPIRE,
    policy: () => policy,
    connectUpstream: connect,
    connectStream: connect,
    record: (record) => run.records.push(record),
    now: () => 0,
    connectTimeoutMs: 60_000,
    limits: CLIENT_LIMITS,
  });
  const settle = async () => {
    for (let before = -1; before !== moves; ) {
      before = moves;
      for (let turn = 0; turn < 4; turn++) await new Promise((resolve) => setImmediate(resolve));
    }
  };
  for (const part of parts) {
    if (client.writable) client.write(latin1(part));
    await settle();
  }
  connection.destroy();
  client.destroy();
  return run;
}

/** Statuses of answers in a stream of answers with lengths, interim ones left out. */
export function statusesOf(received: string): number[] {
  return [...received.matchAll(/HTTP\/1\.1 ([2-5][0-9][0-9]) /g)].map((match) => Number(match[1]));
}
