import type { KubeClient } from "../kube/client/index.ts";
import type { Runtime } from "../runtime/port.ts";

/** One node that this kubelet answers for. */
export interface KubeletNode {
  readonly name: string;
  readonly address: string;
  readonly podCidr: string;
  /** In a lab of both families. */
  readonly address6?: string;
  readonly podCidr6?: string;
  readonly controlPlane: boolean;
  /** Path of the node's network namespace. */
  readonly netnsPath: string;
  /** `cilium.sock` as the host sees it. */
  readonly agentSocket: string;
  /** Files with `{"pid", "startedAtMs", "restarts", "logPath"}` of the node's host processes. */
  readonly records: { readonly agent: string; readonly proxy: string };
}

/** The node's addresses, that of the first family first. */
export function addressesOf({ address, address6 }: KubeletNode): readonly string[] {
  return address6 === undefined ? [address] : [address, address6];
}

/** PEM texts of a server and of the authority whose clients it answers. */
export interface KubeletTls {
  readonly cert: string;
  readonly key: string;
  readonly clientCa: string;
}

export interface KubeletOptions {
  readonly client: KubeClient;
  readonly runtime: Runtime;
  readonly nodes: readonly KubeletNode[];
  /** Directory of the pods' state; the same as the runtime's root. */
  readonly podsDirectory: string;
  /** Added in front of PATH for commands in the agent's and proxy's pods. */
  readonly hostProcessPath: string;
  /** dist/native/shieldgate-pod */
  readonly podProgram: string;
  readonly tls: KubeletTls;
  readonly clusterDns: string;
  readonly clusterDomain: string;
  /** `v1.34.0+shieldgate` */
  readonly kubeletVersion: string;
  /** One line about what went wrong and is being retried. */
  readonly log: (line: string) => void;
}
