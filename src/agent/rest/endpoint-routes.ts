import type { PolicyRow } from "../../datapath/port.ts";
import { canonicalAddress } from "../../model/cidr.ts";
import type { EndpointChangeRequest } from "../api.ts";
import type {
  EndpointConfigurationStatus,
  EndpointHealth,
  EndpointModel,
  EndpointStatusChange,
  LabelConfiguration,
} from "../api-models.ts";
import { findEndpoint } from "./endpoint-id.ts";
import { type Answer, type ApiCall, ApiError, labelsBody, matching, notACall, objectBody, text } from "./request.ts";

export interface EndpointCalls {
  putEndpoint(request: EndpointChangeRequest): Promise<EndpointModel>;
  deleteEndpoint(containerId: string): Promise<void>;
  /** Those of pods, the node's health endpoint, and the node itself. */
  endpoints(): readonly EndpointModel[];
  /** Newest first. */
  endpointLog(id: number): readonly EndpointStatusChange[];
  /** Undefined when there is no such endpoint. */
  endpointPolicy(id: number): readonly PolicyRow[] | undefined;
  /** Changes audit mode. Throws ApiError 404 when the endpoint cannot have it. */
  setAudit(id: number, audit: boolean): void;
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

const AUDIT = "PolicyAuditMode";
const POD_LABELS = "labels of an endpoint are those of its pod: change them with `kubectl label pod`";

/** A switch as Cilium's command sends it: a word or a number. Throws ApiError 400 when it is neither. */
export function switchOf(name: string, value: unknown): boolean {
  const word = String(value).toLowerCase();
  if (["enabled", "enable", "true", "1"].includes(word)) return true;
  if (["disabled", "disable", "false", "0"].includes(word)) return false;
  throw new ApiError(400, `${name} must be Enabled or Disabled, not ${value}`);
}

/** The switches of a body, which may have the fields `others` beside; options that are not there are not changed. */
export function optionsOf(body: Record<string, unknown>, others: readonly string[]): Readonly<Record<string, unknown>> {
  const { options } = body;
  const unknown = Object.keys(body).find((field) => field !== "options" && !others.includes(field));
  if (unknown !== undefined) throw new ApiError(400, `${unknown} is not known here: names and words go into options`);
  if (options === undefined || options === null) return {};
  if (typeof options === "object" && !Array.isArray(options)) return options as Record<string, unknown>;
  throw new ApiError(400, "options must be an object of names and words");
}

async function changeConfig(calls: EndpointCalls, id: number, call: ApiCall): Promise<Answer> {
  const body = await objectBody(call);
  const { user = [] } = (body["label-configuration"] ?? {}) as { readonly user?: readonly unknown[] | null };
  if (user !== null && user.length > 0) throw new ApiError(400, POD_LABELS);
  const { [AUDIT]: audit, ...others } = optionsOf(body, ["label-configuration"]);
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw new ApiError(400, `${unknown} cannot be changed here; ${AUDIT} can`);
  if (audit !== undefined) calls.setAudit(id, switchOf(AUDIT, audit));
  return [200, {}];
}

function configOf({ spec }: EndpointModel): EndpointConfigurationStatus {
  return { immutable: {}, realized: spec };
}

function labelsOf({ status: { labels } }: EndpointModel): LabelConfiguration {
  return { spec: labels.realized, status: labels };
}

/** One part of an endpoint, or all of it. */
function read(calls: EndpointCalls, endpoint: EndpointModel, part: string | undefined): unknown {
  switch (part) {
    case undefined:
      return endpoint;
    case "config":
      return configOf(endpoint);
    case "labels":
      return labelsOf(endpoint);
    case "log":
      return calls.endpointLog(endpoint.id);
    case "healthz":
      return endpoint.status.health satisfies EndpointHealth;
    case "policy":
      return calls.endpointPolicy(endpoint.id) ?? [];
    default:
      throw new ApiError(404, `no such path: /v1/endpoint/${endpoint.id}/${part}`);
  }
}

async function listed(calls: EndpointCalls, call: ApiCall): Promise<Answer> {
  const wanted = await labelsBody(call);
  const all = calls.endpoints();
  if (wanted.length === 0) return [200, all];
  const has = ({ status }: EndpointModel, label: string) => {
    const own = status.labels["security-relevant"];
    return own.some((text) => text === label || text.slice(text.indexOf(":") + 1) === label);
  };
  const found = all.filter((endpoint) => wanted.every((label) => has(endpoint, label)));
  if (found.length === 0) throw new ApiError(404, `no endpoint of this node has the labels ${wanted.join(" ")}`);
  return [200, found];
}

/** Endpoints come and go with their pods: only a CNI plugin makes and removes them, by the container's id. */
async function change(calls: EndpointCalls, id: string, call: ApiCall): Promise<Answer> {
  if (call.method === "PUT" && !isOfCilium(id))
    return [201, await calls.putEndpoint(endpointRequest(id, await objectBody(call)))];
  if (call.method === "DELETE" && !isOfCilium(id)) {
    await calls.deleteEndpoint(id);
    return [200, {}];
  }
  const mend = "the kubelet makes and removes the endpoints of pods: use `kubectl delete pod`";
  if (call.method === "DELETE") throw new ApiError(400, `an endpoint cannot be disconnected by itself; ${mend}`);
  if (call.method === "PUT" || call.method === "PATCH")
    throw new ApiError(400, `endpoint ${id} cannot be made or changed by itself; ${mend}`);
  throw notACall(call, "endpoint");
}

/** A number, or a name with its kind: what Cilium's command calls an endpoint. */
function isOfCilium(id: string): boolean {
  return /^\d+$/.test(id) || id.includes(":");
}

/** `/endpoint[/ID[/PART]]` */
export async function endpointRoutes(calls: EndpointCalls, call: ApiCall): Promise<Answer> {
  const [id, part] = call.rest;
  if (id === undefined) {
    if (call.method === "GET") return listed(calls, call);
    throw new ApiError(call.method === "DELETE" ? 400 : 405, "endpoints are changed one by one, by the kubelet");
  }
  if (call.method === "GET") return [200, read(calls, findEndpoint(calls.endpoints(), id), part)];
  if (part === undefined) return change(calls, id, call);
  const endpoint = findEndpoint(calls.endpoints(), id);
  if (call.method === "PATCH" && part === "config") return changeConfig(calls, endpoint.id, call);
  if (call.method === "PATCH" && part === "labels") throw new ApiError(500, POD_LABELS);
  throw notACall(call, `endpoint/${id}/${part}`);
}
