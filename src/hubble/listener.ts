import { rmSync } from "node:fs";
import { createServer as createHttpServer, type RequestListener } from "node:http";
import {
  createSecureServer,
  createServer,
  type Http2Server,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type ServerHttp2Session,
} from "node:http2";
import { createServer as createNetServer, type Server, type Socket } from "node:net";
import { MIN_TLS_VERSION, type TlsSource } from "./tls.ts";

/** Where a gRPC server listens: a unix socket, an address (elsewhere than on loopback with TLS alone), or a descriptor that already listens. */
export type GrpcListener =
  | { readonly path: string }
  | { readonly host: string; readonly port: number; readonly tls?: TlsSource }
  | { readonly fd: number };

/** What answers requests of HTTP/2, and of HTTP/1.1 where a listener takes it. */
export interface RequestHandlers {
  readonly http2: (request: Http2ServerRequest, response: Http2ServerResponse) => void;
  readonly http1?: RequestListener;
}

const HANDSHAKE_TIMEOUT_MS = 10_000;
/** How HTTP/2 without TLS begins; no method of HTTP/1.1 does. */
const PREFACE = Buffer.from("PRI");
/** How long somebody may be silent who has connected, in ms. */
const FIRST_BYTES_TIMEOUT_MS = 30_000;

/** One open listener. */
export interface OpenListener {
  /** Port of TCP, 0 of anything else. */
  readonly port: number;
  close(): Promise<void>;
}

function isLoopback(host: string): boolean {
  return host === "::1" || host === "localhost" || /^127\./.test(host);
}

/** Resolves when it listens; rejects with the listener's error, and for an address beyond loopback without TLS. */
export async function openListener(listener: GrpcListener, handlers: RequestHandlers): Promise<OpenListener> {
  const tls = "tls" in listener ? listener.tls : undefined;
  if ("host" in listener && tls === undefined && !isLoopback(listener.host)) {
    throw new Error(`${listener.host}:${listener.port}: the flow API needs TLS on an address that others can reach`);
  }
  // a socket file left by a predecessor that was killed
  if ("path" in listener) rmSync(listener.path, { force: true });
  const connections = new Set<{ destroy(): void }>();
  const server = tls === undefined ? plainServer(handlers, connections) : tlsServer(tls, handlers, connections);
  const { tls: _, ...where } = { tls, ...listener };
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(where, () => {
      server.off("error", reject);
      resolve();
    });
  });
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    close: () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const connection of connections) connection.destroy();
      return closed;
    },
  };
}

function track<C extends { destroy(): void; on(event: "close" | "error", listener: () => void): unknown }>(
  connections: Set<{ destroy(): void }>,
  connection: C,
): void {
  connections.add(connection);
  connection.on("close", () => connections.delete(connection));
  // a peer that went away mid-frame ends its own connection only
  connection.on("error", () => connection.destroy());
}

function trackSessions(server: Http2Server, connections: Set<{ destroy(): void }>): void {
  server.on("session", (session: ServerHttp2Session) => track(connections, session));
}

/** Each side shows its certificate; who has none of these authorities is refused in the handshake. */
function tlsServer(tls: TlsSource, { http2 }: RequestHandlers, connections: Set<{ destroy(): void }>): Server {
  const server = createSecureServer(
    {
      ...tls.current(),
      requestCert: true,
      rejectUnauthorized: true,
      minVersion: MIN_TLS_VERSION,
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    },
    http2,
  );
  tls.onRenewed(() => server.setSecureContext({ ...tls.current(), minVersion: MIN_TLS_VERSION }));
  server.on("connection", (socket: Socket) => {
    socket.setNoDelay(true);
    // also those that are still in the handshake must end with the server
    track(connections, socket);
  });
  trackSessions(server as unknown as Http2Server, connections);
  return server;
}

/** HTTP/2, and HTTP/1.1 where somebody handles it: a connection's first bytes tell. */
function plainServer({ http2, http1 }: RequestHandlers, connections: Set<{ destroy(): void }>): Server {
  const http2Server = createServer(http2);
  trackSessions(http2Server, connections);
  const accept = (socket: Socket) => http2Server.emit("connection", socket);
  const http1Server = http1 && createHttpServer(http1);
  const acceptHttp1 = (socket: Socket) => {
    http1Server?.emit("connection", socket);
    socket.resume();
  };
  return createNetServer((socket) => {
    socket.setNoDelay(true);
    track(connections, socket);
    if (http1Server === undefined) accept(socket);
    else firstBytes(socket, (isHttp2) => (isHttp2 ? accept(socket) : acceptHttp1(socket)));
  });
}

function firstBytes(socket: Socket, then: (isHttp2: boolean) => void): void {
  let seen = Buffer.alloc(0);
  socket.setTimeout(FIRST_BYTES_TIMEOUT_MS, () => socket.destroy());
  const read = (chunk: Buffer) => {
    seen = Buffer.concat([seen, chunk]);
    if (seen.length < PREFACE.length) return;
    socket.off("data", read);
    socket.pause();
    socket.removeAllListeners("timeout");
    socket.setTimeout(0);
    socket.unshift(seen);
    then(seen.subarray(0, PREFACE.length).equals(PREFACE));
  };
  socket.on("data", read);
}
