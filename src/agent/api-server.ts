import { rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import {
  Aggregation,
  type ConnectionRow,
  type EndpointConfig,
  type MetricsRow,
  type PolicyRow,
  type ServiceFrontend,
} from "../datapath/port.ts";
import { canonicalAddress } from "../model/cidr.ts";
import type { SelectorReport } from "../policy/selector-report.ts";
import type {
  AgentConfig,
  EndpointChangeRequest,
  EndpointModel,
  EndpointOptions,
  IdentityModel,
  IpamResponse,
  PolicyModel,
} from "./api.ts";
import type { AuditMode } from "./audit-mode.ts";
import { type FqdnNames, namePatternProblem } from "./fqdn-names.ts";
import type { Monitor } from "./monitor.ts";
import type { SelectorSide } from "./ports.ts";
import type { NamedFrontend } from "./service-frontends.ts";
import type { StatusResponse } from "./status-model.ts";
import type { AggregationName, TraceLevel } from "./trace-level.ts";

/** An error with the status that the caller gets. */
export class ApiError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** What stands behind the routes of api.ts. */
export interface AgentCalls {
  status(): Promise<StatusResponse>;
  allocateAddress(owner: string): IpamResponse;
  releaseAddress(address: string): void;
  putEndpoint(request: EndpointChangeRequest): Promise<EndpointModel>;
  deleteEndpoint(containerId: string): Promise<void>;
  endpoints(): readonly EndpointModel[];
  policy(): PolicyModel;
  selectors(of: SelectorSide): readonly SelectorReport[];
  identities(): readonly IdentityModel[];
  addresses(): readonly { cidr: string; identity: number; tunnel: string }[];
  services(): readonly NamedFrontend[];
  /** Undefined when there is no such endpoint. */
  endpointPolicy(id: number): readonly PolicyRow[] | undefined;
  readonly audit: AuditMode;
  readonly traceLevel: TraceLevel;
  readonly names: FqdnNames;
  connections(): readonly ConnectionRow[];
  metrics(): readonly MetricsRow[];
  /** Returns how many there were. */
  flushConnections(): number;
  kernelEndpoints(): readonly EndpointConfig[];
  kernelServices(): readonly ServiceFrontend[];
}

type Answer = readonly [status: number, body: unknown];

/** No request of the API is longer. */
const BODY_LIMIT = 64 * 1024;

async function readBody(request: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > BODY_LIMIT) throw new ApiError(413, `the body is longer than ${BODY_LIMIT} bytes`);
    chunks.push(chunk);
  }
  try {
    const value: unknown = JSON.parse(Buffer.concat(chunks).toString("utf8"));
    if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  } catch {
    // Said below, for both cases.
  }
  throw new ApiError(400, "the body must be a JSON object");
}

function text(body: Record<string, unknown>, field: string): string {
  const value = body[field];
  if (typeof value !== "string" || value === "") throw new ApiError(400, `${field} must be a text that is not empty`);
  return value;
}

function matching(body: Record<string, unknown>, field: string, pattern: RegExp, example: string): string {
  const value = text(body, field);
  if (!pattern.test(value)) throw new ApiError(400, `${field} must be like ${example}, not ${value}`);
  return value;
}

const IPV4 = /^\d{1,3}(\.\d{1,3}){3}$/;
const MAC = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/;

/** In the one form that the agent compares. */
function address6Of(body: Record<string, unknown>): string {
  const address = canonicalAddress(text(body, "address6"));
  if (address?.includes(":")) return address;
  throw new ApiError(400, `address6 must be like fd00:172:20:1::5, not ${body.address6}`);
}

function endpointRequest(containerId: string, body: Record<string, unknown>): EndpointChangeRequest {
  if (text(body, "containerId") !== containerId) throw new ApiError(400, "containerId differs from the path's");
  const ifindex = body.ifindex;
  if (typeof ifindex !== "number" || !Number.isInteger(ifindex) || ifindex <= 0) {
    throw new ApiError(400, "ifindex must be a positive integer");
  }
  return {
    containerId,
    podNamespace: text(body, "podNamespace"),
    podName: text(body, "podName"),
    podUid: text(body, "podUid"),
    address: matching(body, "address", IPV4, "172.20.1.5"),
    ...(body.address6 === undefined ? {} : { address6: address6Of(body) }),
    interfaceName: text(body, "interfaceName"),
    ifindex,
    mac: matching(body, "mac", MAC, "aa:bb:cc:dd:ee:ff"),
    hostMac: matching(body, "hostMac", MAC, "aa:bb:cc:dd:ee:ff"),
  };
}

async function ipam(
  calls: AgentCalls,
  method: string,
  rest: readonly string[],
  request: IncomingMessage,
): Promise<Answer> {
  const [address] = rest;
  if (method === "POST" && address === undefined)
    return [201, calls.allocateAddress(text(await readBody(request), "owner"))];
  if (method === "DELETE" && address !== undefined) {
    calls.releaseAddress(address);
    return [200, {}];
  }
  throw new ApiError(405, `${method} is not a call on /v1/ipam`);
}

/** The options as a whole: each of them must be there, and no other. */
async function optionsOf(request: IncomingMessage): Promise<EndpointOptions> {
  const { PolicyAuditMode, ...others } = await readBody(request);
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw new ApiError(400, `${unknown} cannot be changed here; PolicyAuditMode can`);
  if (typeof PolicyAuditMode !== "boolean") throw new ApiError(400, "PolicyAuditMode must be true or false");
  return { PolicyAuditMode };
}

async function endpointConfig(
  calls: AgentCalls,
  method: string,
  id: number,
  request: IncomingMessage,
): Promise<Answer> {
  if (method === "GET") return [200, calls.audit.optionsOf(id)];
  if (method === "PATCH") return [200, calls.audit.set(id, await optionsOf(request))];
  throw new ApiError(405, `${method} is not a call on /v1/endpoint/${id}/config`);
}

function agentConfig({ audit, traceLevel }: AgentCalls): AgentConfig {
  return { ...audit.options, MonitorAggregationLevel: traceLevel.name };
}

/** Changes what is named, and nothing when something of it is wrong. */
async function configure(calls: AgentCalls, request: IncomingMessage): Promise<AgentConfig> {
  const { MonitorAggregationLevel: level, PolicyAuditMode: audit, ...others } = await readBody(request);
  const [unknown] = Object.keys(others);
  if (unknown !== undefined)
    throw new ApiError(400, `${unknown} cannot be changed here; PolicyAuditMode and MonitorAggregationLevel can`);
  if (audit !== undefined && typeof audit !== "boolean")
    throw new ApiError(400, "PolicyAuditMode must be true or false");
  const name = Object.keys(Aggregation).find((each) => each === level) as AggregationName | undefined;
  if (level !== undefined && name === undefined)
    throw new ApiError(400, `MonitorAggregationLevel must be one of ${Object.keys(Aggregation).join(", ")}`);
  if (name !== undefined) calls.traceLevel.set(name);
  if (audit !== undefined) calls.audit.setAll({ PolicyAuditMode: audit });
  return agentConfig(calls);
}

async function config(calls: AgentCalls, method: string, request: IncomingMessage): Promise<Answer> {
  if (method === "GET") return [200, agentConfig(calls)];
  if (method === "PATCH") return [200, await configure(calls, request)];
  throw new ApiError(405, `${method} is not a call on /v1/config`);
}

/** What stands in the kernel's maps. */
function kernel(calls: AgentCalls, method: string, [map]: readonly string[]): Answer {
  if (map === "ct" && method === "DELETE") return [200, { flushed: calls.flushConnections() }];
  if (method !== "GET") throw new ApiError(405, `${method} is not a call on /v1/bpf/${map}`);
  if (map === "ct") return [200, calls.connections()];
  if (map === "endpoint") return [200, calls.kernelEndpoints()];
  if (map === "metrics") return [200, calls.metrics()];
  if (map === "lb") return [200, calls.kernelServices()];
  throw new ApiError(404, `no such path: /v1/bpf/${map}`);
}

async function endpoint(
  calls: AgentCalls,
  method: string,
  rest: readonly string[],
  request: IncomingMessage,
): Promise<Answer> {
  const [id, part] = rest;
  if (part !== undefined && !/^\d+$/.test(id!)) throw new ApiError(400, `invalid endpoint id "${id}": it is a number`);
  if (method === "GET" && id === undefined) return [200, calls.endpoints()];
  if (method === "GET" && id !== undefined && part === "policy") {
    const rows = calls.endpointPolicy(Number(id));
    if (rows === undefined) throw new ApiError(404, `no endpoint ${id} on this node`);
    return [200, rows];
  }
  if (id !== undefined && part === "config") return endpointConfig(calls, method, Number(id), request);
  if (method === "PUT" && id !== undefined) {
    return [201, await calls.putEndpoint(endpointRequest(id, await readBody(request)))];
  }
  if (method === "DELETE" && id !== undefined) {
    await calls.deleteEndpoint(id);
    return [200, {}];
  }
  throw new ApiError(405, `${method} is not a call on /v1/endpoint`);
}

async function view(calls: AgentCalls, subject: string, part: string | undefined): Promise<Answer> {
  if (subject === "healthz") return [200, await calls.status()];
  if (subject === "policy" && part === undefined) return [200, calls.policy()];
  if (subject === "policy" && part === "selectors") return [200, calls.selectors("peers")];
  if (subject === "policy" && part === "subject-selectors") return [200, calls.selectors("subjects")];
  if (subject === "identity") return [200, calls.identities()];
  if (subject === "ip") return [200, calls.addresses()];
  if (subject === "service") return [200, calls.services()];
  throw new ApiError(404, `no such path: /v1/${subject}`);
}

/** `/fqdn/cache[/ENDPOINT]`, with `matchpattern` and `source`, as in Cilium's API. */
function fqdn({ names }: AgentCalls, method: string, rest: readonly string[], params: URLSearchParams): Answer {
  const [part, id] = rest;
  const pattern = params.get("matchpattern") ?? "*";
  const source = params.get("source") ?? "";
  if (part !== "cache") throw new ApiError(404, `no such path: /v1/fqdn/${part}`);
  const problem = namePatternProblem(pattern);
  if (problem !== undefined) throw new ApiError(400, `matchpattern ${problem}`);
  if (method === "DELETE") return [200, { forgotten: names.clean(pattern) }];
  if (method !== "GET") throw new ApiError(405, `${method} is not a call on /v1/fqdn/cache`);
  if (source !== "" && source !== "lookup" && source !== "connection")
    throw new ApiError(400, `source must be lookup or connection, not ${source}`);
  if (id !== undefined && !/^\d+$/.test(id)) throw new ApiError(400, `invalid endpoint id "${id}": it is a number`);
  return [200, names.list({ pattern, ...(source && { source }), ...(id !== undefined && { endpointId: Number(id) }) })];
}

async function answer(calls: AgentCalls, request: IncomingMessage): Promise<Answer> {
  const { pathname, searchParams } = new URL(request.url ?? "/", "http://agent");
  const [version, subject = "", ...rest] = pathname.slice(1).split("/").map(decodeURIComponent);
  if (version !== "v1") throw new ApiError(404, `no such path: ${pathname}`);
  const method = request.method ?? "GET";
  if (subject === "ipam") return ipam(calls, method, rest, request);
  if (subject === "endpoint") return endpoint(calls, method, rest, request);
  if (subject === "config") return config(calls, method, request);
  if (subject === "bpf") return kernel(calls, method, rest);
  if (subject === "fqdn") return fqdn(calls, method, rest, searchParams);
  if (method !== "GET") throw new ApiError(405, `${method} is not a call on /v1/${subject}`);
  return view(calls, subject, rest[0]);
}

function send(response: ServerResponse, [status, body]: Answer): void {
  const bytes = Buffer.from(JSON.stringify(body));
  response.writeHead(status, { "content-type": "application/json", "content-length": bytes.length });
  response.end(bytes);
}

async function handle(
  calls: AgentCalls,
  monitor: Monitor,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  try {
    if (request.method === "GET" && request.url === "/v1/monitor") monitor.attach(response);
    else send(response, await answer(calls, request));
  } catch (error) {
    const status = error instanceof ApiError ? error.status : 500;
    send(response, [status, { error: (error as Error).message }]);
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
  rmSync(path, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, resolve);
  });
  return {
    close: () =>
      new Promise((resolve) => {
        monitor.close();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
