import { PROXY_METRICS_PORT } from "../model/addresses.ts";

/** What the proxy takes from its bootstrap file. The file has the shape of Envoy's and only keys that are honoured. */
export interface Bootstrap {
  readonly node: { readonly id: string; readonly cluster: string };
  /** Unix socket that the admin interface listens on. */
  readonly adminPath: string;
  /** Unix socket of the agent. */
  readonly xdsPath: string;
  readonly connectTimeoutMs: { readonly ingress: number; readonly egress: number };
  /** Where Prometheus reads; absent = nowhere. */
  readonly metrics?: { readonly host: string; readonly port: number };
}

export interface BootstrapOptions {
  readonly nodeId?: string;
  readonly adminPath?: string;
  readonly xdsPath?: string;
  readonly connectTimeoutSeconds?: number;
  readonly metricsPort?: number;
}

/** The listener that Cilium's own file has for Prometheus. */
const METRICS_LISTENER = "envoy-prometheus-metrics-listener";
const SOCKETS = "/var/run/cilium/envoy/sockets";
const XDS_CLUSTER = "xds-grpc-cilium";
const INGRESS_CLUSTER = "ingress-cluster";
const EGRESS_CLUSTER = "egress-cluster";

/** The configuration for ConfigMap `cilium-envoy-config`: the same for every node. */
export function bootstrapConfig(options: BootstrapOptions = {}): object {
  const connectTimeout = `${options.connectTimeoutSeconds ?? 2}s`;
  const xds = { pipe: { path: options.xdsPath ?? `${SOCKETS}/xds.sock` } };
  return {
    node: { id: options.nodeId ?? "host~127.0.0.1~no-id~localdomain", cluster: INGRESS_CLUSTER },
    admin: { address: { pipe: { path: options.adminPath ?? `${SOCKETS}/admin.sock` } } },
    staticResources: {
      listeners: [
        {
          name: METRICS_LISTENER,
          address: { socketAddress: { address: "0.0.0.0", portValue: options.metricsPort ?? PROXY_METRICS_PORT } },
        },
      ],
      clusters: [
        { name: INGRESS_CLUSTER, type: "ORIGINAL_DST", connectTimeout },
        { name: EGRESS_CLUSTER, type: "ORIGINAL_DST", connectTimeout },
        {
          name: XDS_CLUSTER,
          type: "STATIC",
          loadAssignment: {
            clusterName: XDS_CLUSTER,
            endpoints: [{ lbEndpoints: [{ endpoint: { address: xds } }] }],
          },
        },
      ],
    },
    dynamicResources: {
      ldsConfig: { apiConfigSource: { apiType: "GRPC", grpcServices: [{ envoyGrpc: { clusterName: XDS_CLUSTER } }] } },
    },
  };
}

/** Reads a bootstrap file's JSON. Throws naming the key that is missing, of the wrong kind, or not honoured. */
export function parseBootstrap(json: unknown): Bootstrap {
  const root = object(json, "bootstrap", ["node", "admin", "staticResources", "dynamicResources"]);
  const node = object(root["node"], "node", ["id", "cluster"]);
  const admin = object(root["admin"], "admin", ["address"]);
  const resources = object(root["staticResources"], "staticResources", ["clusters", "listeners"]);
  const clusters = list(resources["clusters"], "clusters");
  const byName = new Map(clusters.map((cluster, index) => [clusterName(cluster, index), cluster]));
  for (const name of byName.keys()) {
    if (![XDS_CLUSTER, INGRESS_CLUSTER, EGRESS_CLUSTER].includes(name))
      throw new Error(`cluster "${name}" is not used: remove it`);
  }
  return {
    ...metricsListener(resources["listeners"]),
    node: { id: text(node["id"], "node.id"), cluster: text(node["cluster"], "node.cluster") },
    adminPath: pipePath(admin["address"], "admin.address"),
    xdsPath: staticClusterPath(byName.get(discoveryCluster(root["dynamicResources"]))),
    connectTimeoutMs: {
      ingress: connectTimeout(byName.get(INGRESS_CLUSTER), INGRESS_CLUSTER),
      egress: connectTimeout(byName.get(EGRESS_CLUSTER), EGRESS_CLUSTER),
    },
  };
}

/** Of a file without listeners nothing: so it is in labs that are older. */
function metricsListener(value: unknown): Pick<Bootstrap, "metrics"> {
  if (value === undefined || list(value, "listeners").length === 0) return {};
  const listener = object(only(value, "listeners"), "listeners[0]", ["name", "address"]);
  if (listener["name"] !== METRICS_LISTENER) throw new Error(`listeners[0].name: only "${METRICS_LISTENER}"`);
  const at = "listeners[0].address";
  const address = object(object(listener["address"], at, ["socketAddress"])["socketAddress"], `${at}.socketAddress`, [
    "address",
    "portValue",
  ]);
  const port = address["portValue"];
  if (typeof port !== "number" || !Number.isInteger(port) || port < 1 || port > 65_535)
    throw new Error(`${at}.socketAddress.portValue: must be a port`);
  return { metrics: { host: text(address["address"], `${at}.socketAddress.address`), port } };
}

function discoveryCluster(value: unknown): string {
  const at = "dynamicResources.ldsConfig.apiConfigSource";
  const lds = object(object(value, "dynamicResources", ["ldsConfig"])["ldsConfig"], "ldsConfig", ["apiConfigSource"]);
  const source = object(lds["apiConfigSource"], at, ["apiType", "grpcServices"]);
  if (source["apiType"] !== "GRPC") throw new Error(`${at}.apiType: only "GRPC"`);
  const service = object(only(source["grpcServices"], `${at}.grpcServices`), `${at}.grpcServices[0]`, ["envoyGrpc"]);
  const grpc = object(service["envoyGrpc"], `${at}.envoyGrpc`, ["clusterName"]);
  const name = text(grpc["clusterName"], `${at}.clusterName`);
  if (name !== XDS_CLUSTER) throw new Error(`${at}.clusterName: "${name}" is not "${XDS_CLUSTER}"`);
  return name;
}

function staticClusterPath(value: unknown): string {
  const cluster = object(value, XDS_CLUSTER, ["name", "type", "loadAssignment"]);
  if (cluster["type"] !== "STATIC") throw new Error(`${XDS_CLUSTER}.type: only "STATIC"`);
  const at = `${XDS_CLUSTER}.loadAssignment`;
  const assignment = object(cluster["loadAssignment"], at, ["clusterName", "endpoints"]);
  if (assignment["clusterName"] !== XDS_CLUSTER) throw new Error(`${at}.clusterName: only "${XDS_CLUSTER}"`);
  const locality = object(only(assignment["endpoints"], `${at}.endpoints`), `${at}.endpoints[0]`, ["lbEndpoints"]);
  const backend = object(only(locality["lbEndpoints"], `${at}.lbEndpoints`), `${at}.lbEndpoints[0]`, ["endpoint"]);
  return pipePath(object(backend["endpoint"], `${at}.endpoint`, ["address"])["address"], `${at}.address`);
}

function connectTimeout(value: unknown, name: string): number {
  const cluster = object(value, name, ["name", "type", "connectTimeout"]);
  if (cluster["type"] !== "ORIGINAL_DST") throw new Error(`${name}.type: only "ORIGINAL_DST"`);
  const seconds = /^([0-9]+(?:\.[0-9]+)?)s$/.exec(text(cluster["connectTimeout"], `${name}.connectTimeout`));
  if (seconds === null || Number(seconds[1]) <= 0) throw new Error(`${name}.connectTimeout: seconds such as "2s"`);
  return Number(seconds[1]) * 1000;
}

function clusterName(value: unknown, index: number): string {
  if (typeof value !== "object" || value === null) throw new Error(`clusters[${index}]: must be an object`);
  return text((value as Record<string, unknown>)["name"], `clusters[${index}].name`);
}

function pipePath(value: unknown, at: string): string {
  const pipe = object(object(value, at, ["pipe"])["pipe"], `${at}.pipe`, ["path"]);
  const path = text(pipe["path"], `${at}.pipe.path`);
  if (!path.startsWith("/")) throw new Error(`${at}.pipe.path: "${path}" is not absolute`);
  return path;
}

function object(value: unknown, at: string, known: readonly string[]): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error(`${at}: must be an object`);
  for (const key of Object.keys(value)) {
    if (!known.includes(key))
      throw new Error(`${at}.${key}: not honoured by this proxy; known here: ${known.join(", ")}`);
  }
  return value as Record<string, unknown>;
}

function list(value: unknown, at: string): unknown[] {
  if (!Array.isArray(value)) throw new Error(`${at}: must be a list`);
  return value;
}

function only(value: unknown, at: string): unknown {
  const [first, ...others] = list(value, at);
  if (first === undefined || others.length > 0) throw new Error(`${at}: must have one element`);
  return first;
}

function text(value: unknown, at: string): string {
  if (typeof value !== "string" || value === "") throw new Error(`${at}: must be a text`);
  return value;
}
