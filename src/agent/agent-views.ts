import type { IpcacheEntry } from "../datapath/port.ts";
import { ReservedIdentity } from "../model/addresses.ts";
import { formatLabels } from "../model/label.ts";
import type { EndpointModel, IdentityModel } from "./api.ts";
import type { Endpoint } from "./endpoint.ts";
import type { HostPolicy } from "./host-policy.ts";
import type { IdentityTable } from "./identity-table.ts";

export function endpointModel(endpoint: Endpoint, audited: ReadonlySet<number>): EndpointModel {
  const { containerId, podNamespace, podName, address, address6, interfaceName } = endpoint.request;
  return {
    id: endpoint.id,
    containerId,
    podNamespace,
    podName,
    address,
    ...(address6 === undefined ? {} : { address6 }),
    interfaceName,
    identity: endpoint.identity,
    labels: formatLabels(endpoint.labels),
    state: endpoint.state,
    ingressEnforced: endpoint.realized?.ingressEnforced ?? false,
    egressEnforced: endpoint.realized?.egressEnforced ?? false,
    audited: audited.has(endpoint.id),
    revision: endpoint.revision,
  };
}

/** The directions in which policies are enforced, in Cilium's word. */
export function enforcementWord(
  policy: { readonly ingressEnforced: boolean; readonly egressEnforced: boolean } | undefined,
  isAudited: boolean,
): string {
  const { ingressEnforced = false, egressEnforced = false } = policy ?? {};
  const word = ingressEnforced ? (egressEnforced ? "both" : "ingress") : egressEnforced ? "egress" : "none";
  return isAudited && word !== "none" ? `audit-${word}` : word;
}

/** The node itself, listed like an endpoint. */
export function hostEndpointModel(id: number, host: HostPolicy, address: string, revision: number): EndpointModel {
  return {
    id,
    containerId: "",
    podNamespace: "",
    podName: "",
    address,
    interfaceName: "cilium_host",
    identity: ReservedIdentity.Host,
    labels: formatLabels(host.subject),
    state: "ready",
    ingressEnforced: host.ingressEnforced,
    egressEnforced: host.egressEnforced,
    audited: false,
    revision,
  };
}

export function identityModels(identities: IdentityTable): readonly IdentityModel[] {
  return identities.all().map(([id, labels]) => ({ id, labels: formatLabels(labels) }));
}

export function addressModels(
  ipcache: ReadonlyMap<string, IpcacheEntry>,
): readonly { cidr: string; identity: number; tunnel: string }[] {
  return [...ipcache].map(([cidr, entry]) => ({ cidr, identity: entry.identity, tunnel: entry.tunnel ?? "0.0.0.0" }));
}
