import { describe, expect, it } from "vitest";
import { inJudgingOrder } from "./http-header.ts";
import type { HttpRule } from "./l7-rule.ts";
import { parsePolicy } from "./parse.ts";
import { readPolicyText } from "./policy-text.ts";

const all = { fromEntities: ["all"] };

/** Errors, or else warnings, of a policy with a second element. */
function said(direction: "ingress" | "egress", element: object): string[] {
  const result = parsePolicy({
    apiVersion: "cilium.io/v2",
    kind: "CiliumNetworkPolicy",
    metadata: { name: "p", namespace: "ns" },
    spec: { endpointSelector: {}, [direction]: [direction === "ingress" ? all : { toEntities: ["all"] }, element] },
  });
  const found = result.ok ? result.warnings : result.errors;
  return found.map(({ field, message }) => `${field.replace(`spec.${direction}[1].`, "")}: ${message}`);
}

const onPort = (port: object, more: object = {}) => ({ toPorts: [{ ports: [port], ...more }] });
const tcp = { port: "443", protocol: "TCP" };
const cidr = (set: object) => ({ fromCIDRSet: [set] });
const group = (length: number) => cidr({ cidrGroupRef: "a".repeat(length) });

describe("what is said of an element", () => {
  it.each<[string, readonly string[], object]>([
    [
      "a name where there are no ports",
      ["port: this protocol has no ports: it matches nothing"],
      { port: "web", protocol: "GRE" },
    ],
    ["a number where there are no ports", ["port: this protocol has no ports"], { port: "1", protocol: "GRE" }],
    ["port 0 where there are no ports", [], { port: "0", protocol: "GRE" }],
    ["a name where there are ports", [], { port: "web", protocol: "TCP" }],
  ])("%s", (_what, want, port) => {
    expect(said("ingress", onPort(port))).toEqual(want.map((text) => `toPorts[0].ports[0].${text}`));
  });

  it("an empty list of server names, not null and not a full one", () => {
    const names = (serverNames: unknown) => said("ingress", onPort(tcp, { serverNames }));
    expect(names([])).toEqual(["toPorts[0].serverNames: an empty list counts as absent"]);
    expect([names(null), names(["a.b"])]).toEqual([[], []]);
    expect(names("a.b")).toHaveLength(1);
    expect(names("a.b")[0]).not.toContain("empty");
  });

  it("an empty list of ports to go to", () => {
    expect(said("ingress", { toPorts: [] })).toEqual([
      expect.stringMatching(/^toPorts: an empty list counts as absent/),
    ]);
  });

  it("the name of a group: at most 253 characters", () => {
    expect(said("ingress", group(253))).toEqual([]);
    expect(said("ingress", group(254))).toEqual([expect.stringContaining("not the name of a CiliumCIDRGroup")]);
    const empty = said("ingress", cidr({ cidrGroupRef: "", cidr: "10.0.0.0/8" }));
    expect(empty).toEqual(["fromCIDRSet[0].cidrGroupRef: empty, which counts as absent"]);
  });

  it("a prefix that is empty counts as absent, a group by labels with or without their source", () => {
    expect(said("ingress", cidr({ cidr: "", cidrGroupRef: "g" }))).toEqual([
      "fromCIDRSet[0].cidr: empty, which counts as absent",
    ]);
    expect(said("ingress", cidr({ cidrGroupSelector: { matchLabels: { "cidrgroup:env": "a" } } }))).toEqual([]);
    expect(said("ingress", cidr({ cidrGroupSelector: {} }))).toHaveLength(1);
  });

  it("the prefix of a label key: at most 253 characters", () => {
    const key = (length: number) =>
      said("ingress", { fromEndpoints: [{ matchLabels: { [`${"a".repeat(length)}/b`]: "" } }] }).length;
    expect([key(253), key(254)]).toEqual([0, 1]);
  });

  it("a mistake once, not again for what it leaves open", () => {
    const icmp = (field: object) => said("ingress", { icmps: [{ fields: [field] }] }).length;
    expect([icmp({}), icmp({ type: 8, family: "IPv5" }), icmp({ type: 8, family: "" })]).toEqual([1, 1, 0]);
    const fqdn = said("egress", { toFQDNs: [{ matchName: "a.io", matchPattern: "" }] });
    expect(fqdn).toEqual([expect.stringMatching(/^toFQDNs: no rule of this policy has `rules.dns`/)]);
  });

  it("the kind of a configuration that is empty counts as absent", () => {
    const listener = { envoyConfig: { kind: "", name: "c" }, name: "l" };
    expect(said("egress", onPort(tcp, { listener }))).toEqual([]);
  });

  it("a subject in the policy's own namespace, which says nothing new, and in another", () => {
    const subject = (namespace: string) => {
      const endpointSelector = { matchLabels: { "k8s:io.kubernetes.pod.namespace": namespace } };
      const object = {
        apiVersion: "cilium.io/v2",
        kind: "CiliumNetworkPolicy",
        metadata: { name: "p", namespace: "ns" },
      };
      const result = parsePolicy({ ...object, spec: { endpointSelector, ingress: [all] } });
      return result.ok ? result.warnings.length : -1;
    };
    expect([subject("ns"), subject("other")]).toEqual([0, 1]);
  });

  it("what to do instead of groups and of protocols of ICMP", () => {
    const mend = (element: object) => {
      const result = parsePolicy({
        ...{ apiVersion: "cilium.io/v2", kind: "CiliumNetworkPolicy", metadata: { name: "p" } },
        spec: { endpointSelector: {}, ingress: [element] },
      });
      return result.ok ? [] : result.errors.map((error) => error.mend);
    };
    expect(mend({ fromGroups: [{}] })).toEqual(["write the addresses into fromCIDRSet"]);
    expect(mend(onPort({ port: "1", protocol: "ICMPv6" }))).toEqual(["use `icmps`"]);
  });

  it("a method in small letters, all of them", () => {
    const method = (text: string) => said("ingress", onPort(tcp, { rules: { http: [{ method: text }] } })).length;
    expect(["get", "GET", "Get", "get|put", "g.t", "gET"].map(method)).toEqual([1, 0, 0, 0, 0, 0]);
  });

  it("a secret that is missing or cannot be read", () => {
    const tls = (context: unknown) => said("ingress", onPort(tcp, { terminatingTLS: context }));
    expect(tls({ secret: { name: "s", namespace: "ns" } })).toEqual([]);
    expect(tls({ trustedCA: "x" })).toEqual([expect.stringContaining("toPorts[0].terminatingTLS.secret")]);
    for (const secret of [null, {}, "s"]) expect(tls({ secret }).length).toBeGreaterThan(0);
  });

  it("a name to look up that is no object", () => {
    expect(said("egress", { toFQDNs: ["a.b"] })).toEqual([expect.stringMatching(/^toFQDNs\[0\]: /)]);
  });
});

it.each([
  [{ port: "0", endPort: 9 }, 0, 0],
  [{ port: "8", endPort: 9 }, 8, 9],
  [{ port: "8", endPort: 7 }, 8, 8],
  [{ port: "8" }, 8, 8],
])("the ports of %j are %i to %i", (port, first, last) => {
  const result = parsePolicy({
    apiVersion: "cilium.io/v2",
    kind: "CiliumNetworkPolicy",
    metadata: { name: "p", namespace: "ns" },
    spec: { endpointSelector: {}, ingress: [{ toPorts: [{ ports: [{ ...port, protocol: "TCP" }] }] }] },
  });
  const parsed = result.ok ? result.rules[0]?.elements[0]?.ports?.[0]?.ports[0] : undefined;
  expect(parsed).toMatchObject({ port: first, endPort: last });
});

describe("peers of a ClusterNetworkPolicy", () => {
  const both = {
    matchExpressions: [
      { key: "a", operator: "Exists" },
      { key: "a", operator: "DoesNotExist" },
    ],
  };
  const saidOf = (subject: unknown, from: readonly unknown[] = [{ namespaces: {} }]) => {
    const result = parsePolicy({
      apiVersion: "policy.networking.k8s.io/v1alpha2",
      kind: "ClusterNetworkPolicy",
      metadata: { name: "p" },
      spec: { tier: "Admin", priority: 1, subject, ingress: [{ action: "Accept", from }] },
    });
    return (result.ok ? result.warnings : result.errors).map(({ field }) => field);
  };

  const peers = (...from: readonly unknown[]) => saidOf({ namespaces: {} }, from);

  it("draw a warning where their conditions exclude each other, and an error where they are no object", () => {
    expect(peers({ namespaces: {} })).toEqual([]);
    expect(peers({ namespaces: both })).toEqual(["spec.ingress[0].from[0].namespaces"]);
    expect(peers(1)).toEqual(["spec.ingress[0].from[0]"]);
  });

  it("and subjects alike", () => {
    expect(saidOf({ namespaces: {} })).toEqual([]);
    expect(saidOf({ namespaces: both })).toEqual([expect.stringMatching(/^spec\.subject/)]);
    expect(saidOf(1)).toEqual(["spec.subject"]);
    expect(saidOf({})).toEqual(["spec.subject"]);
  });
});

describe("rules for requests", () => {
  it.each<[string, readonly HttpRule[], readonly number[]]>([
    ["fewer conditions first", [{ method: "GET", path: "/" }, { host: "a" }, {}], [2, 1, 0]],
    [
      "then by the names of headers",
      [{ path: "/" }, { method: "GET" }, { host: "a" }, { headers: ["X"] }],
      [2, 1, 0, 3],
    ],
    ["a value before presence", [{ headers: ["X"] }, { headers: ["X: 1"] }], [1, 0]],
    [
      "by the second name where the first is equal",
      [
        { method: "GET", headers: ["B"] },
        { method: "PUT", headers: ["A"] },
      ],
      [1, 0],
    ],
    ["equal ones as they were written", [{ method: "GET" }, { method: "PUT" }], [0, 1]],
    [
      "a demand with an action or a secret is no condition",
      [
        { path: "/" },
        { headerMatches: [{ name: "A", value: "1", mismatch: "LOG" }] },
        { headerMatches: [{ name: "A" }] },
      ],
      [1, 0, 2],
    ],
  ])("are judged in Cilium's order: %s", (_what, rules, want) => {
    expect(inJudgingOrder(rules)).toEqual(want);
  });
});

it("a text as long as the limit is read", () => {
  const text = '{"kind": "x"}';
  expect(readPolicyText(text, { length: text.length }).ok).toBe(true);
  expect(readPolicyText(text, { length: text.length - 1 }).ok).toBe(false);
});
