import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import type { DescService } from "@bufbuild/protobuf";
import type * as connect from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { forBrowsers } from "./browser.ts";
import { type GrpcListener, type OpenListener, openListener } from "./listener.ts";
import { answerUnknown } from "./unknown-call.ts";

/** What answers the methods of a service. */
export type Handlers<S extends DescService> = connect.ServiceImpl<S>;

/** Takes a request over when it returns true. */
export type StreamHandler = (request: Http2ServerRequest, response: Http2ServerResponse) => boolean;

export interface GrpcServerOptions {
  readonly routes: (router: connect.ConnectRouter) => void;
  /** Sent with every answer, e.g. `hubble-server-version`. */
  readonly headers: Readonly<Record<string, string>>;
  /** Asked first: the fast way for streams of flows. */
  readonly stream?: StreamHandler;
  /** Whether listeners without TLS answer browsers of this machine too, by gRPC-web over HTTP/1.1. */
  readonly browsers?: boolean;
}

/** No request is longer; who says so is refused before it is read. The limit that gRPC's own servers have. */
export const MAX_REQUEST_BYTES = 4 << 20;

/** gRPC over HTTP/2. */
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
    fallback: answerUnknown(options.routes, options.headers),
    readMaxBytes: MAX_REQUEST_BYTES,
    routes: options.routes,
    interceptors: [
      (next) => async (request) => {
        const response = await next(request);
        for (const [name, value] of Object.entries(options.headers)) response.header.set(name, value);
        return response;
      },
    ],
  });
  const open: OpenListener[] = [];
  const handlers = {
    http2: (request: Http2ServerRequest, response: Http2ServerResponse) => {
      if (!options.stream?.(request, response)) adapter(request, response);
    },
    ...(options.browsers && { http1: forBrowsers(adapter) }),
  };
  return {
    async serve(listeners) {
      for (const listener of listeners) open.push(await openListener(listener, handlers));
    },
    get port() {
      return open.find(({ port }) => port !== 0)?.port ?? 0;
    },
    async close() {
      await Promise.all(open.map((listener) => listener.close()));
    },
  };
}
