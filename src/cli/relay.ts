/**
 * Main of the relay: `relay --listen HOST:PORT [--listen-netns PATH] (--peer NODE=HOST:PORT ... | --kubeconfig FILE)`.
 * Merges the observers of all nodes: those named, or those of the cluster's CiliumNodes.
 */
import { hostname } from "node:os";
import { parseArgs } from "node:util";
import packageJson from "../../package.json" with { type: "json" };
import { nodeAddressesOf } from "../agent/node-addresses.ts";
import { createRelay, type PeerNode, type PeerSource, staticPeers } from "../hubble/index.ts";
import { CiliumNodes, connect, createInformer } from "../kube/client/index.ts";
import { CLUSTER_NAME, HUBBLE_PORT } from "../model/addresses.ts";
import { openListener } from "../runtime/netns-socket.ts";

process.title = "hubble-relay";

const { values } = parseArgs({
  options: {
    listen: { type: "string" },
    "listen-netns": { type: "string" },
    peer: { type: "string", multiple: true, default: [] },
    kubeconfig: { type: "string" },
    "cluster-name": { type: "string", default: CLUSTER_NAME },
  },
});

function usage(problem: string): never {
  process.stderr.write(`relay: ${problem}\n`);
  process.exit(2);
}

function peerOf(text: string): PeerNode {
  const [name, address] = text.split("=");
  if (!name || !address) usage(`--peer ${text} is not like k8s-w1=192.168.10.101:4244`);
  return { name: `${values["cluster-name"]}/${name}`, address };
}

/** The nodes of the cluster as their CiliumNodes say, followed as they come and go. */
function watchedPeers(kubeconfig: string): PeerSource {
  const nodes = createInformer(connect({ kubeconfig }), CiliumNodes);
  const listeners = new Set<() => void>();
  const tell = () => {
    for (const listener of listeners) listener();
  };
  nodes.on({ onAdd: tell, onUpdate: tell, onDelete: tell });
  void nodes.start();
  return {
    list: () =>
      nodes.list().flatMap((node) => {
        const address = nodeAddressesOf(node)?.internal;
        const name = `${values["cluster-name"]}/${node.metadata.name}`;
        return address === undefined ? [] : [{ name, address: `${address}:${HUBBLE_PORT}` }];
      }),
    onChange: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

function peers(): PeerSource {
  if (values.peer.length > 0) return staticPeers(values.peer.map(peerOf));
  return values.kubeconfig === undefined ? usage("give --peer or --kubeconfig") : watchedPeers(values.kubeconfig);
}

const [host, port] = (values.listen ?? usage("--listen is missing")).split(":");
if (!host || !Number.isInteger(Number(port))) usage(`--listen ${values.listen} is not like 127.0.0.1:4245`);
const netnsPath = values["listen-netns"];
const fd = openListener({ host, port: Number(port), ...(netnsPath === undefined ? {} : { netnsPath }) });
const relay = createRelay({ peers: peers(), version: packageJson.version, now: Date.now, nodeName: hostname() });
await relay.serve([{ fd }]);

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.once(signal, () => void relay.close().then(() => process.exit(0)));
}
