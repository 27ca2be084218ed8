/**
 * Main of the relay: `relay --listen HOST:PORT [--listen-netns PATH] (--peers FILE | --peer-service ADDRESS) [--tls-client-cert-file FILE
 * --tls-client-key-file FILE --tls-hubble-server-ca-files FILE]`. Merges the observers of all nodes, which the file lists as
 * `[{"name", "address"}]`, or the peer service of a node (`unix:///path` or `host:port`) names; with `--metrics-listen-address HOST:PORT` Prometheus can read it there. The file is followed as it is replaced, and so is the certificate. Without one the nodes are asked in clear.
 */
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { parseArgs } from "node:util";
import packageJson from "../../package.json" with { type: "json" };
import { createRelay, observerServerName, type PeerNode, PeerServiceSource, type PeerSource } from "../hubble/index.ts";
import { onReplaced } from "../lab/replaced-file.ts";
import { addProcessMetrics, MetricsServer, parseListenAddress, Registry } from "../metrics/index.ts";
import { CLUSTER_NAME } from "../model/addresses.ts";
import { nodeFullName } from "../model/node-name.ts";
import { openListener } from "../runtime/netns-socket.ts";
import { tlsFromFiles } from "./tls-files.ts";

process.title = "hubble-relay";

const { values } = parseArgs({
  options: {
    listen: { type: "string" },
    "listen-netns": { type: "string" },
    peers: { type: "string" },
    "peer-service": { type: "string" },
    "metrics-listen-address": { type: "string", default: "" },
    "tls-client-cert-file": { type: "string" },
    "tls-client-key-file": { type: "string" },
    "tls-hubble-server-ca-files": { type: "string" },
    "cluster-name": { type: "string", default: CLUSTER_NAME },
  },
});

function usage(problem: string): never {
  process.stderr.write(`relay: ${problem}\n`);
  process.exit(2);
}

/** The nodes that the file names, followed as they come and go. */
function peersOf(file: string): PeerSource {
  const listeners = new Set<() => void>();
  onReplaced(file, () => {
    for (const listener of listeners) listener();
  });
  return {
    list: () =>
      (JSON.parse(readFileSync(file, "utf8")) as PeerNode[]).map(({ name, address }) => ({
        name: nodeFullName(name, values["cluster-name"]),
        address,
        ...(tls && { serverName: observerServerName(name, values["cluster-name"]) }),
      })),
    onChange: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

function peers(): PeerSource {
  const { peers: file, "peer-service": address } = values;
  if (file !== undefined && address !== undefined) usage("--peers and --peer-service: use one of the two, not both");
  if (file !== undefined) return peersOf(file);
  return new PeerServiceSource({
    address: address ?? usage("--peers or --peer-service is missing"),
    tls: tls !== undefined,
    log: (message) => process.stderr.write(`relay: ${message}\n`),
  });
}

const tls = tlsFromFiles(
  {
    cert: values["tls-client-cert-file"],
    key: values["tls-client-key-file"],
    ca: values["tls-hubble-server-ca-files"],
  },
  (error) => process.stderr.write(`relay: the new certificate is not used: ${error.message}\n`),
);
const [host, port] = (values.listen ?? usage("--listen is missing")).split(":");
if (!host || !Number.isInteger(Number(port))) usage(`--listen ${values.listen} is not like 127.0.0.1:4245`);
const netnsPath = values["listen-netns"];
const fd = openListener({ host, port: Number(port), ...(netnsPath === undefined ? {} : { netnsPath }) });
const registry = new Registry();
addProcessMetrics(registry);
const relay = createRelay({
  peers: peers(),
  version: packageJson.version,
  now: Date.now,
  nodeName: hostname(),
  ...(tls && { tls }),
  metrics: registry,
});
await relay.serve([{ fd }]);
const metrics = new MetricsServer({ registry, log: (message) => process.stderr.write(`relay: ${message}\n`) });
await metrics.listen(parseListenAddress(values["metrics-listen-address"]));

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.once(signal, () => {
    metrics.close();
    void relay.close().then(() => process.exit(0));
  });
}
