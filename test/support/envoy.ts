/** A real Envoy, configured as Cilium configures its own, with its role-based access control in place of Cilium's filter. */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { HttpRule } from "../../src/policy/l7-rule.ts";
import { accepts, freePort } from "./http-servers.ts";

export interface Envoy {
  readonly port: number;
  stop(): void;
}

/** Starts the binary in front of a server on loopback; resolves when it accepts. Rules allow, everything else is refused. */
export function startEnvoy(binary: string, rules: readonly HttpRule[], upstreamPort: number): Promise<Envoy> {
  const filter = { name: "envoy.filters.network.http_connection_manager", typed_config: httpSettings(rules) };
  return run(binary, { filter_chains: [{ filters: [filter] }] }, upstreamPort);
}

/** The same for TLS: a client that asks for exactly one of the names is tunnelled. */
export function startEnvoyForNames(binary: string, names: readonly string[], upstreamPort: number): Promise<Envoy> {
  const inspector = { "@type": `${TYPE}.extensions.filters.listener.tls_inspector.v3.TlsInspector` };
  const tunnel = {
    "@type": `${TYPE}.extensions.filters.network.tcp_proxy.v3.TcpProxy`,
    stat_prefix: "proxy",
    cluster: "server",
  };
  const filters = [{ name: "tunnel", typed_config: tunnel }];
  const listener = {
    listener_filters: [{ name: "inspector", typed_config: inspector }],
    listener_filters_timeout: "0.2s",
    filter_chains: [{ filter_chain_match: { server_names: names }, filters }],
  };
  return run(binary, listener, upstreamPort);
}

async function run(binary: string, listener: object, upstreamPort: number): Promise<Envoy> {
  const directory = mkdtempSync(join(tmpdir(), "sgt-envoy-"));
  const port = await freePort();
  const file = join(directory, "envoy.json");
  writeFileSync(file, JSON.stringify(configuration(listener, port, upstreamPort)));
  const options = ["-c", file, "--concurrency", "1", "--use-dynamic-base-id", "-l", "error"];
  const child = spawn(binary, options, { stdio: ["ignore", "ignore", "pipe"] });
  let complaints = "";
  child.stderr?.on("data", (chunk) => {
    complaints += chunk;
  });
  const stop = () => {
    child.kill("SIGKILL");
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    await accepts(port, child);
  } catch (error) {
    stop();
    throw new Error(`Envoy did not start: ${(error as Error).message}: ${complaints}`);
  }
  return { port, stop };
}

const TYPE = "type.googleapis.com/envoy";

function address(port: number): object {
  return { socket_address: { address: "127.0.0.1", port_value: port } };
}

function configuration(listener: object, port: number, upstreamPort: number): object {
  const loadAssignment = {
    cluster_name: "server",
    endpoints: [{ lb_endpoints: [{ endpoint: { address: address(upstreamPort) } }] }],
  };
  return {
    static_resources: {
      listeners: [{ name: "l", address: address(port), ...listener }],
      clusters: [{ name: "server", type: "STATIC", connect_timeout: "2s", load_assignment: loadAssignment }],
    },
  };
}

/** The settings of Cilium 1.20 (pkg/envoy/model.go). */
function httpSettings(rules: readonly HttpRule[]): object {
  return {
    "@type": `${TYPE}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: "proxy",
    upgrade_configs: [{ upgrade_type: "websocket" }],
    use_remote_address: true,
    skip_xff_append: true,
    normalize_path: true,
    merge_slashes: true,
    path_with_escaped_slashes_action: "UNESCAPE_AND_REDIRECT",
    http_filters: [
      {
        name: "envoy.filters.http.rbac",
        typed_config: {
          "@type": `${TYPE}.extensions.filters.http.rbac.v3.RBAC`,
          rules: { action: "ALLOW", policies: Object.fromEntries(rules.map((rule, index) => [index, policyOf(rule)])) },
        },
      },
      {
        name: "envoy.filters.http.router",
        typed_config: { "@type": `${TYPE}.extensions.filters.http.router.v3.Router` },
      },
    ],
    route_config: {
      virtual_hosts: [
        { name: "all", domains: ["*"], routes: [{ match: { prefix: "/" }, route: { cluster: "server" } }] },
      ],
    },
  };
}

function policyOf({ method, path, host, headers = [], headerMatches = [] }: HttpRule): object {
  const regex = (name: string, text: string) => ({ header: { name, string_match: { safe_regex: { regex: text } } } });
  const exact = (name: string, value: string | undefined) => ({
    header: value === undefined ? { name, present_match: true } : { name, string_match: { exact: value } },
  });
  const all = [
    ...(path === undefined ? [] : [regex(":path", path)]),
    ...(method === undefined ? [] : [regex(":method", method)]),
    ...(host === undefined ? [] : [regex(":authority", host)]),
    ...headers.map((text) => {
      const space = text.indexOf(" ");
      return space < 0 ? exact(text, undefined) : exact(text.slice(0, space).replace(/:$/, ""), text.slice(space + 1));
    }),
    ...headerMatches.map(({ name, value }) => exact(name, value)),
  ];
  return {
    permissions: [all.length === 0 ? { any: true } : { and_rules: { rules: all } }],
    principals: [{ any: true }],
  };
}
