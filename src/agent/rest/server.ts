import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { FRAMES, type Monitor } from "../monitor.ts";
import { listenOn } from "../unix-socket.ts";
import { absentRoutes } from "./absent.ts";
import { type DaemonCalls, daemonRoutes } from "./daemon-routes.ts";
import { type EndpointCalls, endpointRoutes } from "./endpoint-routes.ts";
import { type IpamCalls, ipamRoutes } from "./ipam-routes.ts";
import { type KernelCalls, kernelRoutes } from "./kernel-routes.ts";
import { type PolicyCalls, policyRoutes } from "./policy-routes.ts";
import { type RehearsalCalls, streamRehearsal } from "./rehearsal-route.ts";
import { type Answer, type ApiCall, ApiError, readBody } from "./request.ts";
import { statedbRoutes } from "./statedb-routes.ts";

/** What stands behind the paths. */
export type AgentCalls = IpamCalls & EndpointCalls & DaemonCalls & PolicyCalls & KernelCalls & RehearsalCalls;

function addressOf(text: string): URL {
  const url = URL.parse(text, "http://agent");
  if (url === null) throw new ApiError(400, `${text} is no path`);
  return url;
}

/** A path segment may be escaped wrongly. */
function words(pathname: string): string[] {
  try {
    return pathname.slice(1).split("/").map(decodeURIComponent);
  } catch {
    throw new ApiError(400, `the path ${pathname} is not escaped as URLs are`);
  }
}

async function route(calls: AgentCalls, subject: string, call: ApiCall): Promise<Answer> {
  if (subject === "ipam") return ipamRoutes(calls, call);
  if (subject === "endpoint") return endpointRoutes(calls, call);
  if (subject === "bpf") return kernelRoutes(calls, call);
  const answer = (await daemonRoutes(calls, subject, call)) ?? (await policyRoutes(calls, subject, call));
  return answer ?? absentRoutes(subject, call);
}

function send(response: ServerResponse, status: number, text: string): void {
  const bytes = Buffer.from(text);
  response.writeHead(status, { "content-type": "application/json", "content-length": bytes.length });
  response.end(bytes);
}

async function answer(calls: AgentCalls, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { pathname, searchParams: params } = addressOf(request.url ?? "/");
  const [version, subject = "", ...rest] = words(pathname);
  const { method = "GET", headers } = request;
  const call: ApiCall = { method, rest, params, headers, body: () => readBody(request) };
  if (version === "statedb") {
    const { controllers } = await calls.status(true);
    return send(response, 200, await statedbRoutes(controllers, { ...call, rest: [subject, ...rest] }));
  }
  if (version !== "v1") throw new ApiError(404, `no such path: ${pathname}`);
  const [status, body] = await route(calls, subject, call);
  send(response, status, JSON.stringify(body));
}

async function handle(
  calls: AgentCalls,
  monitor: Monitor,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  try {
    if (request.method === "GET" && request.url === "/v1/monitor") {
      response.writeHead(200, { "content-type": "application/octet-stream" });
      response.flushHeaders();
      monitor.attach(response, FRAMES);
    } else if (request.method === "POST" && request.url === "/v1/rehearsal")
      await streamRehearsal(calls, request, response);
    else await answer(calls, request, response);
  } catch (error) {
    // Cilium's API has an error as a text alone.
    send(response, error instanceof ApiError ? error.status : 500, JSON.stringify((error as Error).message));
  }
}

/** Serves the calls of api.ts on a unix socket; takes the place of a predecessor's socket file. */
export async function serveAgentApi(
  path: string,
  calls: AgentCalls,
  monitor: Monitor,
): Promise<{ close(): Promise<void> }> {
  const server: Server = createServer((request, response) => void handle(calls, monitor, request, response));
  // A request may wait for the API server to come back: the caller decides how long.
  server.requestTimeout = 0;
  await listenOn(path, server);
  return {
    close: () =>
      new Promise((resolve) => {
        monitor.close();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
