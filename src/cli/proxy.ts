/** Main of a node's proxy process: `proxy --bootstrap FILE --pins DIRECTORY`. */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import packageJson from "../../package.json" with { type: "json" };
import { openProxyOrigins } from "../datapath/ebpf/proxy-origins.ts";
import { addEnvoyMetrics, exposition, MetricsServer, Registry } from "../metrics/index.ts";
import type { ProxyOrigin, ProxyOrigins } from "../model/proxy-origin.ts";
import { parseBootstrap } from "../proxy/bootstrap.ts";
import { transparentDatagrams } from "../proxy/datagrams.ts";
import { startProxy } from "../proxy/proxy.ts";
import { transparentSockets } from "../proxy/sockets.ts";

process.title = "cilium-envoy";

function log(line: string): void {
  process.stderr.write(`${new Date().toISOString()} proxy: ${line}\n`);
}

/** The proxy may start before the agent has made the map: it is opened when the first connection comes. */
function pinnedOrigins(pinDirectory: string): ProxyOrigins {
  let opened: ProxyOrigins | undefined;
  const ask = (question: (origins: ProxyOrigins) => ProxyOrigin | undefined) => {
    try {
      opened ??= openProxyOrigins({ pinDirectory });
      return question(opened);
    } catch (error) {
      log(`connection refused, its origin cannot be looked up: ${(error as Error).message}`);
      return undefined;
    }
  };
  return {
    lookup: (...tuple) => ask((origins) => origins.lookup(...tuple)),
    follow(...tuple) {
      let followed: ReturnType<ProxyOrigins["follow"]> | undefined;
      const question = (origins: ProxyOrigins) => {
        followed ??= origins.follow(...tuple);
        return followed();
      };
      return () => ask(question);
    },
  };
}

const { values } = parseArgs({ options: { bootstrap: { type: "string" }, pins: { type: "string" } } });
if (values.bootstrap === undefined || values.pins === undefined) {
  process.stderr.write("usage: proxy --bootstrap FILE --pins DIRECTORY\n");
  process.exit(2);
}
const bootstrap: unknown = JSON.parse(readFileSync(values.bootstrap, "utf8"));
const registry = new Registry();
const recorded = addEnvoyMetrics(registry, () => proxy.status());
const proxy = await startProxy({
  bootstrap,
  recorded,
  prometheus: () => exposition(registry, "prometheus"),
  version: packageJson.version,
  origins: pinnedOrigins(values.pins),
  sockets: transparentSockets(),
  datagrams: transparentDatagrams(),
  log,
});
const metrics = new MetricsServer({ registry, log });
await metrics.listen(parseBootstrap(bootstrap).metrics);
for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.once(signal, () => {
    metrics.close();
    void proxy.stop().then(() => process.exit(0));
  });
}
