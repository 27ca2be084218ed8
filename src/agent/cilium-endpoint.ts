import { fieldsOf, listOf } from "../kube/object.ts";
import { canonicalAddress } from "../model/cidr.ts";
import { formatLabels } from "../model/label.ts";
import type { Endpoint } from "./endpoint.ts";
import type { AddressClaim } from "./ipcache-sources.ts";
import type { KubeObject } from "./kube.ts";

/** One named container port of a pod. */
export interface NamedPort {
  readonly name: string;
  readonly port: number;
  readonly protocol: string;
}

/** The named ports of a pod's containers, sorted by name. Of several with one name the last container's counts, as in Cilium. */
export function namedPortsOf(pod: KubeObject | undefined): readonly NamedPort[] {
  const spec = fieldsOf(pod?.spec);
  const ports = [...listOf(spec.initContainers), ...listOf(spec.containers)].flatMap((container) =>
    listOf(fieldsOf(container).ports).map(fieldsOf),
  );
  const named = ports
    .filter((port) => typeof port.name === "string" && typeof port.containerPort === "number")
    .map((port) => ({
      name: String(port.name),
      port: Number(port.containerPort),
      protocol: typeof port.protocol === "string" ? port.protocol : "TCP",
    }));
  return [...new Map(named.map((port) => [port.name.toLowerCase(), port])).values()].sort((a, b) =>
    a.name < b.name ? -1 : 1,
  );
}

function enforcement(enforced: boolean): { enforcing: boolean; state: string } {
  return { enforcing: enforced, state: enforced ? "Enabled" : "Disabled" };
}

/** The CiliumEndpoint of a local pod as other nodes and people read it; it carries its pod's labels, for selection. */
export function ciliumEndpointOf(
  endpoint: Endpoint,
  nodeAddress: string,
  namedPorts: readonly NamedPort[],
  podLabels: Readonly<Record<string, string>> = {},
): KubeObject {
  const { podName, podNamespace, podUid, address, address6, containerId } = endpoint.request;
  return {
    apiVersion: "cilium.io/v2",
    kind: "CiliumEndpoint",
    metadata: {
      name: podName,
      namespace: podNamespace,
      labels: { ...podLabels },
      ownerReferences: [{ apiVersion: "v1", kind: "Pod", name: podName, uid: podUid }],
    },
    status: {
      id: endpoint.id,
      "external-identifiers": {
        "container-id": containerId,
        "cni-attachment-id": `${containerId}:eth0`,
        "k8s-namespace": podNamespace,
        "k8s-pod-name": podName,
        "pod-name": `${podNamespace}/${podName}`,
      },
      identity: { id: endpoint.identity, labels: formatLabels(endpoint.labels) },
      networking: {
        addressing: [{ ipv4: address, ...(address6 === undefined ? {} : { ipv6: address6 }) }],
        node: nodeAddress,
      },
      encryption: {},
      policy: {
        ingress: enforcement(endpoint.realized?.ingressEnforced ?? false),
        egress: enforcement(endpoint.realized?.egressEnforced ?? false),
      },
      state: endpoint.state,
      ...(namedPorts.length > 0 ? { "named-ports": namedPorts } : {}),
    },
  };
}

/** The addresses that a CiliumEndpoint names, IPv4 first, each in the form that is compared here. */
export function podAddressesOf(object: KubeObject): readonly string[] {
  const addressing = listOf(fieldsOf(fieldsOf(object.status).networking).addressing).map(fieldsOf);
  return addressing.flatMap(({ ipv4, ipv6 }) =>
    [ipv4, ipv6].flatMap((address) => (typeof address === "string" ? (canonicalAddress(address) ?? []) : [])),
  );
}

/** What a CiliumEndpoint says about its pod's addresses; undefined while it says nothing useful. */
export function claimOf(object: KubeObject): AddressClaim | undefined {
  const status = fieldsOf(object.status);
  const networking = fieldsOf(status.networking);
  const addresses = podAddressesOf(object);
  const identity = fieldsOf(status.identity).id;
  if (addresses.length === 0 || typeof identity !== "number" || identity === 0) return undefined;
  if (typeof networking.node !== "string") return undefined;
  return { addresses, identity, nodeAddress: networking.node, createdAt: object.metadata.creationTimestamp ?? "" };
}
