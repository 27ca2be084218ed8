import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  createServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import { type AddressInfo, createServer as createTcpServer, connect as dial, type Server, type Socket } from "node:net";
import type { AccessRecord } from "../../src/model/access-record.ts";
import type { ProxyOrigin } from "../../src/model/proxy-origin.ts";
import type { L7PeerRules } from "../../src/policy/policy-map.ts";
import type { ByteStream } from "../../src/proxy/byte-stream.ts";
import type { ClientConnection } from "../../src/proxy/client-connection.ts";
import { CLIENT_LIMITS, type ClientLimits } from "../../src/proxy/client-connection.ts";
import { HttpDetection } from "../../src/proxy/http-detection.ts";
import { HTTP2_LIMITS, type Http2Limits } from "../../src/proxy/http2-limits.ts";
import type { Listening } from "../../src/proxy/listeners.ts";
import { RequestPolicy } from "../../src/proxy/request-policy.ts";
import { FROM_EMPIRE, redirect } from "./loopback-proxy.ts";
import { loopbackStreams } from "./loopback-streams.ts";

/** Answers one stream of the server. */
export type Serve = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, flags: number) => void;

/** What came back in one stream. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly trailers: IncomingHttpHeaders;
  /** Statuses of interim answers. */
  readonly interim: readonly number[];
  /** The stream's end: 0, or the code of its RST_STREAM. */
  readonly code: number;
}

export interface Http2ProxyOptions {
  readonly rules: readonly L7PeerRules[];
  readonly secrets?: ReadonlyMap<string, string>;
  readonly serve?: Serve;
  readonly limits?: Partial<Http2Limits>;
  /** Answers in place of `serve`, by Node's API of requests and responses. */
  readonly handler?: (request: Http2ServerRequest, response: Http2ServerResponse) => void;
  /** Takes the server's connections in place of an HTTP/2 server. */
  readonly accept?: (socket: Socket) => void;
}

const listen = async (server: Server) => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
};

/** A redirected port in front of a server that keeps what reached it, all on loopback. */
export class Http2Proxy {
  readonly records: AccessRecord[] = [];
  /** Requests that reached the server, as `METHOD path`. */
  readonly seen: string[] = [];
  readonly serverSessions: ServerHttp2Session[] = [];
  readonly connections = new Set<ClientConnection>();
  origin: ProxyOrigin | undefined = FROM_EMPIRE;
  connectTimeoutMs = 1000;
  clientLimits: Partial<ClientLimits> = {};
  /** Connections that were made to the server. */
  dialled = 0;
  private policy: RequestPolicy | undefined;
  private readonly sessions: ClientHttp2Session[] = [];
  private readonly sockets: Socket[] = [];
  private readonly limits: Http2Limits;
  private readonly streams = loopbackStreams(
    () => this.backPort,
    (_, port) => {
      this.port = port;
    },
  );
  private front: Listening | undefined;
  private readonly back: Server;
  private port = 0;
  private backPort = 0;

  constructor(options: Http2ProxyOptions) {
    const { rules, secrets, serve = (stream) => stream.respond(), limits = {}, accept, handler } = options;
    this.policy = new RequestPolicy(redirect(rules), secrets);
    this.limits = { ...HTTP2_LIMITS, ...limits };
    const server = handler === undefined ? createServer() : createServer(handler);
    server.on("session", (session) => this.serverSessions.push(session));
    server.on("stream", (stream, headers, flags) => {
      this.seen.push(`${headers[":method"]} ${headers[":path"]}`);
      stream.on("error", () => undefined);
      if (handler === undefined) serve(stream, headers, flags);
    });
    this.back = accept === undefined ? (server as unknown as Server) : createTcpServer(accept);
    if (accept !== undefined)
      this.back.on("connection", (socket) => this.sockets.push(socket.on("error", () => undefined)));
  }

  async start(): Promise<this> {
    this.backPort = await listen(this.back);
    this.front = await this.streams.listenStreams(0, "ingress", (client) => this.accept(client));
    return this;
  }

  /** Another policy, or none because the redirect is gone. */
  apply(rules: readonly L7PeerRules[] | undefined): void {
    this.policy = rules === undefined ? undefined : new RequestPolicy(redirect(rules));
    for (const connection of this.connections) {
      if (rules === undefined) connection.drain();
      else connection.policyChanged();
    }
  }

  /** A bare connection. */
  dial(): Socket {
    const socket = dial({ port: this.port, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
    this.sockets.push(socket.on("error", () => undefined));
    return socket;
  }

  /** An HTTP/2 connection. */
  connect(): ClientHttp2Session {
    const session = connect(this.url);
    this.sessions.push(session.on("error", () => undefined));
    return session;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** The records as `type verdict METHOD url status reason`. */
  get summary(): string[] {
    return this.records.map(({ type, verdict, method, url, status, reason }) =>
      [type, verdict, method, url, status, reason].join(" ").trim(),
    );
  }

  async close(): Promise<void> {
    for (const session of this.sessions) session.destroy();
    for (const connection of this.connections) connection.destroy();
    for (const session of this.serverSessions) session.destroy();
    for (const socket of this.sockets) socket.destroy();
    this.front?.close();
    await new Promise((resolve) => this.back.close(resolve));
  }

  /** Nobody answers at the server's port any more. */
  async stopServer(): Promise<void> {
    await new Promise((resolve) => this.back.close(resolve));
  }

  private accept(client: ByteStream): void {
    const { remoteAddress = "", remotePort = 0, localAddress = "", localPort = 0 } = client;
    const facts = {
      clientAddress: remoteAddress,
      clientPort: remotePort,
      serverAddress: localAddress,
      serverPort: localPort,
    };
    const connection = new HttpDetection(
      {
        client,
        facts: { ...facts, origin: FROM_EMPIRE },
        origin: () => this.origin,
        policy: () => this.policy,
        connectUpstream: () => {
          throw new Error("HTTP needs no socket of node's");
        },
        connectStream: (toServer) => {
          this.dialled++;
          return this.streams.connectStream(toServer);
        },
        record: (record) => this.records.push(record),
        now: Date.now,
        connectTimeoutMs: this.connectTimeoutMs,
        limits: { ...CLIENT_LIMITS, ...this.clientLimits },
      },
      this.limits,
    );
    this.connections.add(connection);
    client.once("close", () => this.connections.delete(connection));
  }
}

/** Sends a request and waits for the end of its stream. */
export function ask(
  session: ClientHttp2Session,
  headers: OutgoingHttpHeaders | readonly string[],
  body?: string | Uint8Array,
  trailers?: OutgoingHttpHeaders,
): Promise<Answer> {
  const endStream = body === undefined && trailers === undefined;
  const stream = session.request(headers, { endStream, waitForTrailers: trailers !== undefined });
  stream.on("wantTrailers", () => stream.sendTrailers(trailers ?? {}));
  if (!endStream) stream.end(body ?? "");
  return answerOf(stream);
}

export function answerOf(stream: ClientHttp2Stream): Promise<Answer> {
  const chunks: Uint8Array[] = [];
  const interim: number[] = [];
  let headers: IncomingHttpHeaders = {};
  let trailers: IncomingHttpHeaders = {};
  stream.on("headers", (given) => interim.push(Number(given[":status"])));
  stream.on("response", (given) => {
    headers = given;
  });
  stream.on("trailers", (given) => {
    trailers = given;
  });
  stream.on("data", (chunk: Uint8Array) => chunks.push(chunk));
  stream.on("error", () => undefined);
  return new Promise((resolve) => {
    stream.on("close", () => {
      const body = Buffer.concat(chunks).toString("latin1");
      resolve({ status: Number(headers[":status"] ?? 0), headers, body, trailers, interim, code: stream.rstCode ?? 0 });
    });
  });
}

/** Waits until `read` gives something. */
export async function waitFor<T>(read: () => T | undefined | false): Promise<T> {
  for (let tries = 0; tries < 2000; tries++) {
    const value = read();
    if (value !== undefined && value !== false) return value;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error("it did not come in 10 s");
}
