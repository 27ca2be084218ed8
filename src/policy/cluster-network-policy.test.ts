import { describe, expect, it } from "vitest";
import { parsePolicy } from "./parse.ts";

function policy(spec: object, more: object = {}): unknown {
  return {
    apiVersion: "policy.networking.k8s.io/v1alpha2",
    kind: "ClusterNetworkPolicy",
    metadata: { name: "p", uid: "u" },
    spec: { tier: "Admin", priority: 10, subject: { namespaces: {} }, ...spec },
    ...more,
  };
}

function ruleOf(object: unknown, options = {}) {
  const result = parsePolicy(object, options);
  if (!result.ok) throw new Error(JSON.stringify(result.errors));
  return result.rules[0]!;
}

const CLUSTER = { source: "k8s", key: "io.cilium.k8s.policy.cluster", operator: "In", values: ["default"] };
const PODS = { source: "k8s", key: "io.kubernetes.pod.namespace", operator: "Exists", values: [] };
const everywhere = { namespaces: {} };
const to = (peer: object, more: object = {}) => policy({ egress: [{ action: "Accept", to: [peer], ...more }] });

describe("tiers and order", () => {
  it("counts priorities in the order of the rules, each direction for itself", () => {
    const ingress = ["Accept", "Deny", "Pass"].map((action) => ({
      action,
      from: [everywhere, { pods: { podSelector: {} } }],
    }));
    const egress = [{ action: "Pass", to: [everywhere] }];
    const { elements, defaultDeny } = ruleOf(policy({ tier: "Baseline", ingress, egress }));
    expect(elements.map(({ verdict, tier, priority, path }) => [verdict, tier, priority, path])).toEqual([
      ["allow", 250, 10, "spec.ingress[0].from[0]"],
      ["allow", 250, 10, "spec.ingress[0].from[1]"],
      ["deny", 250, 10.01, "spec.ingress[1].from[0]"],
      ["deny", 250, 10.01, "spec.ingress[1].from[1]"],
      ["pass", 250, 10.02, "spec.ingress[2].from[0]"],
      ["pass", 250, 10.02, "spec.ingress[2].from[1]"],
      ["pass", 250, 10, "spec.egress[0].to[0]"],
    ]);
    expect(defaultDeny).toEqual({ ingress: false, egress: false });
  });

  it("takes a policy without rules", () => {
    expect(ruleOf(policy({})).elements).toEqual([]);
  });
});

describe("peers and subjects", () => {
  const app = { source: "k8s", key: "app", operator: "In", values: ["a"] };
  const team = { source: "k8s", key: "io.cilium.k8s.namespace.labels.team", operator: "In", values: ["x"] };
  const pods = {
    pods: { namespaceSelector: { matchLabels: { team: "x" } }, podSelector: { matchLabels: { app: "a" } } },
  };
  const peers = (peer: object, options = {}) => ruleOf(to(peer), options).elements[0]!.peers;

  it.each<[string, object, object[]]>([
    ["namespaces, in every cluster", everywhere, [PODS]],
    ["pods, in this cluster", pods, [team, app, CLUSTER]],
    ["pods of any namespace", { pods: { podSelector: {} } }, [CLUSTER, PODS]],
  ])("%s", (_, peer, requirements) => {
    expect(peers(peer)).toMatchObject([{ requirements }]);
  });

  it("reads networks and, where nodes carry labels, nodes", () => {
    expect(peers({ networks: ["10.0.0.0/8", "fd00::/8"] }).map((peer) => peer.kind === "cidr" && peer.text)).toEqual([
      "cidr:10.0.0.0/8",
      "cidr:fd00::/8",
    ]);
    const zone = { source: "node", key: "zone", operator: "In", values: ["a"] };
    const nodes = peers({ nodes: { matchLabels: { zone: "a" } } }, { nodeSelectorLabels: true });
    expect(nodes).toMatchObject(
      ["host", "remote-node"].map((key) => ({
        requirements: [zone, CLUSTER, { source: "reserved", key, operator: "Exists" }],
      })),
    );
  });

  it("asks for names at the name servers before it allows them", () => {
    const protocols = [{ tcp: { destinationPort: { number: 443 } } }];
    const { elements } = ruleOf(to({ domainNames: ["*.a.b", "c.d"] }, { protocols }));
    const names = [{ matchPattern: "**.a.b" }, { matchName: "c.d" }];
    expect(elements).toMatchObject([
      {
        path: "spec.egress[0].to[0].domainNames",
        peers: [{ requirements: [{ source: "any", key: "k8s-app", values: ["kube-dns"] }] }],
        ports: [{ dns: names }],
      },
      { path: "spec.egress[0].to[0]", peers: names, ports: [{ ports: [{ protocol: 6, port: 443, endPort: 443 }] }] },
    ]);
    expect(new Set(elements[0]!.ports![0]!.ports.map(({ name }) => name))).toEqual(new Set(["dns", "dns-tcp"]));
  });

  it("has subjects in every cluster and no namespace of its own", () => {
    expect(ruleOf(policy({ subject: pods })).subject.requirements).toMatchObject([team, app]);
    expect(ruleOf(policy({})).subject.requirements).toEqual([PODS]);
  });
});

describe("ports", () => {
  const ports = (protocol: object) => ruleOf(to(everywhere, { protocols: [protocol] })).elements[0]!.ports![0]!.ports;
  it.each<[object, object[]]>([
    [{ udp: { destinationPort: { number: 53 } } }, [{ protocol: 17, port: 53, endPort: 53 }]],
    [{ sctp: { destinationPort: { range: { start: 1, end: 9 } } } }, [{ protocol: 132, port: 1, endPort: 9 }]],
    [{ destinationNamedPort: "dns" }, [6, 17, 132].map((protocol) => ({ protocol, name: "dns", port: 0, endPort: 0 }))],
  ])("%j", (protocol, expected) => {
    expect(ports(protocol)).toEqual(expected);
  });
});

describe("what is refused in a ClusterNetworkPolicy", () => {
  const protocol = (written: object) => to(everywhere, { protocols: [written] });
  it.each<[string, unknown]>([
    ["spec", policy({}, { spec: null })],
    ["spec.tier", policy({ tier: "Normal" })],
    ["spec.tier", policy({ tier: null })],
    ["spec.priority", policy({ priority: 1001 })],
    ["spec.priority", policy({ priority: null })],
    ["spec.subject", policy({ subject: {} })],
    ["spec.subject", policy({ subject: { namespaces: {}, pods: { podSelector: {} } } })],
    ["spec.subject.pods.podSelector", policy({ subject: { pods: {} } })],
    ["spec.ingress", policy({ ingress: Array.from({ length: 26 }, () => ({ action: "Deny", from: [everywhere] })) })],
    ["spec.ingress[0].action", policy({ ingress: [{ action: "Allow", from: [everywhere] }] })],
    ["spec.ingress[0].from", policy({ ingress: [{ action: "Deny" }] })],
    ["spec.ingress[0].from", policy({ ingress: [{ action: "Deny", from: [] }] })],
    ["spec.ingress[0].from[0]", policy({ ingress: [{ action: "Deny", from: [{}] }] })],
    ["spec.ingress[0].from[0].networks", policy({ ingress: [{ action: "Deny", from: [{ networks: ["::/0"] }] }] })],
    ["spec.egress[0].name", to(everywhere, { name: "x".repeat(101) })],
    ["spec.egress[0].to[0].nodes", to({ nodes: {} })],
    ["spec.egress[0].to[0].networks", to({ networks: [] })],
    ["spec.egress[0].to[0].networks[0]", to({ networks: ["10.0.0.1"] })],
    ["spec.egress[0].to[0].domainNames[0]", to({ domainNames: ["a.*.b"] })],
    ["spec.egress[0].to[0].domainNames[0]", to({ domainNames: [5] })],
    ["spec.egress[0].to[0].domainNames[0]", to({ domainNames: [`${"a.".repeat(128)}b`] })],
    ["spec.egress[0].to", policy({ egress: [{ action: "Deny", to: [{ domainNames: ["a.b"] }] }] })],
    ["spec.egress[0].protocols", to({ networks: ["::/0"] }, { protocols: [{ destinationNamedPort: "a" }] })],
    ["spec.egress[0].protocols", to(everywhere, { protocols: [] })],
    ["spec.egress[0].protocols[0]", protocol({})],
    ["spec.egress[0].protocols[0].tcp.destinationPort", protocol({ tcp: {} })],
    ["spec.egress[0].protocols[0].tcp.destinationPort", protocol({ tcp: { destinationPort: {} } })],
    [
      "spec.egress[0].protocols[0].tcp.destinationPort.range",
      protocol({ tcp: { destinationPort: { range: { start: 9, end: 9 } } } }),
    ],
    ["spec.egress[0].protocols[0].destinationNamedPort", protocol({ destinationNamedPort: "80" })],
    ["metadata.namespace", policy({}, { metadata: { name: "p", namespace: "ns" } })],
  ])("%s", (field, object) => {
    const result = parsePolicy(object);
    expect(result.ok ? [] : result.errors.map((error) => error.field)).toContain(field);
  });
});
