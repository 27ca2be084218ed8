import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { cors } from "@connectrpc/connect";

const LOOPBACK_HOST = /^(localhost|127(\.\d+){3}|\[::1\])(:\d+)?$/i;
const PREFLIGHT_AGE_S = "7200";

function isLoopbackOrigin(origin: string): boolean {
  return LOOPBACK_HOST.test(origin.replace(/^https?:\/\//i, ""));
}

function refuse(response: ServerResponse, why: string): void {
  response.writeHead(403, { "content-type": "text/plain; charset=utf-8" });
  response.end(`${why}\n`);
}

/**
 * gRPC-web for pages of this machine, over HTTP/1.1. Flows are nothing for other pages that the same browser shows: those of
 * other origins are refused, and so is a name that somebody else points to this address.
 */
export function forBrowsers(answer: RequestListener): RequestListener {
  return (request: IncomingMessage, response: ServerResponse<IncomingMessage> & { req: IncomingMessage }) => {
    const { origin, host = "" } = request.headers;
    if (!LOOPBACK_HOST.test(host))
      return refuse(response, `the host ${host || "without a name"} is not this machine's`);
    if (origin !== undefined) {
      if (!isLoopbackOrigin(origin)) return refuse(response, `pages of ${origin} may not read flows`);
      response.setHeader("access-control-allow-origin", origin);
      response.setHeader("access-control-expose-headers", cors.exposedHeaders.join(", "));
      response.setHeader("vary", "origin");
    }
    if (request.method !== "OPTIONS") return answer(request, response);
    response.setHeader("access-control-allow-methods", cors.allowedMethods.join(", "));
    response.setHeader("access-control-allow-headers", [...cors.allowedHeaders, "authorization"].join(", "));
    response.setHeader("access-control-max-age", PREFLIGHT_AGE_S);
    response.writeHead(204);
    response.end();
  };
}
