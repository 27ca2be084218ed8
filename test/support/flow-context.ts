import { DEFAULT_REDACTION, type EndpointFacts, type FlowContext } from "../../src/flow/index.ts";

const pod = (id: number, identity: number, name: string, owner: string): EndpointFacts => ({
  id,
  identity,
  namespace: "default",
  podName: name,
  workloads: [{ name: owner, kind: owner === name ? "Pod" : "Deployment" }],
});

const ENDPOINTS: Readonly<Record<string, EndpointFacts>> = {
  "172.20.2.10": pod(0, 10135, "xwing", "xwing"),
  "172.20.2.11": pod(0, 19274, "tiefighter", "tiefighter"),
  "172.20.1.20": pod(871, 318, "deathstar-8c4c77fb7-9klws", "deathstar"),
};

const LABELS: Readonly<Record<number, readonly string[]>> = {
  2: ["reserved:world"],
  318: ["k8s:class=deathstar", "k8s:org=empire"],
  10135: ["k8s:class=xwing", "k8s:org=alliance"],
  19274: ["k8s:class=tiefighter", "k8s:org=empire"],
};

const NODE_LABELS = ["kubernetes.io/hostname=k8s-w1", "kubernetes.io/os=linux"];

const RULE_ORIGINS = [
  {
    kind: "CiliumNetworkPolicy",
    namespace: "default",
    name: "rule1",
    labels: ["k8s:io.cilium.k8s.policy.name=rule1"],
    path: "spec.ingress[0]",
    log: "landing",
  },
];

/** The Star Wars lab as node k8s-w1 knows it. 2026-09-25T00:00:00Z is the moment the node booted. */
export const starWarsContext: FlowContext = {
  turn: () => 0,
  nodeName: "default/k8s-w1",
  version: "0.1.0",
  nodeLabels: () => NODE_LABELS,
  redaction: () => DEFAULT_REDACTION,
  endpointByAddress: (address) => ENDPOINTS[address],
  identityByAddress: (address) => (address.startsWith("172.20.") ? 0 : 2),
  labelsOfIdentity: (identity) => LABELS[identity] ?? [],
  serviceByFrontend: (address, port) =>
    address === "10.96.55.1" && port === 80 ? { name: "deathstar", namespace: "default" } : undefined,
  dnsNames: (id, address) => (id === 871 && address === "104.198.14.52" ? ["api.github.com"] : []),
  interfaceName: (ifindex) => (ifindex === 12 ? "lxc0123456789ab" : ""),
  ruleOrigins: (cookie) => (cookie === 7 ? RULE_ORIGINS : []),
  requestRules: () => undefined,
  clockOffsetNs: () => 1_790_294_400_000_000_000n,
  newUuid: () => "00000000-0000-4000-8000-000000000000",
};
