import type { Scenario } from "../../src/policy/scenario.ts";
import { present, type Random } from "./policy-scenarios-random.ts";

type ScenarioEndpoint = Scenario["endpoints"][number];

/** Who there is in a random world. The vocabularies are small, so that rules meet each other and the traffic. */

export const NAMESPACES = ["ns1", "ns2"] as const;
/** Most pods and policies are in one namespace, or they would rarely meet. */
export const HOMES = ["ns1", "ns1", "ns1", "ns2"] as const;
const NAMESPACE_LABELS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  ns1: { env: "prod" },
  ns2: { env: "dev" },
  "kube-system": { env: "infra" },
};
export const OUTSIDE4 = ["10.0.0.1", "10.1.2.3", "10.1.3.1", "192.0.2.9", "8.8.8.8", "20.1.1.7"] as const;
export const OUTSIDE6 = ["2001:db8::1", "2001:db8:1::5", "2002::9"] as const;
export const RESERVED = ["host", "remote-node", "world", "health", "ingress", "kube-apiserver", "init"] as const;
export const CIDRS4 = [
  "10.0.0.0/8",
  "10.1.0.0/16",
  "10.1.2.0/24",
  "10.1.2.3/32",
  "192.0.2.0/24",
  "0.0.0.0/0",
  "172.20.0.0/16",
  "20.1.1.7/32",
] as const;
export const CIDRS6 = ["::/0", "2001:db8::/32", "2001:db8:1::/48", "2001:db8::1/128"] as const;
export const HOST_NAMES = ["api.example.com", "www.example.com", "deep.api.example.com", "db.internal"] as const;
export const GROUPS = ["g1", "g2"] as const;

/** What the label filter gets beside Cilium's own patterns. */
const LABEL_PATTERNS = [
  ["k8s:app", "k8s:team"],
  ["app"],
  ["k8s:!team"],
  ["!ap", "app"],
  ["k8s:pod-template-hash.*", "k8s:app"],
  ["!app.kubernetes.io", "cni:!team"],
];

export function configOf(random: Random): Scenario["config"] {
  if (random.percent(45)) return undefined;
  return present({
    enableIPv6: random.percent(35) ? true : undefined,
    policyMode: random.percent(12) ? random.pick(["always", "always", "never"] as const) : undefined,
    clusterName: random.percent(5) ? "blue" : undefined,
    hostFirewall: random.percent(35) ? true : undefined,
    allowLocalhost: random.percent(12) ? ("policy" as const) : undefined,
    cidrMatchMode: random.percent(10) ? (["nodes"] as const) : undefined,
    nodeSelectorLabels: random.percent(25) ? true : undefined,
    labels: random.percent(8) ? random.pick(LABEL_PATTERNS) : undefined,
  }) as Scenario["config"];
}

function podLabels(random: Random, config: Scenario["config"]): Record<string, string> {
  return present({
    app: random.pick(["a", "b", "c"]),
    team: random.percent(60) ? random.pick(["x", "y"]) : undefined,
    // Where CIDRs match nodes, Cilium takes a pod with such a label for one.
    host: random.percent(4) && config?.cidrMatchMode === undefined ? "x" : undefined,
    "app.kubernetes.io/name": random.percent(20) ? "a" : undefined,
    "pod-template-hash": random.percent(20) ? "a" : undefined,
  }) as Record<string, string>;
}

export function endpointsOf(random: Random, config: Scenario["config"]): ScenarioEndpoint[] {
  const webPorts = new Map<string, number>();
  const pods = random.list(2, 4, (index): ScenarioEndpoint => {
    const namespace = random.pick(HOMES);
    const labels = podLabels(random, config);
    const serviceAccount = random.percent(15) ? "sa" : "default";
    const cluster = random.percent(6) ? "other" : undefined;
    // Pods of one identity mostly share their ports.
    const key = JSON.stringify([namespace, serviceAccount, cluster, { ...labels, "pod-template-hash": "" }]);
    const web = (random.percent(98) ? webPorts.get(key) : undefined) ?? random.pick([80, 8080]);
    webPorts.set(key, web);
    return {
      ...podOf(`p${index}`, namespace, labels, config),
      serviceAccount,
      ...(cluster === undefined ? {} : { cluster }),
      namedPorts: [
        { name: "web", port: web, protocol: "TCP" },
        { name: "dns", port: 53, protocol: "UDP" },
        { name: "ranged", port: 8081, protocol: "TCP" },
        ...(random.percent(30) ? [{ name: "alt", port: 8500, protocol: "UDP" }] : []),
        // Two containers of a pod may give one name.
        ...(random.percent(6) ? [{ name: "web", port: 81, protocol: random.pick(["TCP", "UDP"]) }] : []),
      ],
      ips: [`172.20.0.${10 + index}`, ...(config?.enableIPv6 ? [`2001:db8:ffff::${10 + index}`] : [])],
    };
  });
  return [
    ...pods,
    ...(random.percent(35) ? [dnsServer(config)] : []),
    ...(config?.nodeSelectorLabels && random.percent(60) ? [otherNode(random, config)] : []),
    ...(random.percent(4)
      ? [{ name: "new", namespace: "ns1", rawLabels: ["reserved:init"], ips: ["172.20.0.99"] }]
      : []),
  ];
}

function podOf(
  name: string,
  namespace: string,
  labels: Record<string, string>,
  config: Scenario["config"],
): ScenarioEndpoint {
  return {
    name,
    namespace,
    labels,
    namespaceLabels: { "kubernetes.io/metadata.name": namespace, ...NAMESPACE_LABELS[namespace] },
    cluster: config?.clusterName ?? "default",
  };
}

function dnsServer(config: Scenario["config"]): ScenarioEndpoint {
  return {
    ...podOf("dns", "kube-system", { "k8s-app": "kube-dns" }, config),
    serviceAccount: "coredns",
    namedPorts: [
      { name: "dns", port: 53, protocol: "UDP" },
      { name: "dns-tcp", port: 53, protocol: "TCP" },
    ],
    ips: ["172.20.0.53"],
  };
}

/** A node that has labels of its own, as in clusters where policies may select nodes. */
function otherNode(random: Random, config: Scenario["config"]): ScenarioEndpoint {
  return {
    name: "node2",
    rawLabels: [
      "reserved:remote-node",
      `node:zone=${random.pick(["east", "west"])}`,
      `k8s:io.cilium.k8s.policy.cluster=${config?.clusterName ?? "default"}`,
    ],
    ips: ["192.168.0.2"],
  };
}

export function hostLabelsOf(random: Random, config: Scenario["config"]): string[] | undefined {
  if (!config?.hostFirewall && !random.percent(5)) return undefined;
  return ["k8s:role=worker", `k8s:zone=${random.pick(["east", "west"])}`];
}

export function fqdnCacheOf(random: Random): Record<string, string[]> | undefined {
  if (random.percent(25)) return undefined;
  return Object.fromEntries(
    random.some(HOST_NAMES).map((name) => [name, [...new Set(random.list(1, 2, () => random.pick(OUTSIDE4)))]]),
  );
}

export function servicesOf(random: Random): NonNullable<Scenario["services"]> {
  return ["s1", "s2", "s3"].map((name) => ({
    name,
    namespace: random.pick(NAMESPACES),
    labels: { tier: random.pick(["front", "back"]) },
    ...random.one<object>([
      [3, () => ({ selector: { app: random.pick(["a", "b"]) } })],
      [3, () => ({ backends: random.some(OUTSIDE4) })],
      [1, () => ({ backends: [] })],
    ]),
  }));
}

export function cidrGroup(random: Random, name: string): object {
  return {
    apiVersion: random.pick(["cilium.io/v2", "cilium.io/v2alpha1"]),
    kind: "CiliumCIDRGroup",
    metadata: { name, labels: { env: random.pick(["prod", "dev"]), ...(random.percent(50) ? { site: "a" } : {}) } },
    spec: { externalCIDRs: random.some(["10.1.0.0/16", "192.0.2.0/24", "8.8.8.8/32", "10.0.0.0/8", "20.1.1.0/24"]) },
  };
}
