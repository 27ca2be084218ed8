import { describe, expect, it } from "vitest";
import { CLUSTERWIDE, policy } from "../../test/support/cilium-policy.ts";
import { parsePolicy } from "./parse.ts";

function rulesOf(object: unknown) {
  const result = parsePolicy(object);
  if (!result.ok) throw new Error(JSON.stringify(result.errors));
  return result.rules;
}

const subject = { endpointSelector: {} };
const ingress = (element: unknown) => policy({ ...subject, ingress: [element] });
const egress = (element: unknown) => policy({ ...subject, egress: [element] });
const host = (rule: object) => policy({ nodeSelector: {}, ...rule }, CLUSTERWIDE);
const TCP_80 = { port: "80", protocol: "TCP" };
const onPort = (more: unknown, port: unknown = TCP_80) =>
  ingress({ toPorts: [{ ports: [port], ...(more as object) }] });
const toPort = (more: unknown, port: unknown = TCP_80) => egress({ toPorts: [{ ports: [port], ...(more as object) }] });

describe("which peers an element has", () => {
  const kinds = (element: object, more: object = {}) =>
    rulesOf(policy({ ...subject, egress: [{ ...element, ...more }] }))[0]!.elements[0]!.peers.map(({ kind }) => kind);
  const ports = { toPorts: [{ ports: [TCP_80] }] };

  it.each<[string, object, string[], string[]]>([
    ["nothing", {}, [], ["labels"]],
    ["an empty list", { toEndpoints: [] }, [], []],
    ["an empty list of nodes", { toNodes: [] }, [], []],
    ["an empty list beside a full one", { toEndpoints: [], toEntities: ["all"] }, [], []],
    ["null", { toEndpoints: null }, [], ["labels"]],
    ["empty toFQDNs, as if absent", { toFQDNs: [] }, [], ["labels"]],
    ["empty toServices, as if absent", { toServices: [] }, [], ["labels"]],
    ["the empty selector", { toEndpoints: [{}] }, ["labels"], ["labels"]],
    ["world", { toEntities: ["world"] }, ["labels", "labels", "labels"], ["labels", "labels", "labels"]],
    ["a service", { toServices: [{ k8sService: { serviceName: "a" } }] }, ["service"], ["service"]],
    ["a name", { toFQDNs: [{ matchName: "a" }] }, ["fqdn"], ["fqdn"]],
    ["a group", { toCIDRSet: [{ cidrGroupRef: "g" }] }, ["cidrGroup"], ["cidrGroup"]],
  ])("%s", (_, element, without, withPorts) => {
    expect(kinds(element)).toEqual(without);
    expect(kinds(element, ports)).toEqual(withPorts);
  });

  it("takes toPorts without elements as no toPorts", () => {
    const [rule] = rulesOf(ingress({ toPorts: [] }));
    expect(rule!.elements[0]).not.toHaveProperty("ports");
    expect(rule!.elements[0]!.peers).toEqual([]);
  });

  it("selects nodes, when they carry labels, as remote nodes of this cluster", () => {
    const element = { fromNodes: [{ matchLabels: { "node:zone": "a" } }] };
    const parsed = parsePolicy(ingress(element), { nodeSelectorLabels: true });
    expect(parsed.ok && parsed.rules[0]!.elements[0]!.peers).toMatchObject([
      {
        requirements: [
          { source: "node", key: "zone", values: ["a"] },
          { source: "k8s", key: "io.cilium.k8s.policy.cluster", values: ["default"] },
          { source: "reserved", key: "remote-node", operator: "Exists" },
        ],
      },
    ]);
  });

  it("reads services by name and by their labels, whatever the source of a key", () => {
    const byLabels = { selector: { matchLabels: { "any:app": "b" } }, namespace: "x" };
    const element = { toServices: [{ k8sService: { serviceName: "a" } }, { k8sServiceSelector: byLabels }] };
    expect(rulesOf(egress(element))[0]!.elements[0]!.peers).toMatchObject([
      { kind: "service", name: "a", namespace: "" },
      { kind: "service", selector: { requirements: [{ source: "k8s", key: "app", values: ["b"] }] }, namespace: "x" },
    ]);
  });

  it("reads groups by name and by labels, with exceptions", () => {
    const element = {
      toCIDRSet: [{ cidrGroupRef: "g", except: ["10.0.0.1"] }, { cidrGroupSelector: { matchLabels: { team: "a" } } }],
    };
    expect(rulesOf(egress(element))[0]!.elements[0]!.peers).toMatchObject([
      {
        requirements: [{ source: "cidrgroup", key: "io.cilium.policy.cidrgroupname/g", operator: "Exists" }],
        except: [{ length: 32 }],
      },
      { requirements: [{ source: "cidrgroup", key: "team", values: ["a"] }], except: [] },
    ]);
  });
});

describe("ports", () => {
  const specs = (port: object) => rulesOf(onPort({}, port))[0]!.elements[0]!.ports![0]!.ports;

  it.each<[string, object, object[]]>([
    ["every port", { port: "0", protocol: "TCP" }, [{ protocol: 6, port: 0, endPort: 0 }]],
    ["octal", { port: "010", protocol: "TCP" }, [{ protocol: 6, port: 8, endPort: 8 }]],
    ["parted digits", { port: "1_000", protocol: "UDP" }, [{ protocol: 17, port: 1000, endPort: 1000 }]],
    [
      "a name that looks like a number",
      { port: "0x50", protocol: "TCP" },
      [{ protocol: 6, name: "0x50", port: 0, endPort: 0 }],
    ],
    ["a range", { port: "80", endPort: 90, protocol: "sctp" }, [{ protocol: 132, port: 80, endPort: 90 }]],
    [
      "a range that ends before it begins",
      { port: "80", endPort: 70, protocol: "TCP" },
      [{ protocol: 6, port: 80, endPort: 80 }],
    ],
    [
      "a name with a range",
      { port: "Http", endPort: 90, protocol: "TCP" },
      [{ protocol: 6, name: "http", port: 0, endPort: 90 }],
    ],
    ["a protocol without ports", { port: "0", protocol: "vrrp" }, [{ protocol: 112, port: 0, endPort: 0 }]],
  ])("%s", (_, port, expected) => {
    expect(specs(port)).toEqual(expected);
  });

  it("expands a missing protocol to those that have ports", () => {
    expect(specs({ port: "80" }).map(({ protocol }) => protocol)).toEqual([6, 17, 132]);
    expect(specs({ port: "80", protocol: "any" })).toHaveLength(3);
  });

  it("puts ICMP types in the place of ports", () => {
    const fields = [{ type: "EchoRequest" }, { family: "IPv6", type: "128" }];
    expect(rulesOf(ingress({ icmps: [{ fields }] }))[0]!.elements[0]!.ports).toEqual([
      {
        ports: [
          { protocol: 1, port: 8, endPort: 8 },
          { protocol: 58, port: 128, endPort: 128 },
        ],
      },
    ]);
  });
});

describe("what is asked of the proxy", () => {
  const portRule = (more: object, port: object = TCP_80) => rulesOf(toPort(more, port))[0]!.elements[0]!.ports![0]!;

  it("keeps HTTP rules, with secrets in the policy's namespace unless told otherwise", () => {
    const headerMatches = [
      { name: "a", value: "b", mismatch: "ADD" },
      { name: "c", secret: { name: "s" } },
      { name: "d", secret: { name: "s", namespace: "other" }, value: "", mismatch: "" },
    ];
    const http = [{ method: "GET", path: "/a", host: "h", headers: ["X"], headerMatches }, { path: "" }];
    expect(portRule({ rules: { http } }).http).toEqual([
      {
        method: "GET",
        path: "/a",
        host: "h",
        headers: ["X"],
        headerMatches: [
          { name: "a", value: "b", mismatch: "ADD" },
          { name: "c", secret: "ns/s" },
          { name: "d", secret: "other/s" },
        ],
      },
      {},
    ]);
  });

  it("leaves lists without rules out", () => {
    expect(portRule({ rules: { http: [] }, serverNames: [] })).toEqual({
      ports: [{ protocol: 6, port: 80, endPort: 80 }],
    });
  });

  it("keeps DNS rules with both fields, and names of servers in lower case", () => {
    expect(portRule({ rules: { dns: [{ matchName: "a", matchPattern: "*.B" }] } }).dns).toEqual([
      { matchName: "a", matchPattern: "*.B" },
    ]);
    expect(portRule({ serverNames: ["A.b", "**.C"] }).serverNames).toEqual(["a.b", "**.c"]);
  });

  it("reads TLS contexts and listeners", () => {
    const secret = { name: "s" };
    const tls = {
      terminatingTLS: { secret, certificate: "c" },
      originatingTLS: { secret: { ...secret, namespace: "n" } },
    };
    expect(portRule(tls)).toMatchObject({
      terminatingTLS: { secret: { namespace: "ns", name: "s" }, trustedCA: "", certificate: "c", privateKey: "" },
      originatingTLS: { secret: { namespace: "n", name: "s" } },
    });
    const listener = (envoyConfig: object, name = "l") =>
      portRule({ listener: { envoyConfig, name, priority: 5 } }).listener;
    expect(listener({ name: "c" })).toEqual({ name: "ns/c/l", priority: 5 });
    expect(listener({ name: "c" }, "ns/x/l")).toEqual({ name: "ns/x/l", priority: 5 });
    expect(listener({ name: "c", kind: "CiliumClusterwideEnvoyConfig" })!.name).toBe("/c/l");
  });
});

describe("what a rule says", () => {
  it("keeps the four sections with their paths", () => {
    const [rule] = rulesOf(
      policy({ ...subject, egressDeny: [{}], ingress: [{}, {}], ingressDeny: [{}], egress: [{}] }),
    );
    expect(rule!.elements.map(({ direction, verdict, path }) => [direction, verdict, path])).toEqual([
      ["egress", "deny", "spec.egressDeny[0]"],
      ["ingress", "allow", "spec.ingress[0]"],
      ["ingress", "allow", "spec.ingress[1]"],
      ["ingress", "deny", "spec.ingressDeny[0]"],
      ["egress", "allow", "spec.egress[0]"],
    ]);
    expect(rule!.elements.every(({ tier, priority }) => tier === 200 && priority === 0)).toBe(true);
  });

  it("turns default deny on for the directions it has, unless told otherwise", () => {
    expect(rulesOf(ingress({}))[0]!.defaultDeny).toEqual({ ingress: true, egress: false });
    const told = { ...subject, ingress: [{}], enableDefaultDeny: { ingress: false, egress: true } };
    expect(rulesOf(policy(told))[0]!.defaultDeny).toEqual({ ingress: false, egress: true });
  });

  it("takes an empty requirement list, null fields and a status", () => {
    const spec = { ...subject, ingress: [{ fromRequires: [], fromEndpoints: null }], egress: null };
    expect(rulesOf(policy(spec, { status: { conditions: [] } }))).toHaveLength(1);
  });

  it("keeps log, authentication, labels and nodes as subjects", () => {
    const spec = {
      ingress: [{ fromEntities: ["all"], authentication: { mode: "required" } }],
      labels: [{ key: "mine", value: "1" }],
      log: { value: "why" },
    };
    const [rule] = rulesOf(host({ nodeSelector: { matchLabels: { zone: "a" } }, ...spec }));
    expect(rule).toMatchObject({
      isNode: true,
      log: "why",
      subject: { requirements: [{ source: "any", key: "zone" }] },
    });
    expect(rule!.elements[0]!.auth).toBe("required");
    expect(rule!.labels).toContain("unspec:mine=1");
    expect(rule!.api).toHaveProperty("nodeSelector");
  });

  it("reads spec and specs together", () => {
    const rule = { ...subject, ingress: [{}] };
    expect(rulesOf(policy(rule, { specs: [rule, rule] })).map(({ elements }) => elements[0]!.path)).toEqual([
      "spec.ingress[0]",
      "specs[0].ingress[0]",
      "specs[1].ingress[0]",
    ]);
  });

  it("prints the rule as Cilium does", () => {
    const spec = {
      description: "d",
      endpointSelector: { matchLabels: { role: "x", "k8s:io.kubernetes.pod.namespace": "other" } },
      labels: [{ key: "mine", value: "1" }],
      egress: [
        {
          toEndpoints: [{ matchExpressions: [{ key: "a", operator: "Exists" }] }],
          toPorts: [{ ports: [{ port: "53", protocol: "udp" }] }],
        },
        { toEndpoints: [{ matchLabels: { "reserved:host": "" } }] },
        {
          toEndpoints: [
            { matchLabels: { "io.cilium.k8s.namespace.labels.team": "b", "io.cilium.k8s.policy.cluster": "c" } },
          ],
        },
        { toCIDRSet: [{ cidrGroupSelector: { matchLabels: { a: "b" } } }] },
      ],
    };
    expect(rulesOf(policy(spec))[0]!.api).toEqual({
      endpointSelector: { matchLabels: { "any:role": "x", "k8s:io.kubernetes.pod.namespace": "ns" } },
      egress: [
        {
          toEndpoints: [
            {
              matchLabels: { "k8s:io.cilium.k8s.policy.cluster": "default", "k8s:io.kubernetes.pod.namespace": "ns" },
              matchExpressions: [{ key: "any:a", operator: "Exists" }],
            },
          ],
          toPorts: [{ ports: [{ port: "53", protocol: "UDP" }] }],
        },
        { toEndpoints: [{ matchLabels: { "reserved:host": "" } }] },
        {
          toEndpoints: [
            {
              matchLabels: { "any:io.cilium.k8s.namespace.labels.team": "b", "any:io.cilium.k8s.policy.cluster": "c" },
            },
          ],
        },
        { toCIDRSet: [{ cidrGroupSelector: { matchLabels: { "cidrgroup:a": "b" } } }] },
      ],
      labels: [
        { key: "io.cilium.k8s.policy.derived-from", value: "CiliumNetworkPolicy", source: "k8s" },
        { key: "io.cilium.k8s.policy.name", value: "p", source: "k8s" },
        { key: "io.cilium.k8s.policy.namespace", value: "ns", source: "k8s" },
        { key: "io.cilium.k8s.policy.uid", value: "u", source: "k8s" },
        { key: "mine", value: "1", source: "unspec" },
      ],
      enableDefaultDeny: { ingress: false, egress: true },
      description: "d",
    });
  });
});
