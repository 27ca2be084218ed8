/**
 * Main of the relay: `relay --listen HOST:PORT [--listen-netns PATH] --peer-service ADDRESS [--tls-client-cert-file FILE
 * --tls-client-key-file FILE --tls-hubble-server-ca-files FILE]`. Merges the observers of all nodes, which
 * the peer service of one of them (`unix:///path` or `host:port`, in clear) names as they come and go; `--peers-file PATH` keeps them for a relay that starts
 * while that node is away; with `--metrics-listen-address HOST:PORT` Prometheus can read it there. The certificate is followed as it is replaced. Without one the nodes are asked in clear.
 */
import { hostname } from "node:os";
import { parseArgs } from "node:util";
import packageJson from "../../package.json" with { type: "json" };
import { createRelay, PeerServiceSource } from "../hubble/index.ts";
import { addProcessMetrics, MetricsServer, parseListenAddress, Registry } from "../metrics/index.ts";
import { openListener } from "../runtime/netns-socket.ts";
import { peersFile } from "./peers-file.ts";
import { tlsFromFiles } from "./tls-files.ts";

process.title = "hubble-relay";

const { values } = parseArgs({
  options: {
    listen: { type: "string" },
    "listen-netns": { type: "string" },
    "peer-service": { type: "string" },
    "peers-file": { type: "string" },
    "metrics-listen-address": { type: "string", default: "" },
    "tls-client-cert-file": { type: "string" },
    "tls-client-key-file": { type: "string" },
    "tls-hubble-server-ca-files": { type: "string" },
  },
});

function log(message: string): void {
  process.stderr.write(`relay: ${message}\n`);
}

function usage(problem: string): never {
  log(problem);
  process.exit(2);
}

const tls = tlsFromFiles(
  {
    cert: values["tls-client-cert-file"],
    key: values["tls-client-key-file"],
    ca: values["tls-hubble-server-ca-files"],
  },
  (error) => log(`the new certificate is not used: ${error.message}`),
);
const [host, port] = (values.listen ?? usage("--listen is missing")).split(":");
if (!host || !Number.isInteger(Number(port))) usage(`--listen ${values.listen} is not like 127.0.0.1:4245`);
const netnsPath = values["listen-netns"];
const fd = openListener({ host, port: Number(port), ...(netnsPath === undefined ? {} : { netnsPath }) });
const registry = new Registry();
addProcessMetrics(registry);
const kept = values["peers-file"];
const relay = createRelay({
  peers: new PeerServiceSource({
    address: values["peer-service"] ?? usage("--peer-service is missing"),
    tls: tls !== undefined,
    ...(kept !== undefined && { memory: peersFile(kept, log) }),
    log,
  }),
  version: packageJson.version,
  now: Date.now,
  nodeName: hostname(),
  ...(tls && { tls }),
  metrics: registry,
});
await relay.serve([{ fd }]);
const metrics = new MetricsServer({ registry, log });
await metrics.listen(parseListenAddress(values["metrics-listen-address"]));

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.once(signal, () => {
    metrics.close();
    void relay.close().then(() => process.exit(0));
  });
}
