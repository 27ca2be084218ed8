import fc from "fast-check";
import type { Scenario, ScenarioQuery } from "../../src/policy/scenario.ts";
import { ciliumPolicy } from "./policy-scenarios-cilium.ts";
import { type Crowd, crowd } from "./policy-scenarios-crowds.ts";
import { spoil } from "./policy-scenarios-invalid.ts";
import { clusterNetworkPolicy, networkPolicy } from "./policy-scenarios-kubernetes.ts";
import type { Surroundings } from "./policy-scenarios-peers.ts";
import { Random } from "./policy-scenarios-random.ts";
import {
  cidrGroup,
  configOf,
  endpointsOf,
  fqdnCacheOf,
  GROUPS,
  HOMES,
  HOST_NAMES,
  hostLabelsOf,
  OUTSIDE4,
  OUTSIDE6,
  RESERVED,
  servicesOf,
} from "./policy-scenarios-world.ts";

type ScenarioEndpoint = Scenario["endpoints"][number];

/** What a random scenario leaves out. */
export interface ScenarioTaste {
  /** No policy that is refused. */
  readonly isValid?: boolean;
  /** Always policies that all speak of the same. */
  readonly isCrowded?: boolean;
}

/** A random world with random policies of every kind; the same seed gives the same scenario. */
export function randomScenario(seed: number, taste: ScenarioTaste = {}): Scenario {
  const random = new Random(seed);
  const config = configOf(random);
  const endpoints = endpointsOf(random, config);
  const hostLabels = hostLabelsOf(random, config);
  const fqdnCache = fqdnCacheOf(random);
  const middle = crowd(random, taste.isCrowded === true ? 100 : 30);
  const scenario: Scenario = {
    id: `random-${seed}`,
    ...(config === undefined ? {} : { config }),
    policies: [...policiesOf(random, config, taste), ...(middle?.policies ?? [])],
    endpoints,
    ...(random.percent(8) ? { cidrLabels: { "192.0.2.0/24": ["reserved:kube-apiserver"] } } : {}),
    ...(fqdnCache === undefined ? {} : { fqdnCache }),
    ...(hostLabels === undefined ? {} : { hostLabels }),
    ...(random.percent(75) ? { services: servicesOf(random) } : {}),
    secrets: { "ns1/token": { token: "1" } },
    queries: [
      ...random.list(10, 14, (index) => query(random, `q${index}`, endpoints, config)),
      ...(middle === undefined ? [] : random.list(6, 8, (index) => crowdQuery(random, `c${index}`, endpoints, middle))),
    ],
  };
  return scenario;
}

/** The same for properties; it shrinks to nothing, but the seed tells which scenario fails. */
export const policyScenario: fc.Arbitrary<Scenario> = fc
  .integer({ min: 0, max: 0x7fffffff })
  .map((seed) => randomScenario(seed, { isValid: true }));

function policiesOf(random: Random, config: Scenario["config"], { isValid = false }: ScenarioTaste): unknown[] {
  const surroundings: Surroundings = {
    hasIPv6: config?.enableIPv6 === true,
    hasNodeLabels: config?.nodeSelectorLabels === true,
    hasHostFirewall: config?.hostFirewall === true,
  };
  // A world with tiers, or only the one that everybody uses.
  const tiers = random.percent(35) ? 6 : 0;
  const policies = random.list(1, 5, (index) => {
    const name = `policy-${index}`;
    const policy = random.one<object>([
      [8, () => ciliumPolicy(random, name, random.pick(HOMES), surroundings)],
      [5, () => ciliumPolicy(random, name, "", surroundings)],
      [4, () => networkPolicy(random, name, random.pick(HOMES))],
      [tiers, () => clusterNetworkPolicy(random, name, surroundings)],
    ]);
    return !isValid && random.percent(3) ? spoil(random, policy) : policy;
  });
  const groups = GROUPS.filter(() => random.percent(60)).map((name) => cidrGroup(random, name));
  // Policies come before and after what they refer to.
  return random.percent(50) ? [...groups, ...policies] : [...policies, ...groups];
}

const REQUEST_PATHS = ["/a", "/b", "/bc", "/ax", "/v1/x", "/v1/X", "/a?q=1"];

function request(random: Random): ScenarioQuery["http"] {
  return {
    method: random.pick(["GET", "POST", "PUT"]),
    path: random.pick(REQUEST_PATHS),
    ...(random.percent(40) ? { host: random.pick(["api.example.com", "db.internal"]) } : {}),
    ...(random.percent(40)
      ? {
          headers: {
            ...(random.percent(70) ? { "x-a": random.pick(["1", "2"]) } : {}),
            ...(random.percent(40) ? { "X-B": "1" } : {}),
          },
        }
      : {}),
  };
}

function target(random: Random): Partial<ScenarioQuery> {
  return random.one<Partial<ScenarioQuery>>([
    [10, () => ({ proto: "TCP", port: random.pick([80, 80, 80, 81, 85, 86, 8080, 8]), http: request(random) })],
    [4, () => ({ proto: "TCP", port: random.pick([443, 443, 444, 80]), sni: random.pick([...HOST_NAMES, "a.b.c"]) })],
    [2, () => ({ proto: "TCP", port: random.pick([1, 79, 90, 91, 443, 8081, 8085, 8086, 65535]) })],
    [5, () => ({ proto: random.pick(["UDP", "UDP", "TCP"]), port: 53, dns: random.pick([...HOST_NAMES, "a.b.c"]) })],
    [2, () => ({ proto: "UDP", port: random.pick([80, 7999, 8000, 8500, 9000, 9001]) })],
    [1, () => ({ proto: "SCTP", port: random.pick([80, 8080]) })],
    [2, () => ({ proto: "ICMP", port: random.pick([3, 8, 11]) })],
    [1, () => ({ proto: "ICMPv6", port: random.pick([128, 135, 8]) })],
  ]);
}

/** Mostly between a pod and somebody else. */
function query(
  random: Random,
  id: string,
  endpoints: readonly ScenarioEndpoint[],
  config: Scenario["config"],
): ScenarioQuery {
  const pod = () => fullName(random.pick(endpoints));
  const subject = () => (config?.hostFirewall && random.percent(25) ? "reserved:host" : pod());
  const other = random.one<string>([
    [5, pod],
    [4, () => random.pick(OUTSIDE4)],
    [config?.enableIPv6 ? 3 : 0, () => random.pick(OUTSIDE6)],
    [4, () => `reserved:${random.pick(RESERVED)}`],
  ]);
  const [from, to] = random.percent(50) ? [subject(), other] : [other, subject()];
  const direction = random.pick(["both", "both", "both", "ingress", "egress"] as const);
  return { id, direction, from, to, ...target(random) };
}

function crowdQuery(
  random: Random,
  id: string,
  endpoints: readonly ScenarioEndpoint[],
  { target: aim }: Crowd,
): ScenarioQuery {
  const [from, to] = [random.pick(endpoints), random.pick(endpoints)].map(fullName) as [string, string];
  return { id, from, to, ...aim(random) };
}

function fullName({ name, namespace = "default" }: ScenarioEndpoint): string {
  return `${namespace}/${name}`;
}
