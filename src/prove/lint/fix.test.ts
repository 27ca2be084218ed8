import { expect, test } from "vitest";
import { takeInventory } from "../inventory.ts";
import type { ManifestText } from "../manifest.ts";
import { fix } from "./fix.ts";

const pod = (name: string) => `---
apiVersion: v1
kind: Pod
metadata: {name: ${name}, namespace: shop, labels: {app: ${name}}}
spec: {containers: [{name: main}]}
`;
const WORKLOADS = pod("web") + pod("db");
const take = (texts: readonly ManifestText[]) => takeInventory(texts);

function fixed(policy: string): { codes: string[]; text: string } {
  const texts = [
    { file: "workloads.yaml", text: WORKLOADS },
    { file: "policy.yaml", text: policy },
  ];
  const result = fix(texts, take);
  expect(result.texts.every(({ file }) => file === "policy.yaml")).toBe(true);
  return { codes: result.mended.map(({ finding }) => finding.code), text: result.texts[0]?.text ?? policy };
}

const HEAD = `apiVersion: cilium.io/v2   # as it is
kind: CiliumNetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: "db"}}
  ingress:
`;
const PLAIN = `    # the web server
    - fromEndpoints:
        - matchLabels: {app: web}
      toPorts:
        - ports: [{port: "5432", protocol: TCP}]
`;
const NARROW = `    # the web server, on its port

    # more of it
    - fromEndpoints: [ {matchLabels: {app: web}} ]   # a remark
      toPorts:
        - ports: [{port: "5432", protocol: TCP}]
`;

test("a rule that another one covers for everybody is taken out with its comment, and the rest stays as it is written", () => {
  expect(fixed(HEAD + PLAIN + NARROW)).toEqual({
    codes: ["SG004"],
    text: `${HEAD}${PLAIN}    # the web server, on its port

`,
  });
  expect(fixed(HEAD + NARROW + PLAIN)).toEqual({ codes: ["SG004"], text: HEAD + NARROW });
});

test("one that pods could miss which nobody described stays", () => {
  const some = `    - fromEndpoints: [{matchExpressions: [{key: app, operator: In, values: [web, api]}]}]\n`;
  const few = `    - fromEndpoints: [{matchExpressions: [{key: app, operator: In, values: [web, job]}]}]\n`;
  expect(fixed(HEAD + some + few)).toEqual({ codes: [], text: HEAD + some + few });
});

test("a rule that can never match goes", () => {
  const never = "{key: app, operator: In, values: [a]}, {key: app, operator: NotIn, values: [a]}";
  const rule = `    - fromEndpoints: [{matchExpressions: [${never}]}]\n`;
  expect(fixed(HEAD + rule + PLAIN)).toEqual({ codes: ["SG003"], text: HEAD + PLAIN });
});

test("the only rule stays, for it closes the rest, and so does what stands in a list on one line", () => {
  const twice = HEAD.replace("name: db", "name: again") + NARROW;
  const result = fixed(`${HEAD}${NARROW}---\n${twice}`);
  expect(result).toEqual({ codes: [], text: `${HEAD}${NARROW}---\n${twice}` });
});

test("a comment that suppresses nothing goes, alone or behind something", () => {
  const policy = HEAD + NARROW.replace("# a remark", "# shieldgate:ignore SG010 it was wide once");
  const alone = policy.replace("  ingress:\n", "  ingress:\n  # shieldgate:ignore SG013 no database any more\n");
  expect(fixed(alone)).toEqual({ codes: ["SG021", "SG021"], text: HEAD + NARROW.replace("   # a remark", "") });
});

const ONE = HEAD + PLAIN;

test("fields without effect and empty lists that count as absent go, where nobody may do more or less without them", () => {
  const idle = ONE.replace("- fromEndpoints:", "- toPorts: []   # nothing yet\n      fromEndpoints:").replace(
    / +toPorts:\n.*\n$/,
    "",
  );
  expect(fixed(idle)).toEqual({ codes: ["SG006"], text: ONE.replace(/ +toPorts:\n.*\n$/, "") });
  const nobody = ONE.replace("      toPorts:", "      fromCIDR: []\n      toPorts:");
  const result = fix(
    [
      { file: "w.yaml", text: WORKLOADS },
      { file: "p.yaml", text: nobody },
    ],
    take,
  );
  expect(result.mended).toEqual([]);
});

test("the pods' port takes the place of a service's, and what changes by it is told", () => {
  const service = `---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {selector: {app: db}, ports: [{port: 80, targetPort: 5432}]}
`;
  const workloads = WORKLOADS.replaceAll("{name: main}", "{name: main, ports: [{containerPort: 5432}]}");
  const policy = ONE.replace('"5432"', '"80"');
  const texts = [
    { file: "w.yaml", text: workloads + service },
    { file: "p.yaml", text: policy },
  ];
  const result = fix(texts, take);
  expect(result.texts).toEqual([{ file: "p.yaml", text: ONE }]);
  expect(result.mended.map(({ finding, changes }) => [finding.code, changes])).toEqual([
    ["SG011", ["+ shop/pod/web -> shop/pod/db: TCP 5432", "- shop/pod/web -> shop/pod/db: TCP 80"]],
  ]);
  const twice = policy.replace(
    '{port: "80", protocol: TCP}',
    '{port: "80", protocol: TCP}, {port: "80", protocol: UDP}',
  );
  const left = fix([texts[0]!, { file: "p.yaml", text: twice }], take);
  expect(left.mended).toEqual([]);
  expect(left.left.map(({ finding, why }) => [finding.code, why])).toEqual([
    ["SG011", "it is written in a way that is not changed here"],
  ]);
});

const NAMES = `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: web}}
  egress:
    # the partner
    - toFQDNs: [{matchName: api.example.com}]   # by name
      toPorts: [{ports: [{port: "443"}]}]
`;

test("names that nobody learns get a rule for DNS, which opens that and nothing else", () => {
  const texts = [
    { file: "w.yaml", text: WORKLOADS },
    { file: "p.yaml", text: NAMES },
  ];
  const result = fix(texts, take);
  expect(result.mended.map(({ finding }) => finding.code)).toEqual(["SG007"]);
  expect(result.mended[0]!.changes.length).toBeGreaterThan(0);
  expect(result.mended[0]!.changes).toEqual([
    "+ shop/pod/web -> kube-system/any pod with k8s-app=kube-dns: TCP 53 (egress: every request), UDP 53 (egress: every request)",
  ]);
  const [head, rule] = NAMES.split("    # the partner");
  expect(result.texts[0]!.text).toBe(`${head}    - toEndpoints:
        - matchLabels:
            k8s:io.kubernetes.pod.namespace: kube-system
            k8s-app: kube-dns
      toPorts:
        - ports: [{port: "53", protocol: UDP}, {port: "53", protocol: TCP}]
          rules: {dns: [{matchPattern: "*"}]}
    # the partner${rule}`);
  expect(take([texts[0]!, ...result.texts]).problems).toEqual([]);
});

test("what is not mended is told with the reason", () => {
  const never = "{key: app, operator: In, values: [a]}, {key: app, operator: NotIn, values: [a]}";
  const only = `${HEAD}    - fromEndpoints: [{matchExpressions: [${never}]}]\n`;
  const { mended, left } = fix(
    [
      { file: "w.yaml", text: WORKLOADS },
      { file: "p.yaml", text: only },
    ],
    take,
  );
  expect(mended).toEqual([]);
  expect(left.map(({ finding }) => finding.code)).toContain("SG003");
});
