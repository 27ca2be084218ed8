import { describe, expect, it } from "vitest";
import { parseCiliumNetworkPolicy } from "./parse.ts";

function policy(spec: unknown, more: Record<string, unknown> = {}): unknown {
  return {
    apiVersion: "cilium.io/v2",
    kind: "CiliumNetworkPolicy",
    metadata: { name: "p", namespace: "ns", uid: "u" },
    spec,
    ...more,
  };
}

function rulesOf(object: unknown) {
  const result = parseCiliumNetworkPolicy(object);
  if (!result.ok) throw new Error(JSON.stringify(result.errors));
  return result.rules;
}

function fieldsOf(object: unknown): string[] {
  const result = parseCiliumNetworkPolicy(object);
  return result.ok ? [] : result.errors.map(({ field }) => field);
}

const subject = { endpointSelector: {} };

describe("what is refused, by the field's name", () => {
  const ingress = (element: unknown) => policy({ ...subject, ingress: [element] });
  const egress = (element: unknown) => policy({ ...subject, egress: [element] });
  const onPort = (more: unknown, port: unknown = { port: "80", protocol: "TCP" }) =>
    ingress({ toPorts: [{ ports: [port], ...(more as object) }] });

  it.each([
    ["spec.egress[0].toFQDNs", egress({ toFQDNs: [{ matchName: "a" }] })],
    ["spec.egress[0].toServices", egress({ toServices: [{}] })],
    ["spec.egress[0].toGroups", egress({ toGroups: [{}] })],
    ["spec.ingress[0].fromGroups", ingress({ fromGroups: [] })],
    ["spec.ingress[0].fromNodes", ingress({ fromNodes: [{}] })],
    ["spec.ingress[0].authentication", ingress({ authentication: { mode: "required" } })],
    ["spec.ingress[0].toPorts[0].listener", onPort({ listener: {} })],
    ["spec.ingress[0].toPorts[0].terminatingTLS", onPort({ terminatingTLS: {} })],
    ["spec.ingress[0].toPorts[0].originatingTLS", onPort({ originatingTLS: {} })],
    ["spec.ingress[0].toPorts[0].serverNames", onPort({ serverNames: ["a"] })],
    ["spec.ingress[0].toPorts[0].rules.dns", onPort({ rules: { dns: [{}] } })],
    ["spec.ingress[0].toPorts[0].rules.kafka", onPort({ rules: { kafka: [] } })],
    ["spec.ingress[0].toPorts[0].rules.http[0].headerMatches", onPort({ rules: { http: [{ headerMatches: [] }] } })],
    ["spec.ingress[0].toPorts[0].rules.http[0].path", onPort({ rules: { http: [{ path: "(" }] } })],
    ["spec.ingress[0].toPorts[0].rules.http[0].method", onPort({ rules: { http: [{ method: "(?=a)" }] } })],
    ["spec.ingress[0].toPorts[0].ports", onPort({ rules: { http: [{}] } }, { port: "80" })],
    ["spec.ingress[0].toPorts[0].ports", onPort({ rules: { http: [{}] } }, { port: "0", protocol: "TCP" })],
    ["spec.ingress[0].toPorts[0].ports[0].port", onPort({}, { port: 80 })],
    ["spec.ingress[0].toPorts[0].ports[0].port", onPort({}, {})],
    ["spec.ingress[0].toPorts[0].ports[0].port", onPort({}, { port: "65536" })],
    ["spec.ingress[0].toPorts[0].ports[0].port", onPort({}, { port: "080" })],
    ["spec.ingress[0].toPorts[0].ports[0].port", onPort({}, { port: "way-too-long-name" })],
    ["spec.ingress[0].toPorts[0].ports[0].protocol", onPort({}, { port: "1", protocol: "ICMP" })],
    ["spec.ingress[0].toPorts[0].ports[0].endPort", onPort({}, { port: "1", endPort: 70000 })],
    [
      "spec.ingress[0].toPorts[0].ports",
      ingress({ toPorts: [{ ports: Array.from({ length: 41 }, () => ({ port: "1" })) }] }),
    ],
    ["spec.ingress[0].icmps", ingress({ toPorts: [{ ports: [{ port: "1" }] }], icmps: [{ fields: [{ type: 8 }] }] })],
    ["spec.ingress[0].icmps[0].fields[0].type", ingress({ icmps: [{ fields: [{ type: "PacketTooBig" }] }] })],
    ["spec.ingress[0].icmps[0].fields[0].type", ingress({ icmps: [{ fields: [{}] }] })],
    ["spec.ingress[0].icmps[0].fields[0].family", ingress({ icmps: [{ fields: [{ family: "ipv4", type: 8 }] }] })],
    ["spec.ingress[0]", ingress({ fromEndpoints: [{}], fromEntities: ["world"] })],
    ["spec.ingress[0].fromEntities[0]", ingress({ fromEntities: ["aliens"] })],
    ["spec.ingress[0].fromEntities[0]", ingress({ fromEntities: ["toString"] })],
    ["spec.ingress[0].fromCIDR[0]", ingress({ fromCIDR: ["10.0.0.0/99"] })],
    ["spec.ingress[0].fromCIDRSet[0].cidr", ingress({ fromCIDRSet: [{ cidr: "10.0.0.1" }] })],
    ["spec.ingress[0].fromCIDRSet[0].cidr", ingress({ fromCIDRSet: [{}] })],
    ["spec.ingress[0].fromCIDRSet[0].cidrGroupRef", ingress({ fromCIDRSet: [{ cidrGroupRef: "g" }] })],
    [
      "spec.ingress[0].fromCIDRSet[0].except",
      ingress({ fromCIDRSet: [{ cidr: "10.0.0.0/8", except: ["11.0.0.0/16"] }] }),
    ],
    ["spec.ingress[0].fromRequires", ingress({ fromRequires: [{}] })],
    ["spec.ingress[0].toEndpoints", ingress({ toEndpoints: [{}] })],
    ["spec.ingressDeny[0].toPorts[0].rules", policy({ ...subject, ingressDeny: [{ toPorts: [{ rules: {} }] }] })],
    ["spec.egressDeny[0].toFQDNs", policy({ ...subject, egressDeny: [{ toFQDNs: [] }] })],
    ["spec.nodeSelector", policy({ nodeSelector: {}, ingress: [{}] })],
    ["spec.log", policy({ ...subject, ingress: [{}], log: { value: "x" } })],
    ["spec.surprise", policy({ ...subject, ingress: [{}], surprise: 1 })],
    ["spec.endpointSelector", policy({ ingress: [{}] })],
    [
      "spec.endpointSelector.matchExpressions[0].operator",
      policy({ endpointSelector: { matchExpressions: [{ key: "a", operator: "in", values: ["b"] }] }, ingress: [{}] }),
    ],
    [
      "spec.endpointSelector.matchExpressions[0].values",
      policy({ endpointSelector: { matchExpressions: [{ key: "a", operator: "In" }] }, ingress: [{}] }),
    ],
    [
      'spec.endpointSelector.matchLabels["a b"]',
      policy({ endpointSelector: { matchLabels: { "a b": "c" } }, ingress: [{}] }),
    ],
    ["spec", policy({ ...subject })],
    ["spec", policy({ ...subject, ingress: [], egress: null })],
    ["spec", policy(undefined)],
    [
      "specs[1].ingress[0].fromEntities[0]",
      policy(undefined, {
        specs: [
          { ...subject, ingress: [{}] },
          { ...subject, ingress: [{ fromEntities: ["x"] }] },
        ],
      }),
    ],
    ["kind", policy({ ...subject, ingress: [{}] }, { kind: "NetworkPolicy" })],
    ["apiVersion", policy({ ...subject, ingress: [{}] }, { apiVersion: "cilium.io/v1" })],
    ["metadata.name", policy({ ...subject, ingress: [{}] }, { metadata: {} })],
    ["data", policy({ ...subject, ingress: [{}] }, { data: 1 })],
  ])("%s", (field, object) => {
    expect(fieldsOf(object)).toContain(field);
  });

  it("names every mistake of an object at once, with a mend", () => {
    const result = parseCiliumNetworkPolicy(onPort({ listener: {} }, { port: 80, protocol: "ICMP" }));
    expect(result.ok).toBe(false);
    if (result.ok) return;
    expect(result.errors).toHaveLength(3);
    expect(result.errors.every(({ mend }) => mend !== undefined)).toBe(true);
  });
});

describe("what is accepted", () => {
  it("keeps the four sections with their paths", () => {
    const [rule] = rulesOf(
      policy({ ...subject, egressDeny: [{}], ingress: [{}, {}], ingressDeny: [{}], egress: [{}] }),
    );
    expect(rule!.elements.map(({ direction, deny, path }) => [direction, deny, path])).toEqual([
      ["egress", true, "spec.egressDeny[0]"],
      ["ingress", false, "spec.ingress[0]"],
      ["ingress", false, "spec.ingress[1]"],
      ["ingress", true, "spec.ingressDeny[0]"],
      ["egress", false, "spec.egress[0]"],
    ]);
  });

  it("turns default deny on for the directions it has, unless told otherwise", () => {
    expect(rulesOf(policy({ ...subject, ingress: [{}] }))[0]!.defaultDeny).toEqual({ ingress: true, egress: false });
    const told = { ...subject, ingress: [{}], enableDefaultDeny: { ingress: false, egress: true } };
    expect(rulesOf(policy(told))[0]!.defaultDeny).toEqual({ ingress: false, egress: true });
  });

  it("takes an empty requirement list, null fields and a status", () => {
    const spec = { ...subject, ingress: [{ fromRequires: [], fromEndpoints: null }], egress: null };
    expect(rulesOf(policy(spec, { status: { conditions: [] } }))).toHaveLength(1);
  });

  it("expands a missing protocol and reads names without regard to case", () => {
    const [rule] = rulesOf(
      policy({
        ...subject,
        ingress: [{ toPorts: [{ ports: [{ port: "HTTP" }, { port: "80", endPort: 90, protocol: "udp" }] }] }],
      }),
    );
    expect(rule!.elements[0]!.ports![0]!.ports).toEqual([
      { protocol: 6, name: "http", port: 0, endPort: 0 },
      { protocol: 17, name: "http", port: 0, endPort: 0 },
      { protocol: 132, name: "http", port: 0, endPort: 0 },
      { protocol: 17, port: 80, endPort: 90 },
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
