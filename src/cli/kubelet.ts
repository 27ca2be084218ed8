/** The kubelet of all nodes of a lab. `--config FILE`: see KubeletConfiguration; its nodes are followed as it is replaced. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { connect } from "../kube/client/index.ts";
import { type KubeletNode, type KubeletTls, startKubelet } from "../kubelet/index.ts";
import { onReplaced } from "../lab/replaced-file.ts";
import { CLUSTER_DOMAIN, DNS_SERVICE_IP } from "../model/addresses.ts";
import { createProcessRuntime } from "../runtime/process/runtime.ts";

/** The file that `--config` names. */
interface KubeletConfiguration {
  readonly kubeconfig: string;
  readonly nodes: readonly KubeletNode[];
  readonly podsDirectory: string;
  /** Bundles and native/shieldgate-pod. */
  readonly distDirectory: string;
  readonly ownImagesPath: string;
  /** Where the `cilium` program for the agent's pods lies. */
  readonly hostProcessPath: string;
  /** PEM files. */
  readonly tls: { readonly certFile: string; readonly keyFile: string; readonly clientCaFile: string };
  readonly kubeletVersion: string;
}

/** How long after a failure the nodes are read again. */
const RETRY_MS = 1000;

process.title = "shieldgate-kubelet";
const { values } = parseArgs({ options: { config: { type: "string" } } });
if (values.config === undefined) throw new Error("usage: kubelet --config FILE");
const { config } = values;
const read = (path: string) => readFileSync(path, "utf8");
const readConfiguration = () => JSON.parse(read(config)) as KubeletConfiguration;
const readTls = ({ tls }: KubeletConfiguration): KubeletTls => ({
  cert: read(tls.certFile),
  key: read(tls.keyFile),
  clientCa: read(tls.clientCaFile),
});
const log = (line: string): void => void process.stderr.write(`${new Date().toISOString()} ${line}\n`);

/** Each re-reading waits for the one before; one that fails is tried again. */
let work = Promise.resolve();
function reread(): void {
  work = work.then(followNodes).catch((error: Error) => {
    log(`nodes of ${config}: ${error.message}; trying again`);
    setTimeout(reread, RETRY_MS);
  });
}
onReplaced(config, reread);

const configuration = readConfiguration();
const { podsDirectory, distDirectory, ownImagesPath } = configuration;
const starting = startKubelet({
  client: connect({ kubeconfig: configuration.kubeconfig }),
  runtime: createProcessRuntime({ root: podsDirectory, nodePath: process.execPath, distDirectory, ownImagesPath }),
  nodes: configuration.nodes,
  podsDirectory,
  podProgram: join(distDirectory, "native/shieldgate-pod"),
  hostProcessPath: configuration.hostProcessPath,
  tls: readTls(configuration),
  clusterDns: DNS_SERVICE_IP,
  clusterDomain: CLUSTER_DOMAIN,
  kubeletVersion: configuration.kubeletVersion,
  log,
});
async function followNodes(): Promise<void> {
  const running = await starting;
  const now = readConfiguration();
  await running.follow(now.nodes, readTls(now));
}
const kubelet = await starting;
const stop = () => void kubelet.close().finally(() => process.exit(0));
process.on("SIGTERM", stop);
process.on("SIGINT", stop);
