import type { ConnectionRow, EndpointConfig, IpcacheEntry, MetricsRow, ServiceFrontend } from "../../datapath/port.ts";
import { type Answer, type ApiCall, ApiError, notACall } from "./request.ts";

/** What stands in the kernel's maps. */
export interface KernelCalls {
  connections(): readonly ConnectionRow[];
  metrics(): readonly MetricsRow[];
  /** Returns how many there were. */
  flushConnections(): number;
  kernelEndpoints(): readonly EndpointConfig[];
  /** The node's own addresses. */
  hostAddresses(): readonly string[];
  kernelServices(): readonly ServiceFrontend[];
  kernelIpcache(): ReadonlyMap<string, IpcacheEntry>;
}

/** `/bpf/MAP`: no part of Cilium's API, whose command opens the maps itself; the maps here have a form of their own. */
export function kernelRoutes(calls: KernelCalls, call: ApiCall): Answer {
  const [map] = call.rest;
  if (map === "ct" && call.method === "DELETE") return [200, { flushed: calls.flushConnections() }];
  if (call.method !== "GET") throw notACall(call, `bpf/${map}`);
  if (map === "ct") return [200, calls.connections()];
  if (map === "endpoint")
    return [200, [...calls.hostAddresses().map((localhost) => ({ localhost })), ...calls.kernelEndpoints()]];
  if (map === "metrics") return [200, calls.metrics()];
  if (map === "lb") return [200, calls.kernelServices()];
  if (map === "ipcache")
    return [200, [...calls.kernelIpcache()].map(([cidr, entry]) => ({ cidr, tunnel: "0.0.0.0", ...entry }))];
  throw new ApiError(404, `no such path: /v1/bpf/${map}`);
}
