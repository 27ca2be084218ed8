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
  return { codes: result.findings.map(({ code }) => code), text: result.texts[0]?.text ?? policy };
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
