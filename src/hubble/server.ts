import { rmSync } from "node:fs";
import {
  createServer,
  type Http2Server,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type ServerHttp2Session,
} from "node:http2";
import type { DescService } from "@bufbuild/protobuf";
import type * as connect from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";

/** What answers the methods of a service. */
export type Handlers<S extends DescService> = connect.ServiceImpl<S>;

/** Where a gRPC server listens: a unix socket, an address, or a descriptor that already listens. */
export type GrpcListener =
  | { readonly path: string }
  | { readonly host: string; readonly port: number }
  | { readonly fd: number };

/** Takes a request over when it returns true. */
export type StreamHandler = (request: Http2ServerRequest, response: Http2ServerResponse) => boolean;

export interface GrpcServerOptions {
  readonly routes: (router: connect.ConnectRouter) => void;
  /** Sent with every answer, e.g. `hubble-server-version`. */
  readonly headers: Readonly<Record<string, string>>;
  /** Asked first: the fast way for streams of flows. */
  readonly stream?: StreamHandler;
}

/** gRPC over cleartext HTTP/2. */
export interface GrpcServer {
  /** Resolves when all listen; rejects with the failing listener's error. */
  serve(listeners: readonly GrpcListener[]): Promise<void>;
  /** Port of the first TCP listener, 0 when there is none. */
  readonly port: number;
  close(): Promise<void>;
}

/** A server whose listeners share the routes. */
export function createGrpcServer(options: GrpcServerOptions): GrpcServer {
  const adapter = connectNodeAdapter({
    routes: options.routes,
    interceptors: [
      (next) => async (request) => {
        const response = await next(request);
        for (const [name, value] of Object.entries(options.headers)) response.header.set(name, value);
        return response;
      },
    ],
  });
  const servers: Http2Server[] = [];
  const sessions = new Set<ServerHttp2Session>();
  return {
    async serve(listeners) {
      for (const listener of listeners) {
        const server = createServer((request, response) => {
          if (!options.stream?.(request, response)) adapter(request, response);
        });
        trackSessions(server, sessions);
        servers.push(server);
        await listen(server, listener);
      }
    },
    get port() {
      const bound = servers.map((server) => server.address()).find((address) => typeof address === "object" && address);
      return typeof bound === "object" && bound ? bound.port : 0;
    },
    async close() {
      const closed = servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve())));
      for (const session of sessions) session.destroy();
      await Promise.all(closed);
    },
  };
}

function trackSessions(server: Http2Server, sessions: Set<ServerHttp2Session>): void {
  server.on("connection", (socket) => socket.setNoDelay(true));
  server.on("session", (session) => {
    sessions.add(session);
    session.on("close", () => sessions.delete(session));
    // a peer that went away mid-frame ends its own session only
    session.on("error", () => session.destroy());
  });
}

function listen(server: Http2Server, listener: GrpcListener): Promise<void> {
  // a socket file left by a predecessor that was killed
  if ("path" in listener) rmSync(listener.path, { force: true });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(listener, () => {
      server.off("error", reject);
      resolve();
    });
  });
}
