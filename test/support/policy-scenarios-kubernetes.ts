import { nodeSelector, podSelector, type Surroundings } from "./policy-scenarios-peers.ts";
import type { Random } from "./policy-scenarios-random.ts";
import { CIDRS4, CIDRS6 } from "./policy-scenarios-world.ts";

/** Random NetworkPolicy and ClusterNetworkPolicy objects. */

const POD_KEYS = ["app", "team"];

function namespaceSelector(random: Random): object {
  return random.pick<object>([
    {},
    { matchLabels: { env: random.pick(["prod", "dev"]) } },
    { matchLabels: { "kubernetes.io/metadata.name": random.pick(["ns1", "ns2"]) } },
    { matchExpressions: [{ key: "env", operator: random.pick(["In", "NotIn"]), values: ["prod"] }] },
    { matchExpressions: [{ key: "env", operator: random.pick(["Exists", "DoesNotExist"]) }] },
  ]);
}

/** Cilium takes a selector that only excludes for one of every pod, because its aggregate identities have no such label. */
function positiveNamespaces(random: Random): object {
  return random.pick<object>([{}, { matchLabels: { env: random.pick(["prod", "dev"]) } }, HAS_ENVIRONMENT]);
}

const HAS_ENVIRONMENT = { matchExpressions: [{ key: "env", operator: "Exists" }] };

function networkPeer(random: Random): object {
  return random.one<object>([
    [3, () => ({ podSelector: podSelector(random, POD_KEYS) })],
    [3, () => ({ namespaceSelector: namespaceSelector(random) })],
    [3, () => ({ namespaceSelector: namespaceSelector(random), podSelector: podSelector(random, POD_KEYS) })],
    [2, () => ({ ipBlock: { cidr: random.pick(CIDRS4) } })],
    [2, () => ({ ipBlock: { cidr: "10.0.0.0/8", except: random.some(["10.1.0.0/16", "10.0.0.1/32"]) } })],
  ]);
}

function networkPort(random: Random): object {
  return random.pick<object>([
    { port: 80 },
    { port: 80, protocol: "TCP" },
    { port: 443, protocol: "TCP" },
    { port: 53, protocol: "UDP" },
    { port: "web", protocol: "TCP" },
    { port: "dns", protocol: "UDP" },
    { port: 80, endPort: 90 },
    { port: 8000, endPort: 9000, protocol: "UDP" },
    { protocol: "SCTP" },
    { protocol: "UDP" },
    {},
  ]);
}

function networkRule(random: Random, peerField: "from" | "to"): object {
  if (random.percent(8)) return {};
  return {
    ...(random.percent(75)
      ? { [peerField]: random.list(random.percent(95) ? 1 : 0, 2, () => networkPeer(random)) }
      : {}),
    ...(random.percent(60) ? { ports: random.list(random.percent(95) ? 1 : 0, 2, () => networkPort(random)) } : {}),
  };
}

export function networkPolicy(random: Random, name: string, namespace: string): object {
  const ingress = random.percent(70);
  const egress = random.percent(45);
  const types = [
    ...(ingress || random.percent(10) ? ["Ingress"] : []),
    ...(egress || random.percent(10) ? ["Egress"] : []),
  ];
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name, namespace },
    spec: {
      podSelector: random.percent(60) ? {} : podSelector(random, POD_KEYS),
      ...(ingress ? { ingress: random.list(random.percent(90) ? 1 : 0, 2, () => networkRule(random, "from")) } : {}),
      ...(egress ? { egress: random.list(random.percent(90) ? 1 : 0, 2, () => networkRule(random, "to")) } : {}),
      ...(types.length > 0 && random.percent(85) ? { policyTypes: types } : {}),
    },
  };
}

function pods(random: Random): object {
  return { namespaceSelector: namespaceSelector(random), podSelector: podSelector(random, POD_KEYS) };
}

function clusterPeer(random: Random, isEgress: boolean, isAccept: boolean, surroundings: Surroundings): object {
  const networks = surroundings.hasIPv6 ? [...CIDRS4, ...CIDRS6] : CIDRS4;
  return random.one<object>([
    [3, () => ({ namespaces: positiveNamespaces(random) })],
    [3, () => ({ pods: pods(random) })],
    [isEgress ? 3 : 0, () => ({ networks: random.some(networks).slice(0, 3) })],
    [isEgress && surroundings.hasNodeLabels ? 2 : 0, () => ({ nodes: plainNodeSelector(random) })],
    [isEgress && isAccept ? 2 : 0, () => ({ domainNames: [random.pick(["api.example.com", "*.example.com"])] })],
  ]);
}

/** The policy adds the source of the labels itself. */
function plainNodeSelector(random: Random): object {
  return JSON.parse(JSON.stringify(nodeSelector(random)).replaceAll("node:zone", "zone")) as object;
}

function clusterProtocol(random: Random, isInside: boolean): object {
  return random.pick<object>([
    { tcp: { destinationPort: { number: 80 } } },
    { tcp: { destinationPort: { number: 443 } } },
    { tcp: { destinationPort: { range: { start: 80, end: 90 } } } },
    { udp: { destinationPort: { number: 53 } } },
    { udp: { destinationPort: { range: { start: 8000, end: 9000 } } } },
    { sctp: { destinationPort: { number: 80 } } },
    // What is outside the cluster has no names for its ports.
    isInside ? { destinationNamedPort: "web" } : { tcp: { destinationPort: { number: 8080 } } },
  ]);
}

function clusterRule(random: Random, isEgress: boolean, surroundings: Surroundings): object {
  const action = random.pick(["Accept", "Deny", "Pass"]);
  const peers = random.list(1, 2, () => clusterPeer(random, isEgress, action === "Accept", surroundings));
  const isInside = peers.every((peer) => "pods" in peer || "namespaces" in peer);
  return {
    action,
    [isEgress ? "to" : "from"]: peers,
    ...(random.percent(55) ? { protocols: random.list(1, 2, () => clusterProtocol(random, isInside)) } : {}),
  };
}

export function clusterNetworkPolicy(random: Random, name: string, surroundings: Surroundings): object {
  const ingress = random.percent(75);
  const egress = random.percent(ingress ? 45 : 95);
  return {
    apiVersion: "policy.networking.k8s.io/v1alpha2",
    kind: "ClusterNetworkPolicy",
    metadata: { name },
    spec: {
      tier: random.pick(["Admin", "Admin", "Baseline"]),
      priority: random.pick([0, 1, 5, 5, 1000]),
      subject: random.percent(50) ? { namespaces: namespaceSelector(random) } : { pods: pods(random) },
      ...(ingress ? { ingress: random.list(1, 3, () => clusterRule(random, false, surroundings)) } : {}),
      ...(egress ? { egress: random.list(1, 3, () => clusterRule(random, true, surroundings)) } : {}),
    },
  };
}
