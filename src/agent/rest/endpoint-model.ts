import type { PolicyRow } from "../../datapath/port.ts";
import { ReservedIdentity } from "../../model/addresses.ts";
import { formatLabels, type Labels } from "../../model/label.ts";
import type {
  EndpointHealth,
  EndpointModel,
  EndpointNetworking,
  EndpointPolicyModel,
  EndpointStatusChange,
} from "../api-models.ts";
import type { NamedPort } from "../cilium-endpoint.ts";
import { type Endpoint, isOfPod, type StateChange } from "../endpoint.ts";
import { identityModel } from "./identity-model.ts";

/** What an endpoint's model is made of besides itself. */
export interface EndpointFacts {
  readonly isAudited: boolean;
  readonly rows: readonly PolicyRow[];
  readonly namedPorts: readonly NamedPort[];
}

const POD_INTERFACE = "eth0";
const HEALTHY: EndpointHealth = { bpf: "OK", policy: "OK", connected: true, overallHealth: "OK" };

/** As Cilium derives it from the state. */
const HEALTH: Readonly<Record<string, EndpointHealth>> = {
  ready: HEALTHY,
  "waiting-for-identity": { bpf: "Disabled", policy: "Bootstrap", connected: true, overallHealth: "Disabled" },
  regenerating: { bpf: "Pending", policy: "Pending", connected: true, overallHealth: "Pending" },
  disconnecting: { bpf: "Pending", policy: "Pending", connected: true, overallHealth: "Pending" },
  "not-ready": { bpf: "Warning", policy: "Warning", connected: true, overallHealth: "Warning" },
};
const UNKNOWN: EndpointHealth = { bpf: "Disabled", policy: "Disabled", connected: false, overallHealth: "Disabled" };

function policyEnabled(ingress: boolean, egress: boolean, isAudited: boolean): string {
  if (!ingress && !egress) return "none";
  const directions = ingress && egress ? "both" : ingress ? "ingress" : "egress";
  return isAudited ? `audit-${directions}` : directions;
}

/** Peers that the map names on every port; Cilium has null for none. */
function peersOf(
  rows: readonly PolicyRow[],
  direction: PolicyRow["direction"],
  deny: boolean,
): readonly number[] | null {
  const found = rows.filter((row) => row.protocol === 0 && row.direction === direction && row.deny === deny);
  if (found.length === 0) return null;
  return [...new Set(found.map(({ identity }) => identity))].sort((a, b) => a - b);
}

interface PolicyFacts {
  readonly identity: number;
  readonly revision: number;
  readonly enabled: string;
}

function policyModel({ identity, revision, enabled }: PolicyFacts, rows: readonly PolicyRow[]): EndpointPolicyModel {
  return {
    "allowed-egress-identities": peersOf(rows, "egress", false),
    "allowed-ingress-identities": peersOf(rows, "ingress", false),
    build: revision,
    "denied-egress-identities": peersOf(rows, "egress", true),
    "denied-ingress-identities": peersOf(rows, "ingress", true),
    id: identity,
    "policy-enabled": enabled,
    "policy-revision": revision,
  };
}

/** A change of state as `endpoint log` shows it. */
export function statusChange({ state, message, isFailure, at }: StateChange): EndpointStatusChange {
  return {
    code: isFailure ? "failed" : "ok",
    message,
    state,
    timestamp: `${new Date(at).toISOString().slice(0, 19)}Z`,
  };
}

interface Body {
  readonly id: number;
  readonly identity: number;
  readonly labels: Labels;
  readonly state: string;
  readonly isAudited: boolean;
  readonly policy: EndpointPolicyModel;
  readonly networking: EndpointNetworking;
  readonly external: Readonly<Record<string, string>>;
  readonly log: readonly EndpointStatusChange[];
  readonly namedPorts: readonly NamedPort[];
}

function model(body: Body): EndpointModel {
  const { id, identity, labels, policy } = body;
  const spec = { "label-configuration": {}, options: { PolicyAuditMode: body.isAudited ? "Enabled" : "Disabled" } };
  return {
    id,
    spec,
    status: {
      controllers: [],
      "external-identifiers": body.external,
      health: HEALTH[body.state] ?? UNKNOWN,
      identity: identityModel(identity, labels),
      labels: { realized: {}, "security-relevant": formatLabels(labels) },
      log: body.log,
      namedPorts: body.namedPorts,
      networking: body.networking,
      policy: { "proxy-statistics": [], realized: policy, spec: policy },
      realized: spec,
      state: body.state,
    },
  };
}

/** The model of an endpoint: a pod's, or the node's health endpoint's, which has no pod. */
export function endpointModel(endpoint: Endpoint, { isAudited, rows, namedPorts }: EndpointFacts): EndpointModel {
  const { id, identity, labels, state, revision, request, realized } = endpoint;
  const { containerId, podNamespace, podName, address, address6, interfaceName, ifindex, mac, hostMac } = request;
  const last = endpoint.log.at(-1);
  const enabled = policyEnabled(realized?.ingressEnforced ?? false, realized?.egressEnforced ?? false, isAudited);
  const pod = { "k8s-namespace": podNamespace, "k8s-pod-name": podName, "pod-name": `${podNamespace}/${podName}` };
  return model({
    ...{ id, identity, labels, state, isAudited, namedPorts },
    policy: policyModel({ identity, revision, enabled }, rows),
    external: {
      "cni-attachment-id": `${containerId}:${POD_INTERFACE}`,
      "container-id": containerId,
      ...(isOfPod(request) && pod),
    },
    log: last === undefined ? [] : [statusChange(last)],
    networking: {
      addressing: [{ ipv4: address, ...(address6 !== undefined && { ipv6: address6 }) }],
      "container-interface-name": POD_INTERFACE,
      "host-mac": hostMac,
      "interface-index": ifindex,
      "interface-name": interfaceName,
      mac,
    },
  });
}

export interface HostFacts {
  readonly id: number;
  readonly labels: Labels;
  readonly ingressEnforced: boolean;
  readonly egressEnforced: boolean;
  readonly revision: number;
  readonly rows: readonly PolicyRow[];
}

/** The node itself, which Cilium lists as an endpoint without addresses. */
export function hostEndpointModel({ id, labels, revision, rows, ...enforced }: HostFacts): EndpointModel {
  const identity = ReservedIdentity.Host;
  const enabled = policyEnabled(enforced.ingressEnforced, enforced.egressEnforced, false);
  return model({
    ...{ id, identity, labels, state: "ready", isAudited: false, external: {}, log: [], namedPorts: [] },
    policy: policyModel({ identity, revision, enabled }, rows),
    networking: { addressing: [{}], "interface-name": "cilium_host" },
  });
}
