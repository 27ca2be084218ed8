import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { ClientRequest, IncomingMessage, Server, ServerResponse } from "node:http";
import type { AgentMetrics } from "./agent-metrics.ts";

interface Served {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly server: Server;
}

interface Asked {
  readonly request: ClientRequest;
  readonly response?: IncomingMessage;
}

/** `/v1/endpoint/871/log` -> `/v1/endpoint`: what names one object makes no series of its own. */
function shortPath(url: string): string {
  return url.split("?")[0]!.split("/").slice(0, 3).join("/");
}

/** `/api/v1/namespaces/default/pods/xwing` -> `/api/v1/namespaces/{namespace}/pods/{name}`, as Kubernetes' Go client writes it. */
export function pathTemplate(url: string): string {
  const path = url.split("?")[0]!;
  const [, root = "", resource = "", below = ""] =
    /^(\/api\/[^/]+|\/apis\/[^/]+\/[^/]+)(\/(?:namespaces\/[^/]+\/)?[^/]+)(\/.*)?$/.exec(path) ?? [];
  if (root === "") return path;
  const kind = resource.replace(/^\/namespaces\/[^/]+\//, "/namespaces/{namespace}/");
  const [, , ...sub] = below.split("/");
  return root + kind + (below === "" ? "" : ["/{name}", ...sub].join("/"));
}

/**
 * Counts the calls of this process's HTTP server on `socketPath`, and its own calls by HTTPS, which are those of the Kubernetes API, as Node's
 * HTTP tells of them. Returns how to stop it.
 */
export function watchExchanges(metrics: AgentMetrics, socketPath: string): () => void {
  const begun = new WeakMap<object, number>();
  const seconds = (request: object) => (performance.now() - (begun.get(request) ?? performance.now())) / 1000;
  const start = (message: unknown) => void begun.set((message as Asked).request, performance.now());
  const served = (message: unknown) => {
    const { request, response, server } = message as Served;
    if (server.address() !== socketPath) return;
    const { method = "", url = "" } = request;
    metrics.apiCall(shortPath(url), method, response.statusCode, seconds(request));
  };
  const ended = (status: string, request: ClientRequest) => {
    if (request.protocol !== "https:") return;
    const { host, method, path } = request;
    metrics.clientCall({ host, method, path: pathTemplate(path), status, seconds: seconds(request) });
  };
  const answered = (message: unknown) => {
    const { request, response } = message as Asked;
    ended(String(response?.statusCode ?? 0), request);
  };
  const failed = (message: unknown) => ended("<error>", (message as Asked).request);
  const listeners = {
    "http.server.request.start": start,
    "http.server.response.finish": served,
    "http.client.request.start": start,
    "http.client.response.finish": answered,
    "http.client.request.error": failed,
  };
  for (const [channel, listener] of Object.entries(listeners)) subscribe(channel, listener);
  return () => {
    for (const [channel, listener] of Object.entries(listeners)) unsubscribe(channel, listener);
  };
}
