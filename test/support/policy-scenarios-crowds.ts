import type { ScenarioQuery } from "../../src/policy/scenario.ts";
import type { Random } from "./policy-scenarios-random.ts";
import { HOST_NAMES } from "./policy-scenarios-world.ts";

/**
 * Policies that all speak of the same pods, peers and ports, and connections that they all speak of. By chance alone the rules
 * of several tiers, or several rules about one name, would hardly ever meet.
 */
export interface Crowd {
  readonly policies: readonly object[];
  /** What the connections in the middle of it go for. */
  readonly target: (random: Random) => Partial<ScenarioQuery>;
}

/** One in so many of a hundred scenarios. */
export function crowd(random: Random, chance: number): Crowd | undefined {
  if (!random.percent(chance)) return undefined;
  return random.percent(50)
    ? { policies: tierPolicies(random), target: webTarget }
    : { policies: namePolicies(random), target: nameTarget };
}

const EVERYBODY = { namespaces: {} };
const WEB_PORTS: readonly object[] = [
  { tcp: { destinationPort: { number: 80 } } },
  { tcp: { destinationPort: { range: { start: 80, end: 90 } } } },
  { tcp: { destinationPort: { range: { start: 1, end: 1000 } } } },
  { tcp: { destinationPort: { number: 81 } } },
];
const DNS_PORTS: readonly object[] = [
  { udp: { destinationPort: { number: 53 } } },
  { udp: { destinationPort: { range: { start: 50, end: 60 } } } },
];

function podsOf(random: Random): object {
  return { pods: { namespaceSelector: {}, podSelector: { matchLabels: { app: random.pick(["a", "b", "c"]) } } } };
}

/** One policy of the tier or the other, of which every other rule passes on. */
function tierPolicy(random: Random, name: string, isEgress: boolean, ports: readonly object[]): object {
  const rule = (): object => ({
    action: random.pick(["Pass", "Pass", "Accept", "Deny"]),
    [isEgress ? "to" : "from"]: [random.percent(60) ? EVERYBODY : podsOf(random)],
    ...(random.percent(70) ? { protocols: [random.pick(ports)] } : {}),
  });
  return {
    apiVersion: "policy.networking.k8s.io/v1alpha2",
    kind: "ClusterNetworkPolicy",
    metadata: { name },
    spec: {
      tier: random.pick(["Admin", "Admin", "Baseline"]),
      priority: random.below(4),
      subject: EVERYBODY,
      [isEgress ? "egress" : "ingress"]: random.list(1, 4, rule),
    },
  };
}

function ciliumPolicy(name: string, section: string, elements: readonly object[]): object {
  return {
    apiVersion: "cilium.io/v2",
    kind: "CiliumClusterwideNetworkPolicy",
    metadata: { name },
    spec: { endpointSelector: {}, [section]: elements },
  };
}

function tierPolicies(random: Random): object[] {
  const isEgress = random.percent(40);
  const tiers = random.list(2, 4, (index) => tierPolicy(random, `tier-${index}`, isEgress, WEB_PORTS));
  const peer = () => ({ [isEgress ? "toEndpoints" : "fromEndpoints"]: [appSelector(random)] });
  const web = (): object => ({
    ...peer(),
    toPorts: [
      {
        ports: [
          random.pick<object>([
            { port: "80", protocol: "TCP" },
            { port: "80", endPort: 90, protocol: "TCP" },
          ]),
        ],
        ...(random.percent(50) ? { rules: { http: [{ method: random.pick(["GET", "POST"]) }] } } : {}),
      },
    ],
  });
  const section = isEgress ? "egress" : "ingress";
  return [...tiers, ciliumPolicy("web", section, random.list(1, 3, web))];
}

function appSelector(random: Random): object {
  return random.percent(40) ? {} : { matchLabels: { app: random.pick(["a", "b", "c"]) } };
}

const NEAR_PORTS: readonly object[] = [
  { port: "53", endPort: 54, protocol: "UDP" },
  { port: "50", endPort: 53, protocol: "UDP" },
];

function namePolicies(random: Random): object[] {
  const element = (): object => ({
    ...(random.percent(25) ? {} : { toEndpoints: [appSelector(random)] }),
    toPorts: [
      random.one<object>([
        [5, () => ({ ports: [{ port: "53", protocol: random.pick(["UDP", "ANY"]) }], rules: { dns: names(random) } })],
        [2, () => ({ ports: [{ port: "53", protocol: "UDP" }] })],
        [2, () => ({ ports: [{ port: "50", endPort: 60, protocol: "UDP" }] })],
        [1, () => ({ ports: [random.pick(NEAR_PORTS)] })],
        [1, () => ({ ports: [{ port: "0", protocol: random.pick(["UDP", "ANY"]) }] })],
        [1, () => ({ ports: [{ port: "dns", protocol: "UDP" }] })],
      ]),
    ],
  });
  const tiers = random.percent(50) ? random.list(1, 2, (i) => tierPolicy(random, `tier-${i}`, true, DNS_PORTS)) : [];
  const allows = random.list(1, 2, (index) => ciliumPolicy(`names-${index}`, "egress", random.list(1, 3, element)));
  return [...tiers, ...allows];
}

function names(random: Random): object[] {
  return random.list(1, 2, () =>
    random.pick<object>([
      { matchName: random.pick(HOST_NAMES) },
      { matchPattern: "*.example.com" },
      { matchPattern: "db.*" },
    ]),
  );
}

function webTarget(random: Random): Partial<ScenarioQuery> {
  const http = { method: random.pick(["GET", "POST"]), path: "/", headers: {} };
  return { proto: "TCP", port: random.pick([80, 80, 81, 85, 443]), http };
}

function nameTarget(random: Random): Partial<ScenarioQuery> {
  return { proto: "UDP", port: random.pick([53, 53, 53, 54, 55]), dns: random.pick(HOST_NAMES) };
}
