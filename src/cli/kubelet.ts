/** The kubelet of all nodes of a lab. `--config FILE`: see KubeletConfiguration. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { connect } from "../kube/client/index.ts";
import { type KubeletNode, startKubelet } from "../kubelet/index.ts";
import { CLUSTER_DOMAIN, DNS_SERVICE_IP } from "../model/addresses.ts";
import { createProcessRuntime } from "../runtime/process/runtime.ts";

/** The file that `--config` names. */
interface KubeletConfiguration {
  readonly kubeconfig: string;
  readonly nodes: readonly KubeletNode[];
  readonly podsDirectory: string;
  /** Bundles and native/shieldgate-pod. */
  readonly distDirectory: string;
  /** Where the `cilium` program for the agent's pods lies. */
  readonly hostProcessPath: string;
  /** PEM files. */
  readonly tls: { readonly certFile: string; readonly keyFile: string; readonly clientCaFile: string };
  readonly kubeletVersion: string;
}

process.title = "shieldgate-kubelet";
const { values } = parseArgs({ options: { config: { type: "string" } } });
if (values.config === undefined) throw new Error("usage: kubelet --config FILE");
const configuration = JSON.parse(readFileSync(values.config, "utf8")) as KubeletConfiguration;
const { tls, podsDirectory, distDirectory } = configuration;
const read = (path: string) => readFileSync(path, "utf8");
const kubelet = await startKubelet({
  client: connect({ kubeconfig: configuration.kubeconfig }),
  runtime: createProcessRuntime({ root: podsDirectory, nodePath: process.execPath, distDirectory }),
  nodes: configuration.nodes,
  podsDirectory,
  podProgram: join(distDirectory, "native/shieldgate-pod"),
  hostProcessPath: configuration.hostProcessPath,
  tls: { cert: read(tls.certFile), key: read(tls.keyFile), clientCa: read(tls.clientCaFile) },
  clusterDns: DNS_SERVICE_IP,
  clusterDomain: CLUSTER_DOMAIN,
  kubeletVersion: configuration.kubeletVersion,
  log: (line) => process.stderr.write(`${new Date().toISOString()} ${line}\n`),
});
const stop = () => void kubelet.close().finally(() => process.exit(0));
process.on("SIGTERM", stop);
process.on("SIGINT", stop);
