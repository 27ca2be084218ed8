import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { takeInventory } from "../inventory.ts";
import { CODES, type Finding } from "./finding.ts";
import { countsOf, lintGithub, lintJson, lintSarif, lintText } from "./formats.ts";
import { lint } from "./lint.ts";

const PODS = `apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {team: a}}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{ports: [{containerPort: 8080, name: http}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: shop, labels: {app: db}}
spec: {containers: [{ports: [{containerPort: 5432}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: agent, namespace: shop, labels: {app: agent}}
spec: {hostNetwork: true, containers: [{}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
`;

function policy(spec: string, { name = "p", head = "" } = {}): string {
  return `---\napiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: ${name}, namespace: shop${head}}\nspec:\n${spec.replace(/^/gm, "  ")}\n`;
}

const findings = (...texts: readonly string[]): readonly Finding[] =>
  lint(takeInventory([{ file: "pods.yaml", text: PODS }, ...texts.map((text) => ({ file: "p.yaml", text }))])).findings;
const of = (code: string, ...texts: readonly string[]) => findings(texts.join("")).filter((each) => each.code === code);

const WEB = "endpointSelector: {matchLabels: {app: web}}\n";
const DB = "endpointSelector: {matchLabels: {app: db}}\n";
const FROM_DB = "ingress:\n  - fromEndpoints: [{matchLabels: {app: db}}]";
const PORT = (port: string) => `    toPorts: [{ports: [{port: "${port}", protocol: TCP}]}]`;
const DNS =
  'egress:\n  - toEndpoints: [{matchLabels: {"k8s:io.kubernetes.pod.namespace": kube-system, k8s-app: kube-dns}}]\n    toPorts: [{ports: [{port: "53", protocol: ANY}], rules: {dns: [{matchPattern: "*"}]}}]\n';

/** Code, a text that has it with its line, and a twin that has not. */
const CASES: readonly [code: string, line: number, bad: string, good: string][] = [
  ["SG001", 5, policy("endpointSelector: {matchLabels: {app: wbe}}\ningress: [{}]"), policy(`${WEB}ingress: [{}]`)],
  ["SG002", 8, policy(`${WEB}ingress:\n  - fromEndpoints: [{matchLabels: {app: bd}}]`), policy(WEB + FROM_DB)],
  [
    "SG003",
    8,
    policy(
      `${WEB}ingress:\n  - fromEndpoints: [{matchLabels: {app: db}, matchExpressions: [{key: app, operator: DoesNotExist}]}]`,
    ),
    policy(WEB + FROM_DB),
  ],
  ["SG004", 8, policy(`${WEB}${FROM_DB}\n  - fromEndpoints: [{}]`), policy(WEB + FROM_DB)],
  [
    "SG005",
    8,
    policy(`${WEB}egressDeny:\n  - toEntities: [world]`),
    policy(`${WEB}egressDeny:\n  - toEntities: [world]\nenableDefaultDeny: {egress: false}`),
  ],
  ["SG006", 8, policy(`${WEB}ingress:\n  - fromEndpoints: []`), policy(`${WEB}ingress: [{}]`)],
  [
    "SG007",
    8,
    policy(`${WEB}egress:\n  - toFQDNs: [{matchName: a.example}]`),
    policy(`${WEB}${DNS}  - toFQDNs: [{matchName: a.example}]`),
  ],
  ["SG008", 8, policy(`${WEB}egress:\n  - toEntities: [world]`), policy(WEB + DNS)],
  [
    "SG009",
    8,
    policy(`${WEB}ingress:\n  - fromEndpoints: [{matchLabels: {pod-template-hash: x}}]`),
    policy(WEB + FROM_DB),
  ],
  [
    "SG010",
    8,
    policy(`${WEB}ingress:\n  - fromCIDR: [0.0.0.0/1, 128.0.0.0/1]`),
    policy(`${WEB}ingress:\n  - fromCIDR: [10.0.0.0/8]`),
  ],
  ["SG011", 9, policy(`${WEB}${FROM_DB}\n${PORT("80")}`), policy(`${WEB}${FROM_DB}\n${PORT("8080")}`)],
  ["SG012", 9, policy(`${WEB}${FROM_DB}\n${PORT("https")}`), policy(`${WEB}${FROM_DB}\n${PORT("http")}`)],
  [
    "SG013",
    10,
    policy(`${DB}ingress:\n  - fromEntities: [world]`),
    policy(`${DB}ingress:\n  - fromEntities: [cluster]`),
  ],
  ["SG014", 10, policy(`${WEB}ingress: [{}]`), policy("endpointSelector: {}\ningress: [{}]")],
  [
    "SG015",
    5,
    policy("endpointSelector: {matchLabels: {app: agent}}\ningress: [{}]"),
    policy("endpointSelector: {}\ningress: [{}]"),
  ],
  [
    "SG016",
    9,
    policy(
      `${WEB}enableDefaultDeny: {ingress: false}\n${FROM_DB}\n    toPorts: [{ports: [{port: "8080", protocol: TCP}], rules: {http: [{method: GET}]}}]`,
    ),
    policy(`${WEB}${FROM_DB}\n    toPorts: [{ports: [{port: "8080", protocol: TCP}], rules: {http: [{method: GET}]}}]`),
  ],
  [
    "SG017",
    9,
    policy(`${WEB}${FROM_DB}\n    toPorts: [{ports: [{port: "8080", endPort: 80, protocol: TCP}]}]`),
    policy(`${WEB}${FROM_DB}\n${PORT("8080")}`),
  ],
  [
    "SG018",
    8,
    policy(`${WEB}ingress:\n  - fromEndpoints: [{matchExpressions: [{key: app, operator: NotIn, values: [bd]}]}]`),
    policy(`${WEB}ingress:\n  - fromEndpoints: [{matchExpressions: [{key: app, operator: NotIn, values: [db]}]}]`),
  ],
  [
    "SG019",
    8,
    policy(`${WEB}${FROM_DB}\n${PORT("8080")}`) + policy(`${DB}egress: [{}]`, { name: "q" }),
    policy(`${WEB}${FROM_DB}\n${PORT("8080")}`),
  ],
];

describe("each code", () => {
  it.each(CASES)("%s is found at line %i, and not in its twin", (code, line, bad, good) => {
    const [first] = of(code, bad);
    expect(first).toMatchObject({ code, object: expect.any(String), mend: expect.stringMatching(/./) });
    const isAboutPod = code === "SG013" || code === "SG014";
    if (isAboutPod) expect(first).toMatchObject({ file: "pods.yaml", line });
    else
      expect(first).toMatchObject({ file: "p.yaml", line: expect.toSatisfy((at: number) => Math.abs(at - line) <= 1) });
    expect(of(code, good)).toEqual([]);
  });

  it.each(Object.entries(CODES))("%s has a page of its own", (code, [severity, what]) => {
    const page = readFileSync(join(import.meta.dirname, "../../../docs/lint", `${code}.md`), "utf8");
    expect(page).toContain(`# ${code}: ${what}\n\nSeverity: ${severity}.\n`);
  });

  it("takes a store that only policies without default deny select for one without a policy", () => {
    const soft = `${DB}enableDefaultDeny: {ingress: false}\ningress:\n  - fromEntities: [host]`;
    expect(of("SG013", policy(soft))).toEqual([]);
    const [first] = of("SG014", policy(soft)).filter(({ object }) => object?.includes("db"));
    expect(first?.message).toMatch(/^no policy turns default deny on .* its PostgreSQL on port 5432 included$/);
  });

  it("has a case here", () => {
    const apart = ["SG000", "SG020", "SG021"];
    expect([...CASES.map(([code]) => code), ...apart].sort()).toEqual(Object.keys(CODES).sort());
  });
});

describe("shadows", () => {
  const REQUESTS = `${WEB}${FROM_DB}\n    toPorts: [{ports: [{port: "8080", protocol: TCP}], rules: {http: [{method: GET}]}}]`;

  it("fall on request rules where another policy lets every request pass", () => {
    const [found] = of("SG004", policy(REQUESTS), policy(`${WEB}${FROM_DB}`, { name: "wide" }));
    expect(found!.message).toMatch(
      /restrict nothing: CiliumNetworkPolicy shop\/wide spec.ingress\[0\] \(p.yaml:\d+\) allows every request/,
    );
    expect(of("SG004", policy(REQUESTS), policy(`${WEB}${FROM_DB}\n${PORT("9090")}`, { name: "other" }))).toEqual([]);
  });

  it("fall on request rules where a rule for the same peers and port has none, in whichever policy", () => {
    const plain = `  - fromEndpoints: [{matchLabels: {app: db}}]\n${PORT("8080")}`;
    const [found, ...others] = of("SG004", policy(`${REQUESTS}\n${plain}`));
    expect(found!.message).toMatch(/restrict nothing: CiliumNetworkPolicy shop\/p spec.ingress\[1\]/);
    expect(others.map(({ message }) => message)).toEqual([]);
    const [apart] = of("SG004", policy(REQUESTS), policy(`${WEB}ingress:\n${plain}`, { name: "q" }));
    expect(apart!.message).toMatch(/restrict nothing: CiliumNetworkPolicy shop\/q spec.ingress\[0\]/);
    expect(of("SG004", policy(`${REQUESTS}\n${plain.replace("8080", "8081")}`))).toEqual([]);
    const itself = (port: string) =>
      policy(REQUESTS.replace(/\}\]$/, `}, {ports: [{port: "${port}", protocol: TCP}]}]`));
    expect(of("SG004", itself("8080"))[0]!.message).toMatch(
      /restrict nothing: CiliumNetworkPolicy shop\/p spec.ingress/,
    );
    expect(of("SG004", itself("9090"))).toEqual([]);
    expect(of("SG004", policy(REQUESTS), policy(REQUESTS.replace("GET", "PUT"), { name: "q" }))).toEqual([]);
  });

  it("fall on request rules beside one that allows every request", () => {
    const beside = (rule: string) => policy(REQUESTS.replace("{method: GET}", rule));
    expect(of("SG004", beside("{}, {method: GET}"))[0]!.message).toMatch(/^one of its rules for requests allows every/);
    expect(of("SG004", beside("{}"))).toEqual([]);
    expect(of("SG004", beside("{}, {headerMatches: [{name: X-A, value: a, mismatch: ADD}]}"))).toEqual([]);
  });

  it("fall on allows that a deny takes back", () => {
    const [found] = of(
      "SG004",
      policy(WEB + FROM_DB),
      policy(`${WEB}ingressDeny:\n  - fromEndpoints: [{}]`, { name: "deny" }),
    );
    expect(found!.message).toMatch(/shop\/deny spec.ingressDeny\[0\]/);
  });

  it("do not fall on rules that overlap and each decide something", () => {
    const range = (first: number, last: number) =>
      `    toPorts: [{ports: [{port: "${first}", endPort: ${last}, protocol: TCP}]}]`;
    const text =
      policy(`${WEB}${FROM_DB}\n${range(8080, 8090)}`) +
      policy(`${WEB}${FROM_DB}\n${range(8085, 8095)}`, { name: "q" });
    expect(of("SG004", text)).toEqual([]);
  });

  it("leave the policies as they were", () => {
    const text = policy(`${WEB}${FROM_DB}\n  - fromEndpoints: [{}]`);
    const inventory = takeInventory([{ file: "p.yaml", text: `${PODS}${text}` }]);
    expect(lint(inventory)).toEqual(lint(inventory));
  });
});

it("a rule is one-sided only where the other end refuses all of its ports", () => {
  const ports = '    toPorts: [{ports: [{port: "8080", protocol: TCP}, {port: "9090", protocol: TCP}]}]';
  const asks = (port: string) => policy(`${DB}egress:\n  - toEndpoints: [{}]\n${PORT(port)}`, { name: "q" });
  expect(of("SG019", policy(`${WEB}${FROM_DB}\n${ports}`) + asks("8080"))).toEqual([]);
  expect(of("SG019", policy(`${WEB}${FROM_DB}\n${ports}`) + asks("7070"))).toHaveLength(2);
});

it("a rule that is one-sided names those of other namespaces with theirs", () => {
  const far = PODS.replaceAll("namespace: shop", "namespace: far").replaceAll("app: web", "app: none");
  const any = "{matchLabels: {app: db}, matchExpressions: [{key: io.kubernetes.pod.namespace, operator: Exists}]}";
  const rule = policy(`${WEB}${FROM_DB.replace("{matchLabels: {app: db}}", any)}`);
  const closed = policy(`${DB}egress: [{}]`, { name: "q" });
  const text = far + rule + closed + closed.replace("namespace: shop", "namespace: far");
  expect(
    of("SG019", text)
      .map(({ message }) => message)
      .join(),
  ).toMatch(/refuses: db, far\/db may not at egress/);
});

describe("suppressions", () => {
  const wide = (comment: string, head = "") =>
    policy(`${WEB}ingress:\n  ${comment}\n  - fromCIDR: [0.0.0.0/1]`, { head });

  it("need a reason, in a comment or in an annotation", () => {
    expect(of("SG010", wide("# shieldgate:ignore SG010 the world is meant"))).toMatchObject([
      { suppressedBecause: "the world is meant" },
    ]);
    const head = ', annotations: {policy.shieldgate.io/ignore: "SG001: x; SG010: partners"}';
    expect(of("SG010", wide("# nothing", head))).toMatchObject([{ suppressedBecause: "partners" }]);
    expect(of("SG021", wide("# nothing", head))).toMatchObject([{ message: "there is no SG001 to be ignored here" }]);
    const without = findings(wide("# shieldgate:ignore SG010"));
    expect(without.filter(({ code }) => code === "SG020")).toMatchObject([{ line: 8 }]);
    expect(without.filter(({ code }) => code === "SG010")[0]).not.toHaveProperty("suppressedBecause");
  });
});

describe("formats", () => {
  const report = {
    findings: [
      ...of("SG010", policy(`${WEB}ingress:\n  - fromCIDR: [0.0.0.0/1]`)),
      ...of("SG013", policy(`${DB}ingress:\n  - fromEntities: [world]`)),
    ],
    policies: 1,
    workloads: 2,
    notes: [],
    problems: [{ severity: "error" as const, file: "x,y.yaml", line: 3, message: "50% of\nit" }],
    version: "1.2.3",
  };

  it("count errors, the input's too, and warnings", () => {
    expect(countsOf(report)).toEqual({ errors: 2, warnings: 1, suppressed: 0 });
    expect(lintText(report)).toMatch(/^x,y.yaml:3: error SG000: 50% of/);
    expect(lintText(report)).toMatch(/\n1 policy, 2 workloads: 2 errors, 1 warning, 0 suppressed\n$/);
    expect(JSON.parse(lintJson(report))).toMatchObject({
      findings: [{ code: "SG000" }, { code: "SG010", severity: "warning", line: 8 }, { code: "SG013" }],
    });
  });

  it("escape what GitHub's commands give a meaning to", () => {
    expect(lintGithub(report).split("\n")[0]).toMatch(/^::error file=x%2Cy.yaml,line=3,title=SG000 .*::50%25 of%0Ait/);
  });

  it("give SARIF that names a rule for each result, and why it is suppressed", () => {
    const suppressed = { ...report, findings: report.findings.map((each) => ({ ...each, suppressedBecause: "so" })) };
    const { version, runs } = JSON.parse(lintSarif(suppressed)) as {
      version: string;
      runs: { tool: { driver: { rules: { id: string }[] } }; results: { ruleId: string; ruleIndex: number }[] }[];
    };
    const [{ tool, results }] = runs as [(typeof runs)[number]];
    expect(version).toBe("2.1.0");
    expect(results.map(({ ruleIndex }) => tool.driver.rules[ruleIndex]!.id)).toEqual(
      results.map(({ ruleId }) => ruleId),
    );
    expect(results[1]).toMatchObject({
      suppressions: [{ kind: "inSource", justification: "so" }],
      locations: [{ physicalLocation: { region: { startLine: 8 } } }],
    });
  });
});
