/** Policies that, taken together, use every field that there is: what a test changes in them it can change anywhere. */

export interface WholeDocument {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: object;
  readonly spec?: object;
  readonly specs?: readonly object[];
  readonly status: object;
}

const selector = () => ({
  matchLabels: { app: "web", "k8s:example.com/part": "front" },
  matchExpressions: [
    { key: "tier", operator: "In", values: ["one", "two"] },
    { key: "old", operator: "DoesNotExist" },
  ],
});
const kubeSelector = () => ({
  matchLabels: { app: "web" },
  matchExpressions: [{ key: "tier", operator: "NotIn", values: ["one"] }],
});
const secret = (name: string) => ({ secret: { namespace: "vault", name } });
const tls = (name: string) => ({ ...secret(name), trustedCA: "ca", certificate: "crt", privateKey: "key" });
const headerMatches = () => [
  { name: "X-Two", value: "2", mismatch: "ADD" },
  { name: "X-Three", ...secret("three"), mismatch: "DELETE" },
];

const webPorts = () => ({
  ports: [
    { port: "80", endPort: 90, protocol: "TCP" },
    { port: "web", protocol: "TCP" },
  ],
  rules: { http: [{ method: "GET", path: "/a", host: "a.io", headers: ["X-One: 1"], headerMatches: headerMatches() }] },
  terminatingTLS: tls("inner"),
  originatingTLS: tls("outer"),
  serverNames: ["a.io"],
});
const namePorts = () => ({
  ports: [{ port: "53", protocol: "UDP" }],
  rules: { dns: [{ matchName: "a.io" }, { matchPattern: "*.b.io" }] },
});
const listenerPorts = (kind?: string) => ({
  ports: [{ port: "443", protocol: "TCP" }],
  listener: { envoyConfig: { ...(kind && { kind }), name: "proxy" }, name: "front", priority: 3 },
});
const plainPorts = () => ({ ports: [{ port: "70", endPort: 75, protocol: "SCTP" }] });

function elements(prefix: "from" | "to", isDeny: boolean): object[] {
  const peers = (name: string, ...list: readonly unknown[]) => ({ [prefix + name]: list });
  const atEgress = prefix === "to" ? [namePorts(), listenerPorts("CiliumClusterwideEnvoyConfig")] : [];
  const toPorts = [plainPorts(), ...(isDeny ? [] : [webPorts(), ...atEgress])];
  const services = [
    { k8sService: { serviceName: "shop", namespace: "trade" } },
    { k8sServiceSelector: { selector: selector(), namespace: "trade" } },
  ];
  return [
    { ...peers("Endpoints", selector()), toPorts, ...(isDeny ? {} : { authentication: { mode: "required" } }) },
    peers("CIDR", "10.0.0.0/8", "2001:db8::1"),
    peers(
      "CIDRSet",
      { cidr: "10.0.0.0/8", except: ["10.1.0.0/16"] },
      { cidr: "10.0.0.0/8" },
      { cidrGroupRef: "office", except: ["10.2.0.0/16"] },
      { cidrGroupSelector: selector() },
    ),
    peers("Entities", "world", "host"),
    peers("Nodes", selector()),
    {
      ...peers("Requires"),
      ...peers("Entities", "cluster"),
      icmps: [{ fields: [{ family: "IPv6", type: 128 }, { type: "EchoRequest" }] }],
    },
    ...(prefix === "to" ? [{ toServices: services }] : []),
    ...(prefix === "to" && !isDeny ? [{ toFQDNs: [{ matchName: "a.io" }, { matchPattern: "*.b.io" }] }] : []),
  ];
}

const DETAILS = {
  enableDefaultDeny: { ingress: false, egress: true },
  labels: [{ key: "team", value: "red", source: "k8s" }],
  description: "words",
  log: { value: "noted" },
};

/** One rule for each of the four lists, so that a document stays small. */
function ciliumRules(): object[] {
  const subject = { endpointSelector: selector() };
  return [
    { ...subject, ingress: elements("from", false), ...DETAILS },
    { ...subject, ingressDeny: elements("from", true) },
    { ...subject, egress: elements("to", false) },
    { ...subject, egressDeny: elements("to", true) },
  ];
}

/** Rules of the host have no HTTP rules, and no DNS rules on ingress. */
function nodeRule(): object {
  const egress = [{ toPorts: [namePorts(), listenerPorts()] }];
  return { nodeSelector: selector(), ingress: [{ fromEntities: ["all"] }], egress };
}

function networkPolicySpec(): object {
  const peers = [
    { podSelector: kubeSelector(), namespaceSelector: kubeSelector() },
    { ipBlock: { cidr: "10.0.0.0/8", except: ["10.1.0.0/16"] } },
    { ipBlock: { cidr: "10.0.0.0/8" } },
  ];
  const ports = [
    { protocol: "SCTP", port: 80, endPort: 90 },
    { protocol: "UDP", port: "web" },
  ];
  return {
    podSelector: kubeSelector(),
    policyTypes: ["Ingress", "Egress"],
    ingress: [{ from: structuredClone(peers), ports: structuredClone(ports) }],
    egress: [{ to: peers, ports }],
  };
}

function clusterNetworkPolicySpec(): object {
  const pods = () => ({ namespaceSelector: kubeSelector(), podSelector: kubeSelector() });
  const range = { destinationPort: { range: { start: 80, end: 90 } } };
  const number = { destinationPort: { number: 80 } };
  const protocols = () => [
    { tcp: structuredClone(range) },
    { tcp: structuredClone(number) },
    { udp: structuredClone(range) },
    { udp: structuredClone(number) },
    { sctp: structuredClone(range) },
    { sctp: structuredClone(number) },
  ];
  const inside = () => [{ namespaces: kubeSelector() }, { pods: pods() }];
  const outside = [{ nodes: kubeSelector() }, { networks: ["10.0.0.0/8"] }, { domainNames: ["a.io", "*.b.io"] }];
  const named = () => ({ action: "Accept", protocols: [{ destinationNamedPort: "web" }] });
  return {
    tier: "Admin",
    priority: 5,
    subject: { pods: pods() },
    ingress: [
      { name: "one", action: "Deny", from: inside(), protocols: protocols() },
      { ...named(), from: inside() },
    ],
    egress: [
      { name: "two", action: "Accept", to: [...inside(), ...outside], protocols: protocols() },
      { ...named(), to: inside() },
    ],
  };
}

const metadata = (namespace?: string) => ({
  name: "whole",
  ...(namespace === undefined ? {} : { namespace }),
  uid: "1-2-3",
  labels: { team: "red" },
  annotations: { note: "words" },
});
const cilium = { apiVersion: "cilium.io/v2", status: { conditions: [] } };
const kube = { apiVersion: "networking.k8s.io/v1", status: {} };
const cluster = {
  apiVersion: "policy.networking.k8s.io/v1alpha2",
  kind: "ClusterNetworkPolicy",
  metadata: metadata(),
  status: {},
};

/** All of them are accepted where nodes' labels may be selected. Each call gives new objects. */
export function wholeDocuments(): WholeDocument[] {
  const clusterwide = { ...cilium, kind: "CiliumClusterwideNetworkPolicy", metadata: metadata() };
  const subject = { namespaces: kubeSelector() };
  const ingress = [{ action: "Pass", from: [{ namespaces: {} }] }];
  return [
    ...ciliumRules().map((spec) => ({ ...cilium, kind: "CiliumNetworkPolicy", metadata: metadata("shop"), spec })),
    { ...clusterwide, specs: [nodeRule(), { endpointSelector: selector(), ingress: [{}] }] },
    { ...clusterwide, spec: nodeRule() },
    { ...kube, kind: "NetworkPolicy", metadata: metadata("shop"), spec: networkPolicySpec() },
    { ...cluster, spec: clusterNetworkPolicySpec() },
    { ...cluster, spec: { tier: "Baseline", priority: 5, subject, ingress } },
  ].map((document) => structuredClone(document));
}
