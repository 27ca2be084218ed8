import { describe, expect, it } from "vitest";
import { matrixDot, matrixMermaid, matrixSvg } from "./graph.ts";
import { takeInventory } from "./inventory.ts";
import { matrixOf } from "./matrix.ts";
import { matrixCsv, matrixJson, matrixText, reachText } from "./matrix-formats.ts";

const pod = (name: string, app: string, namespace = "shop", spec = "") => `---
apiVersion: v1
kind: Pod
metadata: {name: ${name}, namespace: ${namespace}, labels: {app: ${app}}}
spec: {${spec}containers: [{ports: [{containerPort: 8080}]}]}
`;
const policy = (name: string, spec: string) =>
  `---\napiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: ${name}, namespace: shop}\nspec:\n${spec.replace(/^/gm, "  ")}\n`;

const TEXT = [
  pod("web-1", "web"),
  pod("web-2", "web"),
  pod("db", "db"),
  pod("other", "web", "far"),
  policy(
    "web",
    'endpointSelector: {matchLabels: {app: web}}\ningress:\n  - fromEndpoints: [{matchLabels: {app: db}}]\n    toPorts: [{ports: [{port: "8080", protocol: TCP}], rules: {http: [{method: GET, path: /a}]}}]\n  - fromEndpoints: [{matchLabels: {app: batch}}]\n  - fromCIDR: [10.0.0.0/8]\n    toPorts: [{ports: [{port: "80", endPort: 90, protocol: TCP}]}]',
  ),
  policy(
    "db",
    'endpointSelector: {matchLabels: {app: db}}\negress:\n  - toEndpoints: [{}]\n  - toFQDNs: [{matchPattern: "*.example.com"}]\n    toPorts: [{ports: [{port: "443", protocol: TCP}]}]',
  ),
].join("");

const matrix = (text = TEXT, options = {}) => matrixOf(takeInventory([{ file: "f", text }]), options);
const lines = (...args: Parameters<typeof matrix>) =>
  matrix(...args).connections.map((each) => `${each.from.title} -> ${each.to.title}: ${reachText(each, { l7: true })}`);

describe("the matrix", () => {
  it("has a row for pods that are alike, for prefixes and names that policies tell apart, and for the world", () => {
    expect(matrix().groups.map(({ title, workloads, only }) => [title, workloads.length, only])).toEqual([
      ["shop/pod/web-1", 2, undefined],
      ["shop/pod/db", 1, undefined],
      ["far/pod/other", 1, undefined],
      ["10.0.0.0/8", 0, undefined],
      ["fqdn:*.example.com", 0, "destination"],
      ["world", 0, undefined],
    ]);
  });

  it("has what each may send to each, with ports and requests", () => {
    expect(lines()).toEqual(
      expect.arrayContaining([
        "shop/pod/db -> shop/pod/web-1: TCP 8080 (ingress: GET /a)",
        "10.0.0.0/8 -> shop/pod/web-1: TCP 80-90",
        "shop/pod/db -> fqdn:*.example.com: TCP 443",
        "world -> far/pod/other: all ports",
        "far/pod/other -> shop/pod/db: all ports",
      ]),
    );
    expect(lines().filter((line) => /(web-1|world|other) -> .*web|db -> world/.test(line))).toEqual([]);
  });

  it("asks with exposure for pods that nobody described", () => {
    const exposed = lines(TEXT, { exposure: true });
    expect(exposed).toContain("shop/any pod with app=batch -> shop/pod/web-1: all ports");
    expect(exposed.filter((line) => line.startsWith("far/any other pod -> "))).toContain(
      "far/any other pod -> shop/pod/db: all ports",
    );
    expect(exposed.some((line) => line.startsWith("shop/any other pod -> shop/pod/web-1"))).toBe(false);
  });

  it("says the same of an inventory that was asked otherwise before", () => {
    const inventory = takeInventory([{ file: "f", text: TEXT }]);
    const count = (options = {}) => matrixOf(inventory, options).groups.length;
    const fresh = (options = {}) => matrix(TEXT, options).groups.length;
    expect(fresh()).not.toBe(fresh({ exposure: true }));
    for (const options of [{}, { exposure: true }, { exposure: true }, {}]) expect(count(options)).toBe(fresh(options));
  });

  it("says where it hangs on a label of a namespace that nobody declares", () => {
    const text = `${pod("a", "a")}${pod("b", "b", "far")}---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: net, namespace: shop}\nspec: {podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {x: one}}}]}]}\n`;
    expect(lines(text)).toContain(
      "far/pod/b -> shop/pod/a: unknown: missing is the labels of namespace far: policies look at x, and no Namespace object says it",
    );
    expect(lines(text)).toContain("shop/pod/a -> far/pod/b: all ports");
  });

  it("takes pods on the host's network for the node", () => {
    const { groups } = matrix(TEXT + pod("agent", "agent", "shop", "hostNetwork: true, "));
    expect(groups.find(({ title }) => title === "node")?.workloads).toEqual(["shop/pod/agent"]);
    expect(groups.some(({ title }) => title === "shop/pod/agent")).toBe(false);
  });
});

describe("its formats", () => {
  const some = matrix();
  const evil = { ...some, groups: some.groups.map((group) => ({ ...group })) };
  const [first] = evil.groups;
  Object.assign(first!, { title: '=shop/"<x>&' });
  const named = {
    groups: evil.groups,
    connections: [{ from: first!, to: evil.groups[1]!, reach: [] as never[], missing: 'a "b"' }],
  };

  it("are a list where a table would be too wide, in which those who may do the same share a line", () => {
    const clients = Array.from({ length: 32 }, (_, index) =>
      pod(`c${index}`, `c${index}`, index < 30 ? "many" : "few"),
    );
    const closed = [...clients.keys()].map(
      (index) =>
        `${policy(`c${index}`, `endpointSelector: {matchLabels: {app: c${index}}}\ningress: [{}]\negress:\n  - toEntities: [cluster]\n    toPorts: [{ports: [{port: "8${index === 31 ? 1 : 0}", protocol: TCP}]}]`).replace("namespace: shop", `namespace: ${index < 30 ? "many" : "few"}`)}`,
    );
    const db = policy(
      "db",
      "endpointSelector: {matchLabels: {app: db}}\ningress:\n  - fromEndpoints: [{matchExpressions: [{key: io.kubernetes.pod.namespace, operator: Exists}]}]\negress: [{}]",
    );
    const text = matrixText(matrix([...clients, pod("db", "db"), ...closed, db].join("")), { l7: false });
    expect(text).toBe("all of many, few/pod/c30 -> shop/pod/db: TCP 80\nfew/pod/c31 -> shop/pod/db: TCP 81\n");
  });

  it("are a table with a list below, CSV and JSON", () => {
    expect(matrixText(some, { l7: false })).toMatch(/ 2 shop\/pod\/db +7 +- +\. /);
    expect(matrixText(some, { l7: false })).toContain("shop/pod/db -> shop/pod/web-1: TCP 8080 (by request)\n");
    expect(matrixText(some, { l7: false })).toContain("shop/pod/web-1 stands for 2: shop/pod/web-1, shop/pod/web-2");
    expect(matrixCsv(some, { l7: true })).toContain('"10.0.0.0/8","shop/pod/web-1","allowed","TCP","80","90",""\r\n');
    const { connections } = JSON.parse(matrixJson(some)) as { connections: { from: string; verdict: string }[] };
    expect(connections).toHaveLength(some.connections.length);
  });

  it("quote what has a meaning in them", () => {
    expect(matrixCsv(named, { l7: false })).toContain('"\'=shop/""<x>&","shop/pod/db","unknown"');
    expect(matrixDot(named, { l7: false })).toContain('label="unknown: missing is a \\"b\\""');
    expect(matrixMermaid(named, { l7: false })).toContain("#34;b#34;");
    expect(matrixSvg(named, { l7: false })).toContain("=shop/&#34;&#60;x&#62;&#38;");
    expect(matrixSvg(named, { l7: false })).not.toContain("<x>");
  });

  it("draw every group once and every connection", () => {
    const dot = matrixDot(some, { l7: false });
    expect(dot.match(/ -> /g)).toHaveLength(some.connections.length);
    expect(dot.match(/^ +n\d+ \[label/gm)).toHaveLength(some.groups.length);
    expect(matrixSvg(some, { l7: false }).match(/<rect/g)).toHaveLength(some.groups.length);
    expect(matrixMermaid(some, { l7: false }).match(/-->/g)).toHaveLength(some.connections.length);
  });
});
