import type { Random } from "./policy-scenarios-random.ts";

/** Policies that Cilium's agent refuses. */

type Json = Record<string, unknown>;

const BAD_INGRESS: readonly object[] = [
  { toPorts: [{ ports: [{ port: "70000", protocol: "TCP" }] }] },
  { toPorts: [{ ports: [{ port: "80", protocol: "XYZ" }] }] },
  { toPorts: [{ ports: [{ port: "" }] }] },
  { toPorts: [{ ports: [{ port: "80", protocol: "UDP" }], rules: { http: [{ path: "/" }] } }] },
  { toPorts: [{ ports: [{ port: "80" }], rules: { http: [{ path: "/" }] } }] },
  { toPorts: [{ ports: [{ port: "0", protocol: "TCP" }], rules: { http: [{ path: "/" }] } }] },
  { toPorts: [{ ports: [{ port: "80", protocol: "TCP" }], rules: { http: [{ path: "(" }] } }] },
  { toPorts: [{ ports: [{ port: "80", protocol: "TCP" }], rules: { http: [{ headerMatches: [{ name: "" }] }] } }] },
  { toPorts: [{ ports: [{ port: "53", protocol: "UDP" }], rules: { dns: [{ matchPattern: "*" }] } }] },
  { toPorts: [{ ports: [{ port: "443", protocol: "TCP" }], serverNames: [""] }] },
  {
    toPorts: [{ ports: [{ port: "443", protocol: "TCP" }], serverNames: ["a.b"], rules: { http: [{ path: "/" }] } }],
  },
  { toPorts: [{ ports: Array.from({ length: 41 }, (_, index) => ({ port: String(index + 1) })) }] },
  { toPorts: [{ ports: [{ port: "80" }] }], icmps: [{ fields: [{ type: 8 }] }] },
  { icmps: [{ fields: [{ type: "NoSuchType" }] }] },
  { icmps: [{ fields: [{ type: 8, family: "IPv5" }] }] },
  { fromEndpoints: [{}], fromEntities: ["world"] },
  { fromEntities: ["nobody"] },
  { fromCIDR: ["10.0.0.0/33"] },
  { fromCIDRSet: [{ cidr: "10.0.0.1" }] },
  { fromCIDRSet: [{ cidr: "10.1.0.0/16", except: ["10.2.0.0/16"] }] },
  { fromCIDRSet: [{ cidr: "10.1.0.0/16", except: ["10.0.0.0/8"] }] },
  { fromCIDRSet: [{ cidr: "10.1.0.0/16", cidrGroupRef: "g1" }] },
  { fromCIDRSet: [{}] },
  { fromEndpoints: [{ matchExpressions: [{ key: "app", operator: "In" }] }] },
  { fromEndpoints: [{ matchExpressions: [{ key: "app", operator: "in", values: ["a"] }] }] },
  { fromEndpoints: [{ matchLabels: { "-app": "a" } }] },
];

const BAD_EGRESS: readonly object[] = [
  { toFQDNs: [{ matchName: "a b" }] },
  { toFQDNs: [{ matchName: "a.b", matchPattern: "*.b" }] },
  { toFQDNs: [{}] },
  { toPorts: [{ ports: [], rules: { dns: [{ matchPattern: "*" }] } }] },
  { toPorts: [{ ports: [{ port: "53", endPort: 54, protocol: "UDP" }], rules: { dns: [{ matchPattern: "*" }] } }] },
  { toPorts: [{ ports: [{ port: "53" }], rules: { dns: [{ matchPattern: "*" }], http: [{}] } }] },
  { toEntities: ["world"], toCIDR: ["10.0.0.0/8"] },
  { toServices: [{ k8sService: { serviceName: "s1" } }], toEndpoints: [{}] },
];

/** The same policy with one fault. */
export function spoil(random: Random, policy: object): object {
  const { kind, spec } = policy as Json;
  if (kind === "NetworkPolicy" || kind === "ClusterNetworkPolicy" || spec === undefined) {
    return { ...policy, spec: undefined, specs: undefined, ...spoiledKubernetes(policy as Json) };
  }
  const faulty = random.one<object>([
    [6, () => ({ ingress: [random.pick(BAD_INGRESS)] })],
    [3, () => ({ egress: [random.pick(BAD_EGRESS)] })],
    [1, () => ({ ingress: [], ingressDeny: undefined, egress: undefined, egressDeny: undefined })],
    [1, () => ({ endpointSelector: undefined, nodeSelector: undefined })],
    [1, () => ({ endpointSelector: {}, nodeSelector: {} })],
  ]);
  return { ...policy, spec: { ...(spec as Json), ...faulty } };
}

/** Without a spec at all, or with one that does not decode. */
function spoiledKubernetes({ kind }: Json): object {
  return kind === "NetworkPolicy" || kind === "ClusterNetworkPolicy" ? { spec: { podSelector: 1, subject: 1 } } : {};
}
