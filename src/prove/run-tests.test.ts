import { describe, expect, it } from "vitest";
import { firstTests } from "./first-tests.ts";
import { takeInventory } from "./inventory.ts";
import { runTests } from "./run-tests.ts";
import { readTestFile } from "./test-file.ts";
import { testCounts, testGithub, testJson, testJunit, testTap, testText } from "./test-formats.ts";

const pod = (name: string) => `---
apiVersion: v1
kind: Pod
metadata: {name: ${name}, labels: {app: ${name}}}
spec: {containers: [{ports: [{containerPort: 80}]}]}
`;
const POLICY = `---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: web}
spec:
  endpointSelector: {matchLabels: {app: web}}
  ingress:
    - fromEndpoints: [{matchLabels: {app: client}}]
      toPorts: [{ports: [{port: "80", protocol: TCP}], rules: {http: [{method: GET}]}}]
    - fromEndpoints: [{matchLabels: {app: other}}]
`;
const inventory = takeInventory([{ file: "all.yaml", text: pod("web") + pod("client") + pod("other") + POLICY }]);
const read = (text: string) => readTestFile({ file: "t.policytest.yaml", text });
const run = (tests: string) => runTests(inventory, read(`tests:\n${tests}`).tests);
const outcomes = (tests: string) => run(tests).results.map(({ outcome }) => outcome);

describe("a file of tests", () => {
  it("is taken apart: lists of sources, targets and ports, and rows of tables", () => {
    const { tests, manifests } = read(
      'manifests: a.yaml\ntests:\n  - {name: ask, from: [a, b], to: c, ports: [80, 53/udp], expect: deny}\n  - table:\n      - [a, "b:80", allow]\n  - {to: "c:1", only: a}\n',
    );
    expect(manifests).toEqual(["a.yaml"]);
    expect(tests.map(({ kind, name, line }) => [kind, name, line])).toEqual([
      ["connection", "ask: a -> c 80", 3],
      ["connection", "ask: a -> c 53/udp", 3],
      ["connection", "ask: b -> c 80", 3],
      ["connection", "ask: b -> c 53/udp", 3],
      ["connection", "a -> b:80", 4],
      ["only", "only a -> c:1", 6],
    ]);
  });

  it.each([
    [
      "a word that is none",
      "tests:\n  - {from: a, to: b,\n     expect: alow}\n",
      3,
      /expect: not a value.*allow, deny, deny-l7, unknown/,
    ],
    ["an unknown field", "tests:\n  - from: a\n    too: b\n", 3, /too: unknown field/],
    ["nothing to expect", "tests:\n  - from: a\n    to: b\n", 2, /needs `from` and `expect`/],
    ["no tests", "manifests: []\n", 1, /tests: is required/],
    ["a row that is too short", "tests:\n  - table:\n      - [a, b]\n", 3, /table\[0\]: 2 elements/],
    [
      "a request beside `only`",
      "tests:\n  - to: a\n    only: b\n    http: GET /\n",
      4,
      /http: has no meaning beside `only`/,
    ],
    ["a row with another word", "tests:\n  - table:\n      - [a, b, maybe]\n", 3, /not a value/],
    ["two documents", "tests: []\n---\ntests: []\n", 1, /one document/],
    ["what is no YAML", "tests: [\n", 1, /./],
  ])("with %s is refused with the line", (_, text, line, message) => {
    const { problems, tests } = read(text);
    expect(tests).toEqual([]);
    expect(problems[0]).toMatchObject({
      severity: "error",
      line: expect.toSatisfy((at: number) => at >= line && at <= line + 1),
      message: expect.stringMatching(message),
    });
  });
});

describe("a test", () => {
  it("passes where the verdict is the expected one", () => {
    expect(
      outcomes(
        "  - {from: client, to: web, ports: [80], http: GET /, expect: allow}\n  - {from: client, to: 'web:80', http: PUT /, expect: deny-l7}\n  - {from: client, to: 'web:80', http: PUT /, expect: deny}\n  - {from: client, to: 'web:80', expect: unknown}\n  - {from: web, to: 'web:81', expect: deny}",
      ),
    ).toEqual(Array(5).fill("passed"));
  });

  it("fails with what was found and by which rule, and is an error where it cannot be asked", () => {
    const { results } = run(
      "  - {from: other, to: 'web:80', expect: deny}\n  - {from: entity:world, to: 'web:80', expect: deny-l7}\n  - {from: nobody, to: 'web:80', expect: deny}",
    );
    expect(results.map(({ outcome }) => outcome)).toEqual(["failed", "failed", "error"]);
    expect(results[0]!.details).toMatch(/^expected deny, found allow\nALLOWED .*[\s\S]*all.yaml:\d+/);
    expect(results[1]!.details).toMatch(/^expected deny-l7, found deny\n/);
    expect(results[2]!.details).toMatch(/nobody is called that/);
  });

  it("of only finds everybody else who may come, pods that nobody described included", () => {
    expect(
      outcomes(
        "  - {to: 'web:80', only: [client, other]}\n  - {to: 'web:80', only: [client]}\n  - {to: 'web:443', only: [other]}\n  - {to: other, only: [web, client]}",
      ),
    ).toEqual(["passed", "failed", "passed", "failed"]);
    const [first] = run("  - {to: 'web:80', only: [client]}").results;
    expect(first!.details).toBe("default/pod/other may reach it: all ports");
    expect(run("  - {to: 'other:80', only: [web, client, entity:world]}").results[0]!.details).toContain(
      "default/any other pod may reach it",
    );
  });

  it("of only counts the node as entity:host where workloads share its network, and so do first tests", () => {
    const agent = `${pod("agent").replace("spec: {", "spec: {hostNetwork: true, ")}`;
    const all = takeInventory([{ file: "all.yaml", text: pod("web") + pod("client") + pod("other") + agent + POLICY }]);
    const asked = (only: string) => runTests(all, read(`tests:\n  - {to: web, only: [${only}]}`).tests).results[0]!;
    expect(asked("client, other").details).toMatch(/^node may reach it: .*name entity:host/);
    expect(asked("client, other, entity:host").outcome).toBe("passed");
    const { tests } = read(firstTests(all, []));
    expect(tests.find(({ name }) => name === "nobody else reaches default/pod/web")).toMatchObject({
      only: ["default/pod/client", "default/pod/other", "entity:host"],
    });
  });

  it("may name the policy that decides", () => {
    const found = run(
      [
        "  - {from: client, to: 'web:80', http: GET /, expect: allow, policy: web}",
        "  - {from: client, to: 'web:80', http: GET /, expect: allow, policy: [other, default/web]}",
        "  - {from: client, to: 'web:81', expect: deny, policy: CiliumNetworkPolicy default/web}",
        "  - {from: client, to: 'web:80', http: GET /, expect: allow, policy: eb}",
        "  - {from: web, to: 'client:80', expect: allow, policy: web}",
      ].join("\n"),
    ).results;
    expect(found.map(({ outcome }) => outcome)).toEqual(["passed", "passed", "passed", "failed", "failed"]);
    expect(found[3]!.details).toMatch(/^expected allow by eb, found CiliumNetworkPolicy default\/web\nALLOWED/);
    expect(found[4]!.details).toMatch(/^expected allow by web, found no policy\n/);
  });

  it("asks for everybody whom a wildcard stands for", () => {
    expect(
      outcomes(
        [
          "  - {from: '*', to: 'web:90', expect: unknown}",
          "  - {from: 'default/*', to: 'client:80', expect: allow}",
          "  - {from: 'c*nt', to: 'web:81', expect: deny}",
          "  - {from: 'pod/*', to: 'web:80', expect: allow}",
          "  - {from: 'deploy/*', to: 'web:80', expect: allow}",
          "  - {from: 'o.*', to: 'web:80', expect: allow}",
        ].join("\n"),
      ),
    ).toEqual(["passed", "passed", "passed", "failed", "error", "error"]);
    const [mixed] = run("  - {from: '*', to: 'web:90', expect: deny}").results;
    expect(mixed!.details).toContain("which of the 3 workloads that * stands for");
  });

  it("covers the rules that decided", () => {
    const covered = run("  - {from: client, to: 'web:80', http: GET /, expect: allow}").coverage;
    expect(covered.map(({ rule, isCovered }) => [rule, isCovered])).toEqual([
      ["CiliumNetworkPolicy default/web spec.ingress[0]", true],
      ["CiliumNetworkPolicy default/web spec.ingress[1]", false],
    ]);
  });
});

describe("the formats", () => {
  const report = run(
    "  - {name: 'good', from: client, to: 'web:80', http: GET /, expect: allow}\n  - {name: 'bad <#1>', from: other, to: 'web:80', expect: deny}\n  - {name: odd, from: nobody, to: 'web:80', expect: deny}",
  );

  it("say what failed, what no test met, and the numbers", () => {
    expect(testCounts(report)).toEqual({ passed: 1, failed: 1, error: 1 });
    expect(testText(report)).toMatch(/FAIL bad <#1> {2}t.policytest.yaml:3\n {4}expected deny, found allow\n/);
    expect(testText(report)).toMatch(/not tested: \S+ default\/web spec.ingress\[0\]|1 of 2 rules|2 of 2 rules/);
    expect(testText(report)).toMatch(/\n1 passed, 1 failed, 1 errors\n$/);
    expect(JSON.parse(testJson(report))).toMatchObject({
      counts: { failed: 1 },
      results: [{ outcome: "passed" }, { outcome: "failed" }, { outcome: "error" }],
    });
  });

  it("are TAP, JUnit and GitHub's commands", () => {
    expect(testTap(report)).toMatch(/^TAP version 13\n1\.\.3\nok 1 - good\nnot ok 2 - bad <\\#1>\n {2}---\n/);
    expect(testJunit(report)).toContain('<testsuite name="t.policytest.yaml" tests="3" failures="1" errors="1">');
    expect(testJunit(report)).toContain('name="bad &#60;#1&#62;"');
    expect(testGithub(report).split("\n")[0]).toMatch(
      /^::error file=t.policytest.yaml,line=3,title=bad <#1>::expected deny, found allow%0A/,
    );
  });
});
