import { describe, expect, it } from "vitest";
import { answerQuestion, type Question } from "./answer.ts";
import { answerText } from "./explain-text.ts";
import { takeInventory } from "./inventory.ts";
import { parseTarget } from "./target.ts";

const pod = (name: string, { namespace = "default", labels = `app: ${name}`, spec = "", status = "" } = {}) => `---
apiVersion: v1
kind: Pod
metadata: {name: ${name}, namespace: ${namespace}, labels: {${labels}}}
spec: {${spec}containers: [{name: c, ports: [{containerPort: 8080, name: http}]}]}
${status}`;
const policy = (name: string, spec: string, kind = "CiliumNetworkPolicy", namespace = "default") => `---
apiVersion: ${kind.startsWith("Cilium") ? "cilium.io/v2" : "networking.k8s.io/v1"}
kind: ${kind}
metadata: {name: ${name}${kind.includes("wide") ? "" : `, namespace: ${namespace}`}}
spec:
${spec.replace(/^/gm, "  ")}
`;
const service = (name: string, spec: string) =>
  `---\napiVersion: v1\nkind: Service\nmetadata: {name: ${name}}\nspec: {${spec}}\n`;

const ask = (text: string, from: string, to: string, more: Partial<Question> = {}) =>
  answerQuestion(takeInventory([{ file: "all.yaml", text }]), { from, to, ...more });

const WEB = policy(
  "web",
  `endpointSelector: {matchLabels: {app: web}}
ingress:
  - fromEndpoints:
      - matchLabels: {app: client, tier: front}
    toPorts:
      - ports: [{port: "8080", protocol: TCP}]`,
);
const WORLD = `${pod("web")}${pod("client", { labels: "app: client, tier: front" })}${pod("other", { labels: "app: client" })}${WEB}`;

describe("a verdict", () => {
  it("names the rule with its line, the default deny, and the one label, port or path that failed", () => {
    expect(ask(WORLD, "client", "web:8080")).toMatchObject({
      verdict: "allowed",
      cases: [
        {
          ingress: {
            enforced: true,
            rules: [{ policy: "CiliumNetworkPolicy default/web", path: "spec.ingress[0]", file: "all.yaml", line: 23 }],
          },
          egress: { enforced: false },
        },
      ],
    });
    const denied = ask(WORLD, "other", "web:8080");
    expect(denied.cases[0]!.ingress).toMatchObject({
      byDefault: true,
      rules: [{ line: 23 }],
      near: [{ failed: "peer", why: expect.stringContaining("tier=front"), line: 23 }],
    });
    expect(ask(WORLD, "client", "web:81").cases[0]!.ingress!.near).toMatchObject([
      { failed: "port", why: "it is about TCP 8080; asked is TCP 81" },
    ]);
    expect(ask(WORLD, "other", "web:81").cases[0]!.ingress!.near).toEqual([]);
    expect(answerText(denied)).toContain(
      "CiliumNetworkPolicy default/web  spec.ingress[0]  all.yaml:23\n        the peer must have tier=front",
    );
  });

  it("is unknown without the request that the proxy judges, and tells what of it failed", () => {
    const text = WORLD.replace(
      "protocol: TCP}]",
      'protocol: TCP}]\n          rules: {http: [{method: GET, path: "/a/.*"}]}',
    );
    expect(ask(text, "client", "web:8080")).toMatchObject({
      verdict: "unknown",
      missing: expect.stringContaining("--http"),
    });
    const request = (path: string) => ({ facts: { http: { method: "GET", path, host: "", headers: [] } } });
    expect(ask(text, "client", "web:8080", request("/a/b")).verdict).toBe("allowed");
    expect(ask(text, "client", "web:8080", request("/b"))).toMatchObject({
      verdict: "denied",
      cases: [{ ingress: { redirected: true, near: [{ failed: "request", why: "path must match /a/.*; it is /b" }] } }],
    });
  });

  it("needs both ends", () => {
    const closed = policy("shut", "endpointSelector: {matchLabels: {app: client}}\negress:\n  - toEntities: [world]");
    expect(ask(WORLD + closed, "client", "web:8080")).toMatchObject({
      verdict: "denied",
      cases: [{ egress: { verdict: "denied" }, ingress: { verdict: "allowed" } }],
    });
  });

  it("of the ingress end is one on what the egress end's proxy sends", () => {
    const rules = (direction: string, app: string, match: string) =>
      policy(
        direction,
        `endpointSelector: {matchLabels: {app: ${app}}}\n${direction}: [{toPorts: [{ports: [{port: "8080", protocol: TCP}], rules: {http: [{headerMatches: [{name: X, value: "1"${match}}]}]}}]}]`,
      );
    const pods = pod("web") + pod("client");
    const request = { facts: { http: { method: "GET", path: "/", host: "", headers: [] } } };
    const verdict = (text: string) => ask(pods + text, "client", "web:8080", request).verdict;
    const wanted = rules("ingress", "web", "");
    expect(verdict(wanted)).toBe("denied");
    expect(verdict(wanted + rules("egress", "client", ", mismatch: ADD"))).toBe("allowed");
    expect(verdict(wanted + rules("egress", "client", ", mismatch: LOG"))).toBe("denied");
  });

  it("is unknown where rules contradict each other", () => {
    const dns = policy(
      "dns",
      'endpointSelector: {matchLabels: {app: web}}\negress:\n  - toPorts: [{ports: [{port: "53", protocol: TCP}], rules: {dns: [{matchName: a.b}]}}]\n  - toPorts: [{ports: [{port: "53", protocol: TCP}], rules: {http: [{path: /}]}}]',
    );
    expect(ask(WORLD + dns, "web", "1.2.3.4:53")).toMatchObject({
      verdict: "unknown",
      missing: expect.stringContaining("different L7 parsers"),
    });
  });
});

describe("somebody", () => {
  it("may be named in many ways", () => {
    const text =
      WORLD + service("front", "selector: {app: web}, clusterIP: 10.96.0.9, ports: [{port: 80, targetPort: http}]");
    for (const to of [
      "web:8080",
      "default/web:8080",
      "pod/web:http",
      "default/pod/web:8080/tcp",
      "k8s:app=web:8080",
      "front:80",
      "svc/front:80",
      "10.96.0.9:80",
    ])
      expect(ask(text, "client", to), to).toMatchObject({
        verdict: "allowed",
        cases: [{ to: "default/pod/web", port: 8080 }],
      });
    expect(ask(text, "k8s:app=client,tier=front", "web:8080").verdict).toBe("allowed");
    expect(ask(text, "entity:world", "web:8080").verdict).toBe("denied");
    expect(ask(text, "entity:host", "web:8080").verdict).toBe("allowed");
  });

  it("may be a service of which some pods have no port of the name that it leads to", () => {
    const hook =
      "apiVersion: v1\nkind: Pod\nmetadata: {name: web-test, labels: {app: web}}\nspec: {containers: [{name: c}]}\n";
    const text = `${WORLD}---\n${hook}${service("front", "selector: {app: web}, ports: [{port: 80, targetPort: http}]")}`;
    expect(ask(text, "client", "front:80")).toMatchObject({ verdict: "allowed", cases: [{ to: "default/pod/web" }] });
    const none = text.replaceAll("name: http", "name: other");
    expect(() => ask(none, "client", "front:80")).toThrow(/has no TCP port called http/);
  });

  it("may be a service that leads each protocol to a port of its own", () => {
    const ports =
      "ports: [{port: 53, protocol: UDP, targetPort: 5353}, {port: 53, protocol: TCP, targetPort: 8080, name: tcp}]";
    const text = WORLD + service("names", `selector: {app: web}, ${ports}`);
    const portOf = (more: Partial<Question>, to = "names:53") => {
      const [{ protocol, port }] = [ask(text, "client", to, more).cases[0]!];
      return `${protocol} ${port}`;
    };
    expect([portOf({}), portOf({ protocol: "TCP" }), portOf({ protocol: "udp" }), portOf({}, "names:53/tcp")]).toEqual([
      "UDP 5353",
      "TCP 8080",
      "UDP 5353",
      "TCP 8080",
    ]);
    expect(portOf({ port: 53, protocol: "TCP" }, "names")).toBe("TCP 8080");
  });

  it("is the pod that has the address, else the world", () => {
    const text = WORLD + pod("third", { labels: "app: client, tier: front", status: "status: {podIP: 10.1.0.5}\n" });
    expect(ask(text, "10.1.0.5", "web:8080").verdict).toBe("allowed");
    expect(ask(text, "10.1.0.6", "web:8080").verdict).toBe("denied");
  });

  it("may be a pod that nobody described", () => {
    const answer = ask(WORLD, "app=client,tier=front,x=y", "web:8080");
    expect(answer).toMatchObject({
      verdict: "allowed",
      cases: [{ notes: [expect.stringContaining("no workload has these labels")] }],
    });
  });

  it("is unknown when several are meant and differ", () => {
    expect(ask(WORLD, "app=client", "web:8080")).toMatchObject({
      verdict: "unknown",
      missing: "which of the workloads with app=client",
    });
    expect(ask(WORLD, "app=client", "web:81").verdict).toBe("denied");
  });

  it("is the node where its pods share the node's network, and which node is unknown", () => {
    const text = WORLD + pod("agent", { spec: "hostNetwork: true, " });
    expect(ask(text, "agent", "web:8080")).toMatchObject({
      verdict: "unknown",
      missing: expect.stringContaining("same node"),
    });
  });

  it.each([
    ["nobody", "web:8080", /nobody is called that/],
    ["client", "web", /which port.*8080\/tcp/],
    ["client", "web:https", /no TCP port called https/],
    ["client", "svc/front:81", /nobody is called that/],
    ["client", "entity:cluster", /many peers/],
    ["client", "a/b/c/d:1", /write NAME/],
    ["client", "cidr:1.2.3:1", /not an address/],
  ])("from %s to %s is refused", (from, to, complaint) => {
    expect(() => ask(WORLD, from, to)).toThrow(complaint);
  });

  it("keeps addresses, names and ports apart", () => {
    expect(
      ["[2001:db8::1]:443", "2001:db8::1", "10.0.0.0/8:443", "fqdn:api.github.com.:443/tcp", "k8s:a.b/c=d:80"].map(
        (text) => parseTarget(text),
      ),
    ).toMatchObject([
      { kind: "address", cidr: "2001:db8::1", asked: { port: 443 } },
      { kind: "address", cidr: "2001:db8::1" },
      { kind: "address", cidr: "10.0.0.0/8", asked: { port: 443 } },
      { kind: "fqdn", name: "api.github.com", asked: { port: 443, protocol: "TCP" } },
      { kind: "labels", labels: { "a.b/c": "d" }, asked: { port: 80 } },
    ]);
  });
});

describe("what the manifests do not say", () => {
  const byNamespace = policy(
    "ns",
    "podSelector: {matchLabels: {app: web}}\ningress:\n  - from: [{namespaceSelector: {matchLabels: {team: a}}}]",
    "NetworkPolicy",
  );
  const text = `${pod("web")}${pod("far", { namespace: "b" })}${byNamespace}`;
  const namespace = (labels: string) =>
    `---\napiVersion: v1\nkind: Namespace\nmetadata: {name: b, labels: {${labels}}}\n`;

  it("of a namespace's labels makes a verdict unknown only where it hangs on them", () => {
    expect(ask(text, "b/far", "web:8080")).toMatchObject({
      verdict: "unknown",
      missing: expect.stringMatching(/namespace b: .*team/),
    });
    expect(ask(text + namespace("team: a"), "b/far", "web:8080").verdict).toBe("allowed");
    expect(ask(text + namespace("x: y"), "b/far", "web:8080").verdict).toBe("denied");
    expect(ask(text, "entity:world", "web:8080").verdict).toBe("denied");
    expect(ask(text, "web", "b/far:8080").verdict).toBe("allowed");
  });

  it("of a name's addresses makes it unknown only where prefixes differ", () => {
    const names = policy(
      "out",
      'endpointSelector: {matchLabels: {app: web}}\negress:\n  - toFQDNs: [{matchName: api.example.com}]\n    toPorts: [{ports: [{port: "443"}]}]\n  - toCIDR: [10.0.0.0/8]\n    toPorts: [{ports: [{port: "80"}]}]',
    );
    const to = (target: string, known = {}) => ask(pod("web") + names, "web", target, { names: known }).verdict;
    expect(to("fqdn:api.example.com:443")).toBe("allowed");
    expect(to("fqdn:api.example.com:81")).toBe("denied");
    const { egress } = ask(pod("web") + names, "web", "8.8.8.8:80").cases[0]!;
    expect(egress!.near.map(({ why }) => why)).toEqual(["8.8.8.8 is not in 10.0.0.0/8"]);
    expect(to("fqdn:other.example.com:80")).toBe("unknown");
    expect(to("fqdn:other.example.com:80", { "other.example.com": ["10.2.3.4"] })).toBe("allowed");
    expect(to("fqdn:other.example.com:80", { "other.example.com": ["8.8.8.8"] })).toBe("denied");
    expect(to("10.0.0.0/7:80")).toBe("unknown");
    expect([to("10.0.0.0/9:80"), to("8.0.0.0/6:80"), to("11.0.0.0/8:80")]).toEqual(["allowed", "unknown", "denied"]);
  });
});
