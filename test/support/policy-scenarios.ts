import fc from "fast-check";
import type { Scenario, ScenarioQuery } from "../../src/policy/scenario.ts";
import type { ScenarioEndpoint } from "../../src/policy/scenario-world.ts";

/** Random worlds with random policies: small vocabularies, so that rules meet each other and the traffic. */

const NAMESPACES = { ns1: { env: "prod" }, ns2: { env: "dev" } } as const;
const OUTSIDE = ["10.0.0.1", "10.1.2.3", "10.1.3.1", "192.0.2.9", "8.8.8.8"] as const;
const RESERVED = ["host", "remote-node", "world", "health", "ingress", "kube-apiserver"] as const;
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
];

const endpoints: fc.Arbitrary<ScenarioEndpoint[]> = fc
  .array(
    fc.record({
      namespace: fc.constantFrom("ns1" as const, "ns2" as const),
      labels: fc.record(
        {
          app: fc.constantFrom("a", "b", "c"),
          team: fc.constantFrom("x", "y"),
          host: fc.constant("x"),
          "app.kubernetes.io/name": fc.constant("a"),
          "pod-template-hash": fc.constant("a"),
        },
        { requiredKeys: ["app"] },
      ),
      webPort: fc.constantFrom(80, 8080),
    }),
    { minLength: 2, maxLength: 5 },
  )
  .map((pods) => {
    const ports = new Map<string, number>();
    return pods.map(({ namespace, labels, webPort }, index) => {
      // Pods of one identity share their ports: what one identity with two numbers means is tested by hand.
      const key = JSON.stringify([namespace, { ...labels, "pod-template-hash": "" }]);
      ports.set(key, ports.get(key) ?? webPort);
      return {
        name: `p${index}`,
        namespace,
        labels: labels as Record<string, string>,
        namespaceLabels: { "kubernetes.io/metadata.name": namespace, ...NAMESPACES[namespace] },
        serviceAccount: "default",
        namedPorts: [
          { name: "web", port: ports.get(key)!, protocol: "TCP" },
          { name: "dns", port: 53, protocol: "UDP" },
        ],
        ips: [`172.20.0.${10 + index}`],
      };
    });
  });

const key = fc.constantFrom("app", "team", "k8s:app", "k8s:team", "any:app");
const value = fc.constantFrom("a", "b", "x", "y");
const expression = fc.oneof(
  fc.record({
    key,
    operator: fc.constantFrom("In", "NotIn"),
    values: fc.uniqueArray(value, { minLength: 1, maxLength: 2 }),
  }),
  fc.record({ key, operator: fc.constantFrom("Exists", "DoesNotExist") }),
);
const matchLabels = fc.oneof(
  fc.constant({}),
  fc.record({ app: fc.constantFrom("a", "b") }),
  fc.record({ "k8s:team": fc.constantFrom("x", "y") }),
  fc.record({ app: fc.constantFrom("a", "b"), team: fc.constantFrom("x", "y") }),
);
const podSelector = fc.record(
  { matchLabels, matchExpressions: fc.array(expression, { maxLength: 1 }) },
  { requiredKeys: [] },
);
const peerSelector = fc.oneof(
  { weight: 4, arbitrary: podSelector },
  {
    weight: 1,
    arbitrary: fc.constantFrom<object>(
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
    ),
  },
  { weight: 1, arbitrary: fc.constant<object>({ matchLabels: { "k8s:io.cilium.k8s.namespace.labels.env": "prod" } }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom<object>(
      { matchLabels: { "reserved:host": "" } },
      { matchExpressions: [{ key: "reserved:world", operator: "Exists" }] },
    ),
  },
);
const cidr = fc.constantFrom(
  "10.0.0.0/8",
  "10.1.0.0/16",
  "10.1.2.0/24",
  "10.1.2.3/32",
  "192.0.2.0/24",
  "0.0.0.0/0",
  "172.20.0.0/16",
);
const cidrRule = fc.oneof(
  fc.record({ cidr }),
  fc.constantFrom<object>(
    { cidr: "10.0.0.0/8", except: ["10.1.0.0/16"] },
    { cidr: "10.0.0.0/8", except: ["10.1.2.0/24", "10.0.0.1/32"] },
    { cidr: "0.0.0.0/0", except: ["10.0.0.0/8"] },
  ),
);

function peers(prefix: "from" | "to"): fc.Arbitrary<object> {
  const one = <T>(name: string, element: fc.Arbitrary<T>) =>
    fc
      .oneof(
        { weight: 9, arbitrary: fc.array(element, { minLength: 1, maxLength: 3, size: "max" }) },
        { weight: 1, arbitrary: fc.constant<T[]>([]) },
      )
      .map((list) => ({ [`${prefix}${name}`]: list }));
  return fc.oneof(
    { weight: 3, arbitrary: fc.constant({}) },
    { weight: 4, arbitrary: one("Endpoints", peerSelector) },
    { weight: 1, arbitrary: one("CIDR", fc.oneof(cidr, fc.constant("8.8.8.8"))) },
    { weight: 2, arbitrary: one("CIDRSet", cidrRule) },
    { weight: 2, arbitrary: one("Entities", fc.constantFrom(...ENTITIES)) },
  );
}

const port = fc.oneof(
  fc.record(
    {
      port: fc.constantFrom("0", "80", "81", "443", "8080", "53", "web", "dns"),
      protocol: fc.constantFrom("TCP", "UDP", "SCTP", "ANY"),
    },
    { requiredKeys: ["port"] },
  ),
  fc.constantFrom<object>(
    { port: "80", endPort: 90, protocol: "TCP" },
    { port: "79", endPort: 81 },
    { port: "1", endPort: 65535, protocol: "TCP" },
    { port: "8000", endPort: 9000, protocol: "UDP" },
    { port: "443", endPort: 80, protocol: "TCP" },
  ),
);
const httpPort = fc.constantFrom<object>(
  { port: "80", protocol: "TCP" },
  { port: "8080", protocol: "TCP" },
  { port: "80", endPort: 85, protocol: "TCP" },
  { port: "web", protocol: "TCP" },
);
const http = fc.array(
  fc.record({ method: fc.constantFrom("GET", "POST"), path: fc.constantFrom("/a", "/b.*") }, { requiredKeys: [] }),
  { minLength: 0, maxLength: 2, size: "max" },
);
const plainPorts = fc.oneof(
  { weight: 9, arbitrary: fc.record({ ports: fc.array(port, { minLength: 1, maxLength: 3, size: "max" }) }) },
  { weight: 1, arbitrary: fc.constantFrom<object>({}, { ports: [] }) },
);
const l7Ports = fc.record({
  ports: fc.array(httpPort, { minLength: 1, maxLength: 2 }),
  rules: http.map((rules) => ({ http: rules })),
});
const icmps = fc
  .array(fc.record({ type: fc.constantFrom(8, 3, 0, "EchoRequest") }), { maxLength: 2 })
  .map((fields) => [{ fields }]);

function elements(prefix: "from" | "to", deny: boolean): fc.Arbitrary<object[]> {
  const toPorts = fc.array(
    deny
      ? plainPorts
      : fc.oneof({ weight: 1, arbitrary: plainPorts }, { weight: 1, arbitrary: l7Ports as fc.Arbitrary<object> }),
    { maxLength: 3, size: "max" },
  );
  const where = fc.oneof(
    { weight: 2, arbitrary: fc.constant({}) },
    { weight: 4, arbitrary: toPorts.map((list) => ({ toPorts: list })) },
    { weight: 1, arbitrary: icmps.map((list) => ({ icmps: list })) },
  );
  return fc.array(
    fc.tuple(peers(prefix), where).map(([a, b]) => ({ ...a, ...b })),
    { minLength: 1, maxLength: 3, size: "max" },
  );
}

/** Deny is rare, or nothing would be left of the rest. */
function sometimes(list: fc.Arbitrary<object[]>, ofTen: number): fc.Arbitrary<object[] | undefined> {
  return fc.oneof({ weight: ofTen, arbitrary: list }, { weight: 10 - ofTen, arbitrary: fc.constant(undefined) });
}

const sections = fc
  .record({
    ingress: sometimes(elements("from", false), 7),
    ingressDeny: sometimes(elements("from", true), 2),
    egress: sometimes(elements("to", false), 7),
    egressDeny: sometimes(elements("to", true), 2),
  })
  .map((each) => Object.fromEntries(Object.entries(each).filter(([, list]) => list !== undefined)))
  .filter((each) => Object.keys(each).length > 0);
const enableDefaultDeny = fc.record({ ingress: fc.boolean(), egress: fc.boolean() }, { requiredKeys: [] });
const subjectSelector = fc.oneof({ weight: 2, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: podSelector });
const spec = fc
  .tuple(subjectSelector, sections, fc.option(enableDefaultDeny, { freq: 4, nil: undefined }))
  .map(([endpointSelector, rules, enable]) => ({
    endpointSelector,
    ...rules,
    ...(enable === undefined ? {} : { enableDefaultDeny: enable }),
  }));

const policies = fc
  .array(fc.tuple(fc.constantFrom("ns1", "ns2", ""), fc.array(spec, { minLength: 1, maxLength: 2 })), {
    minLength: 1,
    maxLength: 3,
  })
  .map((list) =>
    list.map(([namespace, specs], index) => ({
      apiVersion: "cilium.io/v2",
      kind: namespace === "" ? "CiliumClusterwideNetworkPolicy" : "CiliumNetworkPolicy",
      metadata: { name: `policy-${index}`, ...(namespace === "" ? {} : { namespace }) },
      ...(specs.length === 1 ? { spec: specs[0] } : { specs }),
    })),
  );

const request = fc.record({
  method: fc.constantFrom("GET", "POST", "PUT"),
  path: fc.constantFrom("/a", "/b", "/bc", "/ax"),
});
const target = fc.oneof(
  fc.record({
    proto: fc.constant("TCP"),
    port: fc.constantFrom(80, 80, 80, 81, 85, 85, 443, 8080, 8080, 1, 65535),
    http: request,
  }),
  fc.record({ proto: fc.constantFrom("UDP", "SCTP"), port: fc.constantFrom(53, 80, 8500) }),
  fc.record({ proto: fc.constant("ICMP"), port: fc.constantFrom(3, 8) }),
);

/** Between endpoints, and between an endpoint and somebody else. */
function queries(pods: readonly ScenarioEndpoint[]): fc.Arbitrary<ScenarioQuery[]> {
  const pod = fc.constantFrom(...pods.map(({ name, namespace }) => `${namespace}/${name}`));
  const other = fc.oneof(
    pod,
    fc.constantFrom<string>(...OUTSIDE),
    fc.constantFrom(...RESERVED).map((name) => `reserved:${name}`),
  );
  const ends = fc.oneof(fc.tuple(pod, other), fc.tuple(other, pod));
  return fc
    .array(fc.tuple(ends, target), { minLength: 12, maxLength: 24, size: "max" })
    .map((list) =>
      list.map(([[from, to], where], index) => ({ id: `q${index}`, direction: "both" as const, from, to, ...where })),
    );
}

export const policyScenario: fc.Arbitrary<Scenario> = fc
  .tuple(endpoints, policies)
  .chain(([pods, rules]) =>
    queries(pods).map((asked) => ({ id: "random", endpoints: pods, policies: rules, queries: asked })),
  );
