import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import {
  createServer as createHttp2Server,
  type Http2Server,
  type Http2ServerRequest,
  type Http2ServerResponse,
} from "node:http2";
import { createServer as createTcpServer, type Socket, type Server as TcpServer } from "node:net";
import { hostname } from "node:os";
import { Duplex } from "node:stream";
import type { grpcServices } from "./grpc-services.ts";
import { listen, peerOf } from "./listener.ts";

const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const MOST_BODY_BYTES = 1 << 20;
/** What gRPC itself defines: health and reflection. */
const OWN_GRPC = /^\/grpc\.(?:health|reflection)\./;

/** A request by any of the protocols. */
export interface Asked {
  readonly protocol: string;
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
  /** `address:port` of who asks. */
  readonly peer: string;
}

export interface Said {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string;
  /** How long the answer takes. */
  readonly delayMs?: number;
}

/** What a server says to a request. */
export type Speaker = (asked: Asked) => Said;

/** Rest of a socket whose first bytes were read already, so that somebody else may read all of it. */
class Unread extends Duplex {
  private readonly socket: Socket;

  constructor(socket: Socket, first: Buffer) {
    super();
    this.socket = socket;
    this.push(first);
    socket.on("data", (chunk) => {
      if (!this.push(chunk)) socket.pause();
    });
    socket.on("end", () => this.push(null));
    socket.on("error", (error) => this.destroy(error));
    socket.on("close", () => this.destroy());
  }

  override _read(): void {
    this.socket.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.socket.write(chunk, done);
  }

  override _final(done: () => void): void {
    this.socket.end(done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.socket.destroy();
    done(error);
  }
}

async function bodyOf(source: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of source) {
    size += chunk.length;
    if (size <= MOST_BODY_BYTES) chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function log({ protocol, method, path, peer }: Asked, status: number): void {
  process.stdout.write(`${peer} "${method} ${path} ${protocol}" ${status}\n`);
}

const later = (said: Said, act: () => void): void => {
  if (said.delayMs === undefined) act();
  else setTimeout(act, said.delayMs);
};

function serveHttp1(speak: Speaker): Server {
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const asked: Asked = {
      protocol: `HTTP/${request.httpVersion}`,
      method: request.method ?? "",
      path: request.url ?? "",
      headers: request.headers,
      body: (await bodyOf(request)).toString(),
      peer: peerOf(request.socket),
    };
    const said = speak(asked);
    const { status = 200, headers = { "content-type": "text/plain" }, body } = said;
    later(said, () => {
      log(asked, status);
      response.writeHead(status, headers).end(body);
    });
  };
  return createHttpServer((request, response) => {
    answer(request, response).catch(() => response.destroy());
  });
}

/** Loaded with the first call of theirs: most pods never hear one. */
let services: Promise<ReturnType<typeof grpcServices>> | undefined;
function loadServices(): NonNullable<typeof services> {
  services ??= Promise.all([import("./grpc-services.ts"), import("../../proto/gen/echo_pb.js")]).then(
    ([{ Condition, grpcServices: serve }, { Echo }]) => serve(new Condition(), { services: [Echo] }),
  );
  return services;
}

/** A gRPC call of any other method is answered with its own messages, as they come. */
function answerGrpc(request: Http2ServerRequest, response: Http2ServerResponse): void {
  response.writeHead(200, { "content-type": "application/grpc" });
  response.addTrailers({ "grpc-status": "0" });
  request.pipe(response);
}

/** For one connection, from that peer. */
function serveHttp2(speak: Speaker, peer: string): Http2Server {
  const answer = async (request: Http2ServerRequest, response: Http2ServerResponse) => {
    const { method, url: path } = request;
    const named = Object.entries(request.headers).filter(([name]) => !name.startsWith(":"));
    const about = {
      protocol: "HTTP/2.0",
      method,
      path,
      headers: Object.fromEntries(named),
      peer,
    };
    if (/^application\/grpc(?:$|[+;])/.test(request.headers["content-type"] ?? "")) {
      log({ ...about, body: "" }, 200);
      if (!OWN_GRPC.test(path)) return answerGrpc(request, response);
      return void (await loadServices())(request, response);
    }
    const asked: Asked = { ...about, body: (await bodyOf(request)).toString() };
    const said = speak(asked);
    const { status = 200, headers = { "content-type": "text/plain" }, body } = said;
    later(said, () => {
      if (request.stream.destroyed) return;
      log(asked, status);
      response.writeHead(status, headers).end(body);
    });
  };
  return createHttp2Server((request, response) => {
    request.stream.on("error", () => undefined);
    answer(request, response).catch(() => request.stream.destroy());
  });
}

/** HTTP/1.1, HTTP/2 by prior knowledge and gRPC on one port. */
export function createEchoServer(speak: Speaker): TcpServer {
  const http1 = serveHttp1(speak);
  return createTcpServer((socket) => {
    socket.on("error", () => socket.destroy());
    let first = Buffer.alloc(0);
    const look = (chunk: Buffer) => {
      first = Buffer.concat([first, chunk]);
      const known = Math.min(first.length, PREFACE.length);
      const mayBeHttp2 = first.subarray(0, known).equals(PREFACE.subarray(0, known));
      if (mayBeHttp2 && first.length < PREFACE.length) return;
      socket.off("data", look);
      if (mayBeHttp2) return void serveHttp2(speak, peerOf(socket)).emit("connection", new Unread(socket, first));
      socket.pause();
      socket.unshift(first);
      http1.emit("connection", socket);
      socket.resume();
    };
    socket.on("data", look);
  });
}

const json = (value: unknown, rest: Omit<Said, "body"> = {}): Said => ({
  headers: { "content-type": "application/json" },
  body: `${JSON.stringify(value, null, 2)}\n`,
  ...rest,
});

const echo: Speaker = ({ protocol, method, path, headers, body, peer }) =>
  json({ hostname: hostname(), peer, protocol, method, path, headers, body });

const whoami: Speaker = ({ protocol, method, path, headers, peer }) => ({
  body: [
    `Hostname: ${hostname()}`,
    `RemoteAddr: ${peer}`,
    `${method} ${path} ${protocol}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${[value].flat().join(", ")}`),
    "",
  ].join("\n"),
});

const hello: Speaker = () => ({ body: `Hello, world!\nVersion: 1.0.0\nHostname: ${hostname()}\n` });

/** The parts of httpbin that policy examples use. */
const httpbin: Speaker = ({ method, path, headers, body, peer }) => {
  const url = new URL(path, "http://httpbin");
  const [, first = "", second = ""] = url.pathname.split("/");
  const about = {
    args: Object.fromEntries(url.searchParams),
    headers,
    origin: peer.replace(/:\d+$/, ""),
    url: url.href,
  };
  if (first === "status") return { status: Number(second) || 400, body: "" };
  if (first === "delay") return json(about, { delayMs: Math.min(10, Number(second) || 0) * 1000 });
  if (first === "headers") return json({ headers });
  if (first === "ip") return json({ origin: about.origin });
  if (first === "user-agent") return json({ "user-agent": headers["user-agent"] ?? "" });
  if (first === "anything") return json({ ...about, method, data: body });
  if (first === method.toLowerCase()) return json(method === "GET" ? about : { ...about, data: body });
  if (first === "get" || first === "post" || first === "put" || first === "delete" || first === "patch")
    return { status: 405, body: "" };
  return first === ""
    ? { body: "httpbin of the lab: /get /post /anything /headers /ip /status/N /delay/N\n" }
    : { status: 404, body: "" };
};

const SPEAKERS: Readonly<Record<string, { readonly port: number; readonly speak: Speaker }>> = {
  echo: { port: 8080, speak: echo },
  whoami: { port: 80, speak: whoami },
  "hello-app": { port: 8080, speak: hello },
  httpbin: { port: 80, speak: httpbin },
};

/** `-text=hi -listen=:5678` and such, as `hashicorp/http-echo` takes them. Throws on others. */
export function httpEchoFlags(words: readonly string[]): { readonly port: number; readonly text: string } {
  const flags = new Map<string, string>();
  for (let at = 0; at < words.length; at++) {
    const match = /^--?(text|listen|status-code)(?:=(.*))?$/s.exec(words[at]!);
    if (match === null) throw new Error(`http-echo has no argument ${words[at]}: -text and -listen are there`);
    flags.set(match[1]!, match[2] ?? words[++at] ?? "");
  }
  const port = Number((flags.get("listen") ?? ":5678").replace(/^.*:/, ""));
  if (!Number.isInteger(port)) throw new Error(`-listen ${flags.get("listen")}: a port is wanted`);
  if (flags.has("status-code")) throw new Error("-status-code is not there: answers are 200");
  return { port, text: flags.get("text") ?? process.env["ECHO_TEXT"] ?? "hello-world" };
}

/** Serves what a name stands for; `PORT` in the environment, or the first word behind the name, is the port. Resolves with it. */
export async function serveEcho(name: string, words: readonly string[]): Promise<number> {
  if (name === "http-echo") {
    const { port, text } = httpEchoFlags(words);
    return listen(
      createEchoServer(() => ({ body: `${text}\n` })),
      port,
    );
  }
  const found = SPEAKERS[name];
  if (found === undefined) throw new Error(`usage: echo ${["http-echo", ...Object.keys(SPEAKERS)].join(" | ")}`);
  const wanted = words.map((word) => /^(?:--?port[= ])?(\d+)$/.exec(word)?.[1]).findLast((port) => port !== undefined);
  return listen(createEchoServer(found.speak), Number(wanted ?? process.env["PORT"] ?? found.port));
}
