import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { observerDomain } from "../hubble/tls.ts";
import { API_SERVER_NAMES, openAuthority } from "../kube/pki/authority.ts";
import { kubeconfig } from "../kube/pki/kubeconfig.ts";
import type { KubeletNode } from "../kubelet/index.ts";
import { API_SERVER_PORT, CLUSTER_NAME, CONTROL_PLANE, type LabNode } from "../model/addresses.ts";
import { bootstrapConfig } from "../proxy/bootstrap.ts";
import { type LabPaths, netnsPath, nodeNetns, nodeRun } from "./paths.ts";
import { recordPath } from "./process-record.ts";
import type { LabPorts } from "./processes.ts";
import { replaceFile } from "./replaced-file.ts";
import type { LabSettings } from "./settings.ts";

/** The Kubernetes API that is served, as nodes and the API server name it. */
const KUBERNETES_VERSION = "v1.34.0+shieldgate";

/** Where the nodes reach the API server: the control plane's own address on the fabric. */
function fabricServer(): string {
  return `https://${CONTROL_PLANE.address}:${API_SERVER_PORT}`;
}

interface User {
  readonly file: string;
  readonly user: string;
  readonly groups: readonly string[];
  readonly server: string;
}

function users(ports: LabPorts): User[] {
  const host = `https://127.0.0.1:${ports.apiServer}`;
  return [
    { file: "kubeconfig", user: "kubernetes-admin", groups: ["system:masters"], server: host },
    { file: "kubeconfig-kubelet", user: "system:node:kubelet", groups: ["system:nodes"], server: host },
    {
      file: "kubeconfig-agent",
      user: "system:serviceaccount:kube-system:cilium",
      groups: ["system:nodes"],
      server: fabricServer(),
    },
  ];
}

function writePrivately(path: string, text: string): void {
  writeFileSync(path, text, { mode: 0o600 });
}

/** Certificates, kubeconfigs and the files that the processes read at their start. */
export function writeConfiguration(paths: LabPaths, ports: LabPorts, settings: LabSettings): void {
  const authority = openAuthority(paths.pki);
  authority.server("apiserver", "kube-apiserver", API_SERVER_NAMES);
  authority.client("apiserver-kubelet-client", "kube-apiserver-kubelet-client", ["system:masters"]);
  for (const user of users(ports)) {
    const text = kubeconfig({
      cluster: paths.lab,
      server: user.server,
      ca: authority.ca,
      user: user.user,
      credentials: authority.client(user.file, user.user, user.groups),
    });
    writePrivately(join(paths.state, user.file), text);
  }
  writeHubbleCertificates(paths);
  mkdirSync(paths.world, { recursive: true });
  writeFileSync(join(paths.world, "index.html"), "Hello from the world\n");
  writeNodeConfiguration(paths, settings);
}

/**
 * An authority of its own, as Cilium has: whoever may ask the API server may not yet see flows. One certificate is all nodes', and one
 * is the relay's and of who else asks nodes directly.
 */
function writeHubbleCertificates(paths: LabPaths): void {
  const authority = openAuthority(paths.hubblePki, new Date(), "Cilium CA");
  const names = `*.${observerDomain(CLUSTER_NAME)}`;
  authority.server("server", names, [names]);
  authority.client("client", "*.hubble-relay.cilium.io", []);
}

/** What speaks of the nodes. The last file says that their networks are made: the supervisor and the kubelet follow it. */
export function writeNodeConfiguration(paths: LabPaths, settings: LabSettings): void {
  for (const node of settings.nodes) {
    const directory = join(nodeRun(paths, node.name), "envoy");
    mkdirSync(join(directory, "sockets"), { recursive: true });
    writeFileSync(join(directory, "bootstrap-config.json"), proxyBootstrap());
  }
  writeKubeletConfiguration(paths, settings);
}

/** Those nodes of the settings whose networks are made. */
export function madeNodes(paths: LabPaths, { nodes }: LabSettings): LabNode[] {
  const made = new Set(readKubeletNodes(paths).map((node) => node.name));
  return nodes.filter((node) => made.has(node.name));
}

function readKubeletNodes(paths: LabPaths): readonly KubeletNode[] {
  try {
    return (JSON.parse(readFileSync(paths.kubeletConfiguration, "utf8")) as { nodes: KubeletNode[] }).nodes;
  } catch {
    return []; // the lab does not run
  }
}

/** The proxy's bootstrap configuration: the same text in the ConfigMap and in each node's file. */
export function proxyBootstrap(): string {
  return `${JSON.stringify(bootstrapConfig(), null, 2)}\n`;
}

/** The nodes as the kubelet is told of them: nothing of IPv6 in a lab of IPv4. */
export function kubeletNodes(paths: LabPaths, settings: LabSettings): KubeletNode[] {
  return settings.nodes.map(({ address6, podCidr6, place: _, ...node }) => ({
    ...node,
    ...(settings.ipFamily === "dual" ? { address6, podCidr6 } : {}),
    netnsPath: netnsPath(nodeNetns(paths.lab, node.name)),
    agentSocket: join(nodeRun(paths, node.name), "cilium.sock"),
    records: {
      agent: recordPath(paths, `${node.name}/agent`),
      proxy: recordPath(paths, `${node.name}/proxy`),
    },
  }));
}

/** What src/cli/kubelet.ts reads: where everything is, for each of the nodes that it answers for. */
function writeKubeletConfiguration(paths: LabPaths, settings: LabSettings): void {
  const names = settings.nodes.flatMap((node) => [node.name, node.address]);
  openAuthority(paths.pki).server("kubelet", "system:node:kubelet", names, ["system:nodes"]);
  const inPki = (file: string) => join(paths.pki, file);
  const configuration = {
    kubeconfig: join(paths.state, "kubeconfig-kubelet"),
    podsDirectory: paths.pods,
    distDirectory: join(paths.root, "dist"),
    ownImagesPath: paths.images,
    hostProcessPath: join(paths.root, "bin/in-agent"),
    tls: { certFile: inPki("kubelet.crt"), keyFile: inPki("kubelet.key"), clientCaFile: inPki("ca.crt") },
    kubeletVersion: KUBERNETES_VERSION,
    nodes: kubeletNodes(paths, settings),
  };
  replaceFile(paths.kubeletConfiguration, JSON.stringify(configuration, null, 2));
}
