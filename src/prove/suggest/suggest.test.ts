import { describe, expect, it } from "vitest";
import { type FlowLine, flow, http } from "../../../test/support/flow-lines.ts";
import { takeInventory } from "../inventory.ts";
import { Distinctions } from "../replay/distinctions.ts";
import { Recording } from "../replay/recording.ts";
import { parseTarget } from "../target.ts";
import { type SuggestOptions, suggest } from "./suggest.ts";
import { suggestionText } from "./suggest-text.ts";

const left = { traffic_direction: "EGRESS", event_type: { type: 5 } };
const dropped = { verdict: "DROPPED", is_reply: undefined, drop_reason: 133 };

function suggested(lines: readonly FlowLine[], given: Partial<SuggestOptions> & { readonly existing?: string } = {}) {
  const { existing = "", ...options } = given;
  const inventory = takeInventory([{ file: "e.yaml", text: existing }]);
  const recording = new Recording(new Distinctions([inventory], { isExact: true }));
  for (const [index, line] of lines.entries()) recording.add(flow(line), { source: "f", line: index + 1 });
  recording.finish();
  const all = {
    subjects: [],
    l7: true,
    includeDenied: false,
    isStandalone: false,
    maxPaths: 10,
    maxAddresses: 3,
    ...options,
  };
  const suggestion = suggest(recording, inventory, all);
  const objects = takeInventory([{ file: "s.yaml", text: suggestion.yaml }]).policies.map(
    ({ value }) => value as { metadata: { name: string }; spec: Record<string, unknown> },
  );
  const spec = (name: string) => objects.find(({ metadata }) => metadata.name === `suggested-${name}`)?.spec;
  return { ...suggestion, spec, text: suggestionText(suggestion) };
}

const ports = (port: string, rules?: object) => [{ ports: [{ port, protocol: "TCP" }], ...(rules && { rules }) }];
const store = { matchLabels: { app: "store" } };

describe("suggest", () => {
  it("allows both sides of what was let in, and proves it", () => {
    const { spec, unproven, wantedCount, text } = suggested([{}, { at: 5000 }]);
    expect(spec("store")).toEqual({
      endpointSelector: store,
      ingress: [{ fromEndpoints: [{ matchLabels: { app: "cart" } }], toPorts: ports("6379") }],
    });
    expect(spec("cart")).toEqual({
      endpointSelector: { matchLabels: { app: "cart" } },
      egress: [{ toEndpoints: [store], toPorts: ports("6379") }],
    });
    expect([unproven, wantedCount]).toEqual([[], 1]);
    expect(text).toMatch(/^# Proven by replay: the one distinct flow that is wanted is allowed\.\n---\n/);
    expect(text).toContain(
      "    # shop/deployment/cart -> shop/deployment/store:6379/tcp: 2 times, 2025-11-24T16:00:00Z to 2025-11-24T16:00:05Z; f:1\n",
    );
  });

  it("is for whom it is asked", () => {
    const lines = [{}, { from: "shop/web", to: "shop/cart", port: 80 }];
    const named = suggested(lines, { subjects: [parseTarget("shop/deploy/cart")] });
    expect(named.policies.map(({ name }) => name)).toEqual(["suggested-cart"]);
    expect(Object.keys(named.spec("cart")!)).toEqual(["endpointSelector", "ingress", "egress"]);
    expect(suggested(lines, { subjects: [parseTarget("app=store")] }).policies.map(({ name }) => name)).toEqual([
      "suggested-store",
    ]);
    expect(() => suggested(lines, { subjects: [parseTarget("shop/deploy/none")] })).toThrow(
      "shop/deploy/none: not in the recording; there is shop/deployment/cart",
    );
  });

  it("leaves denied what was denied, unless it is asked for", () => {
    const lines = [{}, { from: "shop/web", more: dropped }];
    const careful = suggested(lines);
    expect(careful.leftDenied).toHaveLength(1);
    expect(JSON.stringify(careful.spec("store"))).not.toContain("web");
    expect(careful.text).toContain("#   shop/deployment/web -> shop/deployment/store:6379/tcp (once)");
    expect(JSON.stringify(suggested(lines, { includeDenied: true }).spec("store"))).toContain("web");
  });

  it("does not say again what a rule allows, and does say what only the lack of rules allows", () => {
    const existing =
      "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: s, namespace: shop}, spec: {endpointSelector: {matchLabels: {app: store}}, ingress: [{fromEndpoints: [{matchLabels: {app: cart}}]}]}}";
    const lines = [{}, { from: "shop/web" }];
    const merged = suggested(lines, { existing });
    expect(merged.alreadyAllowed).toBe(1);
    expect(suggestionText(merged)).toContain(
      "# Rules that exist allow one end of them already (who sends, who receives)",
    );
    expect(merged.spec("store")?.["ingress"]).toEqual([
      { fromEndpoints: [{ matchLabels: { app: "web" } }], toPorts: ports("6379") },
    ]);
    expect(merged.spec("cart")).toBeDefined();
    expect(JSON.stringify(suggested(lines, { existing, isStandalone: true }).spec("store"))).toContain("cart");
  });

  it("says what it cannot allow: a rule denies it", () => {
    const existing =
      "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: ban, namespace: shop}, spec: {endpointSelector: {matchLabels: {app: store}}, ingressDeny: [{fromEndpoints: [{matchLabels: {app: cart}}]}]}}";
    const { unproven, text } = suggested([{}], { existing });
    expect(unproven.map(({ why }) => why)).toEqual([
      "denied at ingress by CiliumNetworkPolicy shop/ban spec.ingressDeny[0]",
    ]);
    expect(text).toMatch(/^# NOT PROVEN/);
  });

  it("lists what else of the recording is opened", () => {
    const lines = [
      { port: 80, more: http("GET", "/a/1") },
      { port: 80, more: http("GET", "/a/2") },
      { port: 80, more: { ...http("GET", "/a/zzz"), verdict: "DROPPED" } },
      { port: 80, more: http("GET", "/b/x") },
    ];
    expect(suggested(lines).alsoOpened).toEqual([]);
    const wide = suggested(lines, { maxPaths: 1 });
    expect(wide.alsoOpened.map(({ conversation }) => conversation.request?.title)).toEqual(["GET /a/zzz"]);
    expect(wide.text).toContain(
      "#   shop/deployment/cart -> shop/deployment/store:80/tcp  GET /a/zzz: CiliumNetworkPolicy shop/suggested-cart spec.egress[0], CiliumNetworkPolicy shop/suggested-store spec.ingress[0]",
    );
  });
});

describe("ports", () => {
  it("that follow one another are a range, and an element has no more than Cilium takes", () => {
    const row = [8000, 8001, 8002, 9000].map((port) => ({ port }));
    const range = [
      { port: "8000", endPort: 8002, protocol: "TCP" },
      { port: "9000", protocol: "TCP" },
    ];
    expect(suggested(row).spec("store")?.["ingress"]).toMatchObject([{ toPorts: [{ ports: range }] }]);
    const odd = suggested(Array.from({ length: 90 }, (_, i) => ({ port: 1001 + i * 2 })));
    const [rule] = (odd.spec("store")?.["ingress"] ?? []) as { toPorts: { ports: unknown[] }[] }[];
    expect(rule?.toPorts.map(({ ports: each }) => each.length)).toEqual([40, 40, 10]);
    expect(odd.unproven).toEqual([]);
  });
});

describe("requests", () => {
  it("become methods and paths, ids their kind, and never more than the limit", () => {
    const paths = Array.from({ length: 300 }, (_, id) => `/orders/${id}`);
    const lines = [...paths, "/carts/0b9e5c2e-1f9a-4b5e-9d2f-6c1d2e3f4a5b", "/files/a.b?download=1"].map((path) => ({
      port: 80,
      more: http("GET", path),
    }));
    const { spec, text, unproven } = suggested([{ port: 80, more: { verdict: "REDIRECTED" } }, ...lines]);
    const uuid = "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}";
    const rules = {
      http: [`/carts/${uuid}`, "/files/a\\.b\\?.*", "/orders/[0-9]+"].map((path) => ({ method: "GET", path })),
    };
    expect(spec("store")?.["ingress"]).toMatchObject([{ toPorts: ports("80", rules) }]);
    expect(text).toContain(
      "# wider than recorded: every path of the form GET /carts/{uuid}, GET /files/a.b?{query}, GET /orders/{number}",
    );
    expect(unproven).toEqual([]);
    // the other side saw no requests
    expect(JSON.stringify(spec("cart"))).not.toContain("http");
    expect(spec("cart")?.["egress"]).toMatchObject([{ toPorts: ports("80") }]);
    const words = Array.from({ length: 250 }, (_, id) => ({
      port: 80,
      more: http("GET", `/users/name${String.fromCharCode(97 + (id % 26))}${"x".repeat(id)}`),
    }));
    const few = suggested(words);
    expect(few.unproven).toEqual([]);
    expect(JSON.stringify(few.spec("store")).length).toBeLessThan(400);
    expect(JSON.stringify(suggested(words, { l7: false }).spec("store"))).not.toContain("http");
  });
});

describe("outside", () => {
  const dns = (name: string) => ({
    to: "kube-system/dns",
    port: 53,
    protocol: "UDP" as const,
    more: { ...http("GET", "/"), traffic_direction: "EGRESS", l7: { type: "REQUEST", dns: { query: `${name}.` } } },
  });

  it("is known by the names that were asked for, and DNS goes through the proxy", () => {
    const out = {
      to: "8.8.8.8",
      port: 443,
      more: { ...left, destination_names: ["api.example.com", "other.example.com"] },
    };
    const { spec, unproven } = suggested([dns("api.example.com"), out]);
    expect(spec("cart")?.["egress"]).toEqual([
      {
        toEndpoints: [{ matchLabels: { app: "dns", "io.kubernetes.pod.namespace": "kube-system" } }],
        toPorts: [{ ports: [{ port: "53", protocol: "UDP" }], rules: { dns: [{ matchName: "api.example.com" }] } }],
      },
      { toFQDNs: [{ matchName: "api.example.com" }], toPorts: ports("443") },
    ]);
    expect(unproven).toEqual([]);
  });

  it("without names it is addresses, and the world where they are many", () => {
    const at = (last: number) => ({ from: `9.0.0.${last}`, port: 443 });
    expect(suggested([at(1), at(2)]).spec("store")?.["ingress"]).toEqual([
      { fromCIDR: ["9.0.0.1/32", "9.0.0.2/32"], toPorts: ports("443") },
    ]);
    const many = suggested([1, 2, 3, 4].map(at));
    expect(many.spec("store")?.["ingress"]).toEqual([{ fromEntities: ["world"], toPorts: ports("443") }]);
    expect(many.text).toContain("# wider than recorded: 4 addresses were recorded");
  });

  it("nodes are entities, and ICMP is a rule of its own", () => {
    const ping = { from: "reserved:remote-node", more: { l4: { ICMPv4: { type: 8 } } } };
    const { spec, unproven } = suggested([{ from: "reserved:remote-node", port: 80 }, ping, { from: "reserved:host" }]);
    expect(spec("store")?.["ingress"]).toEqual([
      { fromEntities: ["remote-node"], toPorts: ports("80") },
      { fromEntities: ["remote-node"], icmps: [{ fields: [{ family: "IPv4", type: 8 }] }] },
    ]);
    expect(unproven).toEqual([]);
  });
});

describe("labels", () => {
  const withLabels = (...labels: string[]) => ({
    more: {
      destination: {
        workloads: [{ name: "db", kind: "StatefulSet" }],
        labels: [
          ...labels,
          "k8s:io.kubernetes.pod.namespace=shop",
          "k8s:io.cilium.k8s.policy.serviceaccount=db",
          "k8s:io.cilium.k8s.policy.cluster=default",
        ],
      },
    },
  });
  const selector = (...labels: string[]) =>
    suggested([withLabels(...labels)]).policies.find(({ subject }) => subject.title === "shop/statefulset/db")
      ?.matchLabels;

  it("are those that say what a workload is, and outlast a roll-out", () => {
    expect(
      selector("k8s:app=db", "k8s:tier=x", "k8s:statefulset.kubernetes.io/pod-name=db-0", "k8s:pod-template-hash=abc"),
    ).toEqual({ app: "db" });
    expect(selector("k8s:tier=x", "k8s:team=a", "k8s:controller-revision-hash=1")).toEqual({ tier: "x", team: "a" });
    expect(selector("k8s:pod-template-hash=abc")).toEqual({ "io.cilium.k8s.policy.serviceaccount": "db" });
  });

  it("are all that last where those are not enough to tell it from others", () => {
    const twin = { from: "shop/db", to: "shop/cart", port: 1 };
    const both = suggested([withLabels("k8s:app=db", "k8s:role=main"), twin]);
    expect(both.policies.find(({ subject }) => subject.title === "shop/statefulset/db")?.matchLabels).toEqual({
      app: "db",
      role: "main",
    });
  });
});
