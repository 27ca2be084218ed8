/** Other proxies in the place of ours: their configurations for the same rules, transparent and marked by a preloaded library. */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { PROXY_MARK_INGRESS } from "../src/model/proxy-mark.ts";
import { oracle } from "../test/oracle/cache.ts";

/** What a proxy of one service port is to do. */
export interface Task {
  /** Where the datapath sends connections to. */
  readonly listenPort: number;
  /** The only client: HAProxy would open a connection for each request if it were to read the address from the connection. */
  readonly clientAddress: string;
  /** The server behind it. */
  readonly address: string;
  readonly port: number;
  /** Paths of GET that are allowed, as regular expressions of the whole path. */
  readonly paths: readonly string[];
  /** HTTP/2 by prior knowledge on both sides. */
  readonly http2: boolean;
}

export interface Rival {
  readonly name: string;
  /** Command and arguments that run it in the foreground as one process with one worker. */
  command(configPath: string): readonly string[];
  config(task: Task, directory: string): string;
  /** Why it cannot be had here; undefined = it can. */
  missing(): string | undefined;
}

/** More connections than any row opens. */
const MOST_CONNECTIONS = 9_500;

const inPath = (program: string) => spawnSync("sh", ["-c", `command -v ${program}`]).status === 0;

const haproxy: Rival = {
  name: "HAProxy",
  missing: () => (inPath("haproxy") ? undefined : "haproxy is not installed: apt-get install haproxy"),
  command: (path) => ["haproxy", "-db", "-f", path],
  config: ({ listenPort, clientAddress, address, port, paths, http2 }) => `global
  nbthread 1
  maxconn ${MOST_CONNECTIONS}
defaults
  mode http
  timeout client 1h
  timeout server 1h
  timeout connect 2s
  timeout http-keep-alive 1h
frontend pods
  bind 0.0.0.0:${listenPort} transparent${http2 ? " proto h2" : ""}
${paths.map((path) => `  acl allowed_path path_reg ^${path}$`).join("\n")}
  http-request deny unless METH_GET allowed_path
  default_backend server
backend server
  source 0.0.0.0 usesrc ${clientAddress}
  server pod ${address}:${port}${http2 ? " proto h2" : ""}
`,
};

const nginx: Rival = {
  name: "nginx",
  missing: () => (inPath("nginx") ? undefined : "nginx is not installed: apt-get install nginx-light"),
  command: (path) => ["nginx", "-c", path],
  // a limit on methods for each location would be the same test
  config: (
    { listenPort, address, port, paths, http2 },
    directory,
  ) => `daemon off; master_process off; pid ${directory}/pid;
error_log stderr crit; user root;
events { worker_connections ${2 * MOST_CONNECTIONS}; }
http {
  access_log off; keepalive_requests 1000000000; keepalive_timeout 1h; client_body_temp_path ${directory}; proxy_temp_path ${directory};
  upstream pod { server ${address}:${port}; keepalive ${MOST_CONNECTIONS}; keepalive_requests 1000000000; keepalive_timeout 1h; }
  server {
    listen ${listenPort}${http2 ? " http2" : ""};
    proxy_http_version 1.1; proxy_set_header Connection ""; proxy_bind $remote_addr transparent;
    if ($request_method != GET) { return 403; }
${paths.map((path) => `    location ~ "^${path}$" { proxy_pass http://pod; }`).join("\n")}
    location / { return 403; }
  }
}
`,
};

/** The one that is named, else the tests' own. */
function envoyBinary(): ReturnType<typeof oracle> {
  const given = process.env["SHIELDGATE_ENVOY"];
  if (given === undefined) return oracle("envoy");
  return existsSync(given) ? { path: given } : { missing: `SHIELDGATE_ENVOY: there is no ${given}` };
}

const envoy: Rival = {
  name: "Envoy",
  missing: () => {
    const found = envoyBinary();
    return "missing" in found ? found.missing : undefined;
  },
  command: (path) => {
    const found = envoyBinary();
    if ("missing" in found) throw new Error(found.missing);
    return [found.path, "-c", path, "--concurrency", "1", "-l", "error", "--disable-hot-restart"];
  },
  config: (task) => JSON.stringify(envoyConfig(task)),
};

const TYPE = "type.googleapis.com/envoy";
const EXTENSIONS = `${TYPE}.extensions.filters`;

const socketAddress = (host: string, port: number) => ({ socket_address: { address: host, port_value: port } });

function envoyConfig(task: Task) {
  const sourceFilter = {
    name: "original_src",
    typed_config: { "@type": `${EXTENSIONS}.listener.original_src.v3.OriginalSrc`, mark: PROXY_MARK_INGRESS },
  };
  const listener = {
    name: "pods",
    address: socketAddress("0.0.0.0", task.listenPort),
    transparent: true,
    listener_filters: [sourceFilter],
    filter_chains: [{ filters: [{ name: "http", typed_config: httpFilter(task.paths) }] }],
  };
  return { static_resources: { listeners: [listener], clusters: [cluster(task)] } };
}

function httpFilter(paths: readonly string[]) {
  const permission = (path: string) => ({
    and_rules: {
      rules: [
        { header: { name: ":method", string_match: { exact: "GET" } } },
        { header: { name: ":path", string_match: { safe_regex: { regex: path } } } },
      ],
    },
  });
  const rules = { policies: { allowed: { permissions: paths.map(permission), principals: [{ any: true }] } } };
  const routes = [{ match: { prefix: "/" }, route: { cluster: "pod", timeout: "0s" } }];
  return {
    "@type": `${EXTENSIONS}.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: "pods",
    use_remote_address: true,
    skip_xff_append: true,
    generate_request_id: false,
    stream_idle_timeout: "0s",
    route_config: { virtual_hosts: [{ name: "all", domains: ["*"], routes }] },
    http_filters: [
      { name: "rbac", typed_config: { "@type": `${EXTENSIONS}.http.rbac.v3.RBAC`, rules } },
      { name: "router", typed_config: { "@type": `${EXTENSIONS}.http.router.v3.Router` } },
    ],
  };
}

function cluster({ address, port, http2 }: Task) {
  const most = {
    max_connections: MOST_CONNECTIONS,
    max_pending_requests: MOST_CONNECTIONS,
    max_requests: MOST_CONNECTIONS,
  };
  const protocol = http2 ? { http2_protocol_options: {} } : { http_protocol_options: {} };
  return {
    name: "pod",
    type: "STATIC",
    connect_timeout: "2s",
    circuit_breakers: { thresholds: [most] },
    typed_extension_protocol_options: {
      "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": `${TYPE}.extensions.upstreams.http.v3.HttpProtocolOptions`,
        explicit_http_config: protocol,
      },
    },
    load_assignment: {
      cluster_name: "pod",
      endpoints: [{ lb_endpoints: [{ endpoint: { address: socketAddress(address, port) } }] }],
    },
  };
}

export const RIVALS: readonly Rival[] = [haproxy, nginx, envoy];

/** Compiles the library that `LD_PRELOAD` takes; its path. Throws where there is no compiler. */
export function buildMarker(root: string, directory: string): string {
  const path = join(directory, "marked.so");
  execFileSync("clang", ["-O2", "-shared", "-fPIC", "-o", path, join(root, "bench/native/marked.c"), "-ldl"]);
  return path;
}
