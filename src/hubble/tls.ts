/** A certificate with its key, and the authorities by which the other side is believed; all PEM. */
export interface TlsIdentity {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

/** An identity that may be renewed while it is used: connections made from then on go by the new one. */
export interface TlsSource {
  current(): TlsIdentity;
  onRenewed(listener: () => void): void;
}

/** What Cilium's observers and relays ask of each other. */
export const MIN_TLS_VERSION = "TLSv1.3";

/**
 * The name that a node's certificate has to be for: `<node>.<cluster>.hubble-grpc.cilium.io`, with a dash for each dot of the
 * first two. (pkg/hubble/peer of Cilium.)
 */
export function observerServerName(node: string, cluster: string): string {
  const part = (name: string) => name.replaceAll(".", "-");
  return `${part(node)}.${observerDomain(part(cluster))}`;
}

/** What comes after the node's own name; a certificate for `*.` of it is good for all nodes of the cluster. */
export function observerDomain(cluster: string): string {
  return `${cluster.replaceAll(".", "-")}.hubble-grpc.cilium.io`;
}
