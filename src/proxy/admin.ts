import { chmodSync, mkdirSync, rmSync } from "node:fs";
import { createServer, type Server, type ServerResponse } from "node:http";
import { dirname } from "node:path";
import { compileRegex } from "../policy/http-regex.ts";
import type { ListenerStatus } from "./listeners.ts";
import type { NetworkPolicy } from "./xds.ts";

/** What the admin interface shows. */
export interface AdminView {
  /** The bootstrap file's JSON as loaded. */
  readonly bootstrap: unknown;
  readonly version: string;
  readonly xdsPath: string;
  readonly startedAtMs: number;
  now(): number;
  /** The agent has answered at least once. */
  initialized(): boolean;
  connected(): boolean;
  policyVersion(): string;
  listeners(): readonly ListenerStatus[];
  policies(): readonly NetworkPolicy[];
  stats(): Readonly<Record<string, number>>;
  /** Envoy's metrics in the text form of Prometheus; absent = nobody counts. */
  readonly prometheus?: (() => string) | undefined;
}

interface Page {
  readonly status?: number;
  readonly json?: unknown;
  readonly text?: string;
}

const TYPE = "type.googleapis.com/envoy.admin.v3";

type Answer = (view: AdminView, asked: URLSearchParams) => Page;

const FORMATS: Readonly<Record<string, readonly string[]>> = {
  "/listeners": ["text", "json"],
  "/stats": ["text", "json", "prometheus"],
};

/** Parameters that a page takes, as Envoy's do; others are refused by name. */
const PARAMETERS: Readonly<Record<string, readonly string[]>> = {
  "/listeners": ["format"],
  "/stats": ["filter", "format", "usedonly"],
};

const PAGES: Readonly<Record<string, Answer>> = {
  "/config_dump": (view) => ({ json: configDump(view) }),
  "/server_info": (view) => ({
    json: {
      version: view.version,
      state: view.initialized() ? "LIVE" : "PRE_INITIALIZING",
      uptime_current_epoch: `${Math.floor((view.now() - view.startedAtMs) / 1000)}s`,
      pid: process.pid,
    },
  }),
  "/ready": (view) =>
    view.initialized()
      ? { text: "LIVE\n" }
      : { status: 503, text: "PRE_INITIALIZING: the agent has not answered yet\n" },
  "/listeners": (view, asked) =>
    asked.get("format") === "json"
      ? { json: { listener_statuses: view.listeners().map(listenerStatus) } }
      : {
          text: view
            .listeners()
            .map((listener) => `${nameOf(listener)}::0.0.0.0:${listener.port}\n`)
            .join(""),
        },
  "/clusters": (view) => ({
    text: `xds-grpc-cilium::${view.xdsPath}::connected::${view.connected()}\n`,
  }),
  "/stats/prometheus": prometheusPage,
  "/stats": (view, asked) => {
    if (asked.get("format") === "prometheus") return prometheusPage(view, asked);
    const filter = matcherOf(asked.get("filter") ?? "");
    if (filter === undefined) return { status: 400, text: "filter is no regular expression\n" };
    const isUsed = (value: number) => value !== 0 || !asked.has("usedonly");
    const stats = Object.entries(view.stats()).filter(([name, value]) => filter(name) && isUsed(value));
    if (asked.get("format") === "json") return { json: { stats: stats.map(([name, value]) => ({ name, value })) } };
    return { text: stats.map(([name, value]) => `${name}: ${value}\n`).join("") };
  },
};

/** Names of Envoy's that Prometheus wants otherwise than `/stats` has them: no filter means both. */
function prometheusPage({ prometheus }: AdminView, asked: URLSearchParams): Page {
  if (asked.has("filter")) return { status: 400, text: "the format prometheus takes no filter\n" };
  if (prometheus === undefined) return { status: 404, text: "nobody counts for Prometheus here\n" };
  return { text: prometheus() };
}

/** RE2, found anywhere in a name. */
function matcherOf(expression: string): ((name: string) => boolean) | undefined {
  try {
    const compiled = compileRegex(expression);
    return (name) => compiled.test(name);
  } catch {
    return undefined;
  }
}

function listenerStatus(listener: ListenerStatus): object {
  const local_address = { socket_address: { address: "0.0.0.0", port_value: listener.port } };
  return { name: nameOf(listener), local_address };
}

function pageOf(url: string, view: AdminView): Page {
  const { pathname, searchParams } = new URL(url, "http://admin");
  const answer = PAGES[pathname];
  if (answer === undefined) return { status: 404, text: `${Object.keys(PAGES).join("\n")}\n` };
  for (const [name, value] of searchParams) {
    const isKnown = PARAMETERS[pathname]?.includes(name) ?? false;
    if (!isKnown) return { status: 400, text: `${pathname} takes no parameter ${name}\n` };
    const formats = FORMATS[pathname] ?? [];
    if (name === "format" && !formats.includes(value))
      return { status: 400, text: `format is ${formats.join(" or ")}, not ${value}\n` };
  }
  return answer(view, searchParams);
}

/** Serves the admin interface on a unix socket; a stale socket there is replaced. */
export async function startAdmin(path: string, view: AdminView): Promise<{ close(): Promise<void> }> {
  const server = createServer((request, response) => {
    if (request.method !== "GET" && request.method !== "HEAD") reply(response, { status: 405, text: "GET only\n" });
    else reply(response, pageOf(request.url ?? "/", view));
  });
  server.keepAliveTimeout = 0; // the agent keeps its connection
  await listen(server, path);
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function configDump(view: AdminView): unknown {
  return {
    configs: [
      { "@type": `${TYPE}.BootstrapConfigDump`, bootstrap: view.bootstrap },
      {
        "@type": `${TYPE}.ListenersConfigDump`,
        version_info: view.policyVersion(),
        dynamic_listeners: view.listeners().map((listener) => ({
          name: nameOf(listener),
          active_state: {
            listener: { address: { socket_address: { address: "0.0.0.0", port_value: listener.port } } },
            connections: listener.connections,
          },
        })),
      },
      {
        "@type": "shieldgate.proxy.v1.NetworkPoliciesDump",
        version_info: view.policyVersion(),
        // A rule names its secrets; what they are is nobody's here.
        policies: view.policies().map(({ secrets: _, ...policy }) => policy),
      },
    ],
  };
}

function nameOf(listener: ListenerStatus): string {
  return `${listener.endpointId}/${listener.key}`;
}

function reply(response: ServerResponse, page: Page): void {
  const isJson = page.json !== undefined;
  response.writeHead(page.status ?? 200, { "content-type": isJson ? "application/json" : "text/plain; charset=UTF-8" });
  response.end(isJson ? `${JSON.stringify(page.json, null, 1)}\n` : page.text);
}

function listen(server: Server, path: string): Promise<void> {
  mkdirSync(dirname(path), { recursive: true });
  rmSync(path, { force: true });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, () => {
      server.off("error", reject);
      chmodSync(path, 0o600);
      resolve();
    });
  });
}
