import { describe, expect, it } from "vitest";
import { parsePolicy } from "./parse.ts";

function policy(spec: unknown, metadata: object = {}): unknown {
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: "p", namespace: "ns", uid: "u", ...metadata },
    spec,
  };
}

function ruleOf(object: unknown, options = {}) {
  const result = parsePolicy(object, options);
  if (!result.ok) throw new Error(JSON.stringify(result.errors));
  expect(result.rules).toHaveLength(1);
  return result.rules[0]!;
}

const CLUSTER = { source: "k8s", key: "io.cilium.k8s.policy.cluster", operator: "In", values: ["default"] };
const NAMESPACE = { source: "k8s", key: "io.kubernetes.pod.namespace", operator: "In", values: ["ns"] };
const ANY_NAMESPACE = { ...NAMESPACE, operator: "Exists", values: [] };

describe("which sections a NetworkPolicy has", () => {
  const elements = (spec: object) =>
    ruleOf(policy({ podSelector: {}, ...spec })).elements.map(
      ({ direction, peers, path }) => `${direction} ${peers.length} ${path}`,
    );
  it.each<[string, object, string[]]>([
    ["nothing: ingress is denied", {}, ["ingress 0 spec"]],
    ["empty lists", { ingress: [], egress: [], policyTypes: [] }, ["ingress 0 spec"]],
    ["both types", { policyTypes: ["Ingress", "Egress"] }, ["ingress 0 spec", "egress 0 spec"]],
    ["egress alone", { policyTypes: ["Egress"] }, ["egress 0 spec"]],
    ["a rule for everybody", { ingress: [{}] }, ["ingress 1 spec.ingress[0]"]],
    ["an empty list of peers", { ingress: [{ from: [] }] }, ["ingress 1 spec.ingress[0]"]],
    ["egress rules without types", { egress: [{}] }, ["ingress 0 spec", "egress 1 spec.egress[0]"]],
    [
      "rules that the types do not name",
      { policyTypes: ["Ingress"], egress: [{}] },
      ["ingress 0 spec", "egress 1 spec.egress[0]"],
    ],
    [
      "several peers",
      { ingress: [{}, { from: [{ podSelector: {} }, { namespaceSelector: {} }] }] },
      ["ingress 1 spec.ingress[0]", "ingress 1 spec.ingress[1].from[0]", "ingress 1 spec.ingress[1].from[1]"],
    ],
  ])("%s", (_, spec, expected) => {
    expect(elements(spec)).toEqual(expected);
  });
});

describe("whom a NetworkPolicy selects", () => {
  const peer = (from: object, options = {}) =>
    ruleOf(policy({ podSelector: {}, ingress: [{ from: [from] }] }), options).elements[0]!.peers[0];
  const app = { source: "k8s", key: "app", operator: "In", values: ["a"] };
  const team = { source: "k8s", key: "io.cilium.k8s.namespace.labels.team", operator: "In", values: ["x"] };
  const pods = { podSelector: { matchLabels: { app: "a" } } };
  const namespaces = { namespaceSelector: { matchLabels: { team: "x" } } };

  it.each<[string, object, object[]]>([
    ["pods of its own namespace", pods, [app, CLUSTER, NAMESPACE]],
    ["pods of other namespaces", { ...pods, ...namespaces }, [team, app, CLUSTER]],
    ["namespaces", namespaces, [team, CLUSTER]],
    ["every namespace", { namespaceSelector: {} }, [CLUSTER, ANY_NAMESPACE]],
    [
      "a namespace written as a label",
      { podSelector: { matchLabels: { [NAMESPACE.key]: "b" } } },
      [NAMESPACE, CLUSTER],
    ],
  ])("%s", (_, from, requirements) => {
    expect(peer(from)).toMatchObject({ requirements });
  });

  it("leaves the cluster out when pods name one, or when every cluster counts", () => {
    const matchExpressions = [{ key: CLUSTER.key, operator: "Exists" }];
    expect(peer({ podSelector: { matchExpressions } })).toMatchObject({
      requirements: [NAMESPACE, { ...CLUSTER, operator: "Exists", values: [] }],
    });
    expect(peer(pods, { localClusterOnly: false })).toMatchObject({ requirements: [app, NAMESPACE] });
  });

  it("reads blocks of addresses with exceptions", () => {
    expect(peer({ ipBlock: { cidr: "10.0.0.0/8", except: ["10.1.0.0/16"] } })).toMatchObject({
      kind: "cidr",
      text: "cidr:10.0.0.0/8-10.1.0.0/16",
    });
  });

  it("has its subjects in its own namespace and default deny on where it has rules", () => {
    const rule = ruleOf(policy({ podSelector: { matchLabels: { app: "a" } }, ingress: [{}] }));
    expect(rule).toMatchObject({
      subject: { requirements: [app, NAMESPACE] },
      isNode: false,
      defaultDeny: { ingress: true, egress: false },
    });
  });

  it("takes its name for the labels from the annotation", () => {
    const annotations = { "policy.cilium.io/name": "other" };
    const { labels } = ruleOf(policy({ podSelector: {} }, { annotations }));
    expect(labels).toContain("k8s:io.cilium.k8s.policy.name=other");
    expect(labels).toContain("k8s:io.cilium.k8s.policy.derived-from=NetworkPolicy");
  });

  it.each<[string, unknown]>([
    ["p", undefined],
    ["p", { "policy.cilium.io/name": "" }],
    ["old", { "policy.cilium.io/name": "", "io.cilium.name": "old" }],
  ])("takes the name %s for the labels from annotations %j", (want, annotations) => {
    const { labels } = ruleOf(policy({ podSelector: {} }, { annotations }));
    expect(labels).toContain(`k8s:io.cilium.k8s.policy.name=${want}`);
  });
});

describe("ports of a NetworkPolicy", () => {
  const ports = (written: object) =>
    ruleOf(policy({ podSelector: {}, ingress: [{ ports: [written] }] })).elements[0]!.ports;
  it.each<[object, object]>([
    [{}, { protocol: 6, port: 0, endPort: 0 }],
    [{ protocol: "UDP" }, { protocol: 17, port: 0, endPort: 0 }],
    [{ port: 80 }, { protocol: 6, port: 80, endPort: 80 }],
    [
      { port: 80, endPort: 90, protocol: "SCTP" },
      { protocol: 132, port: 80, endPort: 90 },
    ],
    [{ port: "http" }, { protocol: 6, name: "http", port: 0, endPort: 0 }],
  ])("%j", (written, spec) => {
    expect(ports(written)).toEqual([{ ports: [spec] }]);
  });
});

describe("what is refused in a NetworkPolicy", () => {
  const from = (peer: unknown) => policy({ podSelector: {}, ingress: [{ from: [peer] }] });
  const port = (written: unknown) => policy({ podSelector: {}, ingress: [{ ports: [written] }] });
  it.each<[string, unknown]>([
    ["spec", policy(undefined)],
    ["spec.endpointSelector", policy({ podSelector: {}, endpointSelector: {} })],
    ["spec.policyTypes[0]", policy({ podSelector: {}, policyTypes: ["ingress"] })],
    ['spec.podSelector.matchLabels["k8s:app"]', policy({ podSelector: { matchLabels: { "k8s:app": "a" } } })],
    ["spec.ingress[0].from[0]", from({})],
    ["spec.ingress[0].from[0].ipBlock", from({ ipBlock: { cidr: "10.0.0.0/8" }, podSelector: {} })],
    ["spec.ingress[0].from[0].ipBlock.cidr", from({ ipBlock: { cidr: "10.0.0.1" } })],
    ["spec.ingress[0].from[0].ipBlock.cidr", from({ ipBlock: {} })],
    ["spec.ingress[0].from[0].ipBlock.except[0]", from({ ipBlock: { cidr: "10.0.0.0/8", except: ["10.0.0.0/8"] } })],
    ["spec.ingress[0].from[0].ipBlock.except[0]", from({ ipBlock: { cidr: "10.0.0.0/8", except: ["0.0.0.0/0"] } })],
    ["spec.ingress[0].from[0].ipBlock.except[0]", from({ ipBlock: { cidr: "10.0.0.0/8", except: ["10.0.0.1"] } })],
    ["spec.ingress[0].ports[0].port", port({ port: "80" })],
    ["spec.ingress[0].ports[0].port", port({ port: 0 })],
    ["spec.ingress[0].ports[0].port", port({ port: "HTTP" })],
    ["spec.ingress[0].ports[0].protocol", port({ protocol: "ANY" })],
    ["spec.ingress[0].ports[0].endPort", port({ endPort: 80 })],
    ["spec.ingress[0].ports[0].endPort", port({ port: "http", endPort: 80 })],
    ["spec.ingress[0].ports[0].endPort", port({ port: 80, endPort: 79 })],
    ["spec.ingress[0].to", policy({ podSelector: {}, ingress: [{ to: [] }] })],
  ])("%s", (field, object) => {
    const result = parsePolicy(object);
    expect(result.ok ? [] : result.errors.map((error) => error.field)).toContain(field);
  });
});

it("prints a NetworkPolicy as Cilium's own rule", () => {
  const spec = {
    podSelector: { matchLabels: { app: "a" } },
    policyTypes: ["Ingress", "Egress"],
    ingress: [{ from: [{ podSelector: {} }, { ipBlock: { cidr: "10.0.0.0/8" } }], ports: [{ port: 80 }] }, {}],
  };
  const toPorts = [{ ports: [{ port: "80", protocol: "TCP" }] }];
  expect(ruleOf(policy(spec)).api).toMatchObject({
    endpointSelector: { matchLabels: { "k8s:app": "a", "k8s:io.kubernetes.pod.namespace": "ns" } },
    ingress: [
      { fromEndpoints: [{ matchLabels: { "k8s:io.kubernetes.pod.namespace": "ns" } }], toPorts },
      { fromCIDRSet: [{ cidr: "10.0.0.0/8" }], toPorts },
      { fromEntities: ["all"] },
    ],
    egress: [{}],
    enableDefaultDeny: { ingress: true, egress: true },
  });
});
