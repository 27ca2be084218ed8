import type { Random } from "./policy-scenarios-random.ts";
import { CIDRS4, CIDRS6, GROUPS, HOST_NAMES, NAMESPACES } from "./policy-scenarios-world.ts";

/** Random peers of a Cilium policy's element, and random selectors. */

const ENTITIES = [
  "all",
  "world",
  "cluster",
  "host",
  "remote-node",
  "kube-apiserver",
  "ingress",
  "health",
  "none",
  "init",
  "unmanaged",
  "cluster-mesh",
  "world-ipv4",
  "world-ipv6",
];

/** What the rest of the scenario offers to the generator of a policy. */
export interface Surroundings {
  readonly hasIPv6: boolean;
  readonly hasNodeLabels: boolean;
  readonly hasHostFirewall: boolean;
}

export function podSelector(random: Random, keys = ["app", "team", "k8s:app", "k8s:team", "any:app"]): object {
  return {
    ...(random.percent(60) ? { matchLabels: matchLabels(random, keys[2] === undefined) } : {}),
    ...(random.percent(35) ? { matchExpressions: [expression(random, keys)] } : {}),
  };
}

function matchLabels(random: Random, isPlain: boolean): object {
  const app = random.pick(["a", "b"]);
  const team = random.pick(["x", "y"]);
  return random.pick<object>([{}, { app }, isPlain ? { team } : { "k8s:team": team }, { app, team }]);
}

function expression(random: Random, keys: readonly string[]): object {
  const key = random.pick(keys);
  return random.percent(60)
    ? { key, operator: random.pick(["In", "NotIn"]), values: random.some(["a", "b", "x", "y"]).slice(0, 2) }
    : { key, operator: random.pick(["Exists", "DoesNotExist"]) };
}

const SPECIAL_SELECTORS: readonly object[] = [
  { matchLabels: { "app.kubernetes.io/name": "a" } },
  { matchLabels: { "pod-template-hash": "a" } },
  {
    matchExpressions: [
      { key: "pod-template-hash", operator: "DoesNotExist" },
      { key: "host", operator: "Exists" },
    ],
  },
  { matchLabels: { "k8s:io.kubernetes.pod.namespace": "ns2" } },
  { matchLabels: { "io.kubernetes.pod.namespace": "ns1", app: "a" } },
  { matchExpressions: [{ key: "k8s:io.kubernetes.pod.namespace", operator: "NotIn", values: ["ns1"] }] },
  { matchExpressions: [{ key: "k8s:io.kubernetes.pod.namespace", operator: "DoesNotExist" }] },
  { matchLabels: { "k8s:io.cilium.k8s.namespace.labels.env": "prod" } },
  { matchLabels: { "k8s:io.cilium.k8s.policy.serviceaccount": "sa" } },
  { matchLabels: { "k8s:io.cilium.k8s.policy.cluster": "other" } },
  { matchExpressions: [{ key: "k8s:io.cilium.k8s.policy.cluster", operator: "Exists" }] },
  { matchLabels: { "reserved:host": "" } },
  { matchExpressions: [{ key: "reserved:world", operator: "Exists" }] },
  { matchLabels: { "reserved:init": "" } },
  { matchLabels: { "k8s:k8s-app": "kube-dns", "k8s:io.kubernetes.pod.namespace": "kube-system" } },
  { matchLabels: null, matchExpressions: [] },
];

export function peerSelector(random: Random): object {
  return random.percent(70) ? podSelector(random) : random.pick(SPECIAL_SELECTORS);
}

function cidr(random: Random, { hasIPv6 }: Surroundings): string {
  if (hasIPv6 && random.percent(40)) return random.pick(CIDRS6);
  return random.pick(random.percent(4) ? CIDRS6 : CIDRS4);
}

function cidrRule(random: Random, surroundings: Surroundings): object {
  return random.one<object>([
    [3, () => ({ cidr: cidr(random, surroundings) })],
    [2, () => ({ cidr: "10.0.0.0/8", except: random.some(["10.1.0.0/16", "10.1.2.0/24", "10.0.0.1/32"]) })],
    [1, () => ({ cidr: "0.0.0.0/0", except: ["10.0.0.0/8"] })],
    [0.5, () => ({ cidr: "2001:db8::/32", except: ["2001:db8:1::/48"] })],
    [2, () => ({ cidrGroupRef: random.pick(GROUPS), ...groupExcept(random) })],
    [2, () => ({ cidrGroupSelector: groupSelector(random), ...groupExcept(random) })],
  ]);
}

function groupExcept(random: Random): object {
  return random.percent(25) ? { except: [random.pick(["10.1.2.0/24", "192.0.2.0/24", "8.8.8.8/32"])] } : {};
}

function groupSelector(random: Random): object {
  return random.one<object>([
    [3, () => ({ matchLabels: { env: random.pick(["prod", "dev"]) } })],
    [1, () => ({ matchExpressions: [{ key: "env", operator: random.pick(["In", "NotIn"]), values: ["prod"] }] })],
    [1, () => ({ matchExpressions: [{ key: "site", operator: random.pick(["Exists", "DoesNotExist"]) }] })],
  ]);
}

function service(random: Random): object {
  const namespace = random.percent(60) ? { namespace: random.pick(NAMESPACES) } : {};
  return random.percent(60)
    ? { k8sService: { serviceName: random.pick(["s1", "s2", "s3", "s9"]), ...namespace } }
    : {
        k8sServiceSelector: {
          selector: random.pick<object>([{ matchLabels: { tier: random.pick(["front", "back"]) } }, {}]),
          ...namespace,
        },
      };
}

export function domain(random: Random): object {
  return random.percent(50)
    ? { matchName: random.pick(HOST_NAMES) }
    : { matchPattern: random.pick(["*.example.com", "**.example.com", "*", "db.*", "a*.example.com"]) };
}

/** Peers of an element of `ingress` (`from`) or `egress` (`to`), or none. */
export function peers(random: Random, prefix: "from" | "to", deny: boolean, surroundings: Surroundings): object {
  const list = <T>(name: string, make: () => T): object => ({
    [`${prefix}${name}`]: random.one<T[] | null>([
      [60, () => random.list(1, 2, make)],
      [4, () => []],
      [1, () => null],
    ]),
  });
  const isEgress = prefix === "to";
  return random.one<object>([
    [9, () => ({})],
    [9, () => list("Endpoints", () => peerSelector(random))],
    [2, () => list("CIDR", () => (random.percent(80) ? cidr(random, surroundings) : "8.8.8.8"))],
    [5, () => list("CIDRSet", () => cidrRule(random, surroundings))],
    [4, () => list("Entities", () => random.pick(ENTITIES))],
    [surroundings.hasNodeLabels ? 3 : 0, () => list("Nodes", () => nodeSelector(random))],
    [isEgress ? 3 : 0, () => list("Services", () => service(random))],
    [isEgress && !deny ? 4 : 0, () => list("FQDNs", () => domain(random))],
  ]);
}

export function nodeSelector(random: Random): object {
  return random.pick<object>([
    {},
    { matchLabels: { "node:zone": random.pick(["east", "west"]) } },
    { matchExpressions: [{ key: "node:zone", operator: "Exists" }] },
  ]);
}
