import type { PolicyRow } from "../../datapath/port.ts";
import { ReservedIdentity } from "../../model/addresses.ts";
import { formatLabels, type Labels } from "../../model/label.ts";
import type { Direction } from "../../model/verdict.ts";
import type { EndpointPolicy, PolicyMapEntry } from "../../policy/policy-map.ts";
import type {
  EndpointHealth,
  EndpointModel,
  EndpointNetworking,
  EndpointPolicyModel,
  EndpointStatusChange,
  PolicyRuleModel,
} from "../api-models.ts";
import type { NamedPort } from "../cilium-endpoint.ts";
import { type Endpoint, isOfPod, type StateChange } from "../endpoint.ts";
import type { ControllerStatus } from "../status-model.ts";
import { identityModel } from "./identity-model.ts";

/** What an endpoint's model is made of besides itself. */
export interface EndpointFacts {
  readonly isAudited: boolean;
  readonly rows: readonly PolicyRow[];
  readonly namedPorts: readonly NamedPort[];
  readonly controllers: readonly ControllerStatus[];
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

const PROTOCOLS: Readonly<Record<number, string>> = { 1: "ICMP", 6: "TCP", 17: "UDP", 58: "ICMPv6", 132: "SCTP" };
const PORT_BITS = 16;

function ruleText({ port, portPrefix, protocol, redirect }: PolicyMapEntry, policy: EndpointPolicy): string {
  const endPort = port + 2 ** (PORT_BITS - portPrefix) - 1;
  const parser = policy.redirects.find(({ key }) => key === redirect)?.parser;
  return JSON.stringify({
    port,
    ...(portPrefix > 0 && endPort > port && { endPort }),
    protocol: PROTOCOLS[protocol] ?? "ANY",
    ...(parser !== undefined && { l7: parser }),
  });
}

/** The ports that rules are about, with the rules behind each. Nothing where nothing is enforced. */
function portRules(policy: EndpointPolicy | undefined, direction: Direction): readonly PolicyRuleModel[] {
  const isEnforced = direction === "ingress" ? policy?.ingressEnforced : policy?.egressEnforced;
  if (policy === undefined || !isEnforced) return [];
  const found = new Map<string, Map<string, readonly string[]>>();
  for (const entry of policy.entries.filter((each) => each.direction === direction)) {
    const rule = ruleText(entry, policy);
    const origins = found.get(rule) ?? new Map<string, readonly string[]>();
    for (const { labels } of policy.origins[entry.origin] ?? []) origins.set(labels.join(","), labels);
    found.set(rule, origins);
  }
  return [...found].map(([rule, origins]) => ({ rule, "derived-from-rules": [...origins.values()] }));
}

interface PolicyFacts {
  /** Undefined while there is none. */
  readonly policy: EndpointPolicy | undefined;
  readonly identity: number;
  readonly revision: number;
  readonly enabled: string;
}

function policyModel(
  { identity, revision, enabled, policy }: PolicyFacts,
  rows: readonly PolicyRow[],
): EndpointPolicyModel {
  return {
    "allowed-egress-identities": peersOf(rows, "egress", false),
    "allowed-ingress-identities": peersOf(rows, "ingress", false),
    build: revision,
    "denied-egress-identities": peersOf(rows, "egress", true),
    "denied-ingress-identities": peersOf(rows, "ingress", true),
    id: identity,
    l4: { egress: portRules(policy, "egress"), ingress: portRules(policy, "ingress") },
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
  readonly controllers: readonly ControllerStatus[];
}

function model(body: Body): EndpointModel {
  const { id, identity, labels, policy } = body;
  const spec = { "label-configuration": {}, options: { PolicyAuditMode: body.isAudited ? "Enabled" : "Disabled" } };
  return {
    id,
    spec,
    status: {
      controllers: body.controllers,
      "external-identifiers": body.external,
      health: HEALTH[body.state] ?? UNKNOWN,
      identity: identityModel(identity, labels),
      labels: { realized: {}, "security-relevant": formatLabels(labels) },
      log: body.log,
      namedPorts: body.namedPorts,
      networking: body.networking,
      policy: { realized: policy, spec: policy },
      realized: spec,
      state: body.state,
    },
  };
}

/** The model of an endpoint: a pod's, or the node's health endpoint's, which has no pod. */
export function endpointModel(endpoint: Endpoint, facts: EndpointFacts): EndpointModel {
  const { isAudited, rows, namedPorts, controllers } = facts;
  const { id, identity, labels, state, revision, request, realized } = endpoint;
  const { containerId, podNamespace, podName, address, address6, interfaceName, ifindex, mac, hostMac } = request;
  const last = endpoint.log.at(-1);
  const enabled = policyEnabled(realized?.ingressEnforced ?? false, realized?.egressEnforced ?? false, isAudited);
  const pod = { "k8s-namespace": podNamespace, "k8s-pod-name": podName, "pod-name": `${podNamespace}/${podName}` };
  return model({
    ...{ id, identity, labels, state, isAudited, namedPorts, controllers },
    policy: policyModel({ identity, revision, enabled, policy: realized }, rows),
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
  /** Undefined while none was set. */
  readonly policy: EndpointPolicy | undefined;
  readonly revision: number;
  readonly rows: readonly PolicyRow[];
}

/** The node itself, which Cilium lists as an endpoint without addresses. */
export function hostEndpointModel({ id, labels, revision, rows, policy }: HostFacts): EndpointModel {
  const identity = ReservedIdentity.Host;
  const enabled = policyEnabled(policy?.ingressEnforced ?? false, policy?.egressEnforced ?? false, false);
  return model({
    ...{ id, identity, labels, state: "ready", isAudited: false, external: {}, log: [] },
    ...{ namedPorts: [], controllers: [] },
    policy: policyModel({ identity, revision, enabled, policy }, rows),
    networking: { addressing: [{}], "interface-name": "cilium_host" },
  });
}
