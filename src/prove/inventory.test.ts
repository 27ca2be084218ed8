import { describe, expect, it } from "vitest";
import { takeInventory } from "./inventory.ts";
import { KnownDocuments, readManifests } from "./manifest.ts";

const take = (...texts: readonly string[]) =>
  takeInventory(texts.map((text, index) => ({ file: `f${index}.yaml`, text })));
const said = (...texts: readonly string[]) =>
  take(...texts).problems.map(({ file, line, severity, message }) => `${file}:${line} ${severity} ${message}`);

const pod = (name: string, more = "") => `apiVersion: v1
kind: Pod
metadata: {name: ${name}, labels: {app: ${name}}}
spec: {containers: [{name: main}]}
${more}`;

describe("reading", () => {
  it("takes lists apart and keeps the line of every object and field", () => {
    const text = `# first\napiVersion: v1\nkind: List\nitems:\n  - apiVersion: v1\n    kind: Namespace\n    metadata:\n      name: a\n      labels:\n        team: x\n---\n${pod("p")}`;
    const { objects } = readManifests([{ file: "all.yaml", text }]);
    expect(objects.map(({ kind, name, place }) => [kind, name, place.line])).toEqual([
      ["Namespace", "a", 5],
      ["Pod", "p", 12],
    ]);
    expect(objects[0]!.placeOf('metadata.labels["team"]')).toEqual({ file: "all.yaml", line: 10 });
    expect(objects[1]!.placeOf("spec.containers[0]").line).toBe(15);
  });

  it.each<[string, string, RegExp]>([
    ["half-written YAML", "a: 1\nb: [\n", /f0.yaml:\d error/],
    ["a template of Helm", "metadata:\n  name: {{ .Values.name }}\n", /error .*helm template/],
    ["an anchor", "a: &b 1\n", /f0.yaml:1 error an anchor/],
    ["labels that are no texts", pod("p").replace("app: p", "app: 5"), /f0.yaml:3 error Pod p: .*must be a string/],
    ["labels that are a list", pod("p").replace("{app: p}", "[a]"), /error .*must be a map/],
    [
      "a workload without containers",
      "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\nspec: {}\n",
      /:4 error .*no containers/,
    ],
    [
      "a port that is none",
      pod("p").replace("name: main", "name: main, ports: [{containerPort: x}]"),
      /error .*not a port/,
    ],
    ["an object without a name", "apiVersion: v1\nkind: Pod\nmetadata: {}\n", /f0.yaml:3 error .*no name/],
    [
      "a policy that is misspelt",
      "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolcy\nmetadata: {name: x}\n",
      /:2 error .*not a policy kind/,
    ],
    [
      "a policy with an unknown field",
      "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: x}\nspec:\n  endpointSelector: {}\n  ingres: []\n",
      /:6 error .*unknown field/,
    ],
    [
      "a group whose prefix is none",
      "apiVersion: cilium.io/v2\nkind: CiliumCIDRGroup\nmetadata: {name: g}\nspec:\n  externalCIDRs:\n    - 1.2.3.4/33\n",
      /:6 error/,
    ],
    [
      "a service whose ports are none",
      "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {ports: [{port: x}]}\n",
      /error .*not a port of a service/,
    ],
    ["a word alone", "# here\nhello\n", /f0.yaml:2 error a string alone is no object/],
    ["a control character", "a: b\nc: \u0001d\n", /f0.yaml:2 error .*U\+0001/],
    ["what is no object", "- 1\n", /f0.yaml:1 warning .*left alone/],
    ["values of a chart", "image: x\n", /warning .*without apiVersion/],
  ])("names %s with its line", (_, text, complaint) => {
    expect(said(text)).toContainEqual(expect.stringMatching(complaint));
  });

  it("knows the line of a field in every document, block texts and directives before it", () => {
    const text = `%YAML 1.1\n---\n${pod("a")}`;
    const block = `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata:\n  text: |\n    ---\n    a: [\n  other: "x\n    --- y"\n--- # comment\n${pod("b")}...\n---\n${pod("c")}`;
    const read = readManifests([
      { file: "d", text },
      { file: "e", text: block },
    ]);
    expect(read.problems).toEqual([]);
    expect(read.objects.map((each) => [each.name, each.place.line, each.placeOf("spec.containers").line])).toEqual([
      ["a", 3, 6],
      ["c", 1, 1],
      ["b", 11, 14],
      ["c", 17, 20],
    ]);
    expect(said(`${pod("a")}---\n${pod("b")}---\na: [\n`)).toEqual([expect.stringMatching(/f0.yaml:1[23] error/)]);
  });

  it("reads the other files where one cannot be read", () => {
    expect(take("a: [", pod("p")).workloads.map(({ name }) => name)).toEqual(["p"]);
  });

  it("is bounded on hostile text", () => {
    expect(said("[".repeat(100_000))[0]).toMatch(/error nested more than 128/);
    const limited = readManifests([{ file: "f", text: "a: 1\n".repeat(10) }], { length: 20 });
    expect(limited.problems[0]!.message).toMatch(/longer than 20/);
  });

  it("refuses two objects of one name that differ, and tells of two that do not", () => {
    expect(said(pod("p"), pod("p"))).toEqual([
      expect.stringMatching(/f1.yaml:1 warning Pod p stands here again as in f0.yaml:1/),
    ]);
    expect(said(pod("p"), pod("p", "status: {}"))).toEqual([
      expect.stringMatching(/f1.yaml:1 error Pod p is another one than in f0.yaml:1/),
    ]);
  });

  it("counts what says nothing of policy", () => {
    const other = (kind: string, name: string) => `apiVersion: v1\nkind: ${kind}\nmetadata: {name: ${name}}\n`;
    const { leftAlone, problems } = take(
      ["a", "b"].map((name) => other("ConfigMap", name)).join("---\n"),
      other("Ingress", "i"),
    );
    expect([...leftAlone]).toEqual([
      ["ConfigMap", 2],
      ["Ingress", 1],
    ]);
    expect(problems).toEqual([]);
  });
});

describe("workloads", () => {
  const deployment = `apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, ports: [{containerPort: 80, name: http}]}]}
`;
  const owned = (kind: string, name: string, owner: string, labels: string, status = "") =>
    `apiVersion: v1\nkind: ${kind}\nmetadata:\n  name: ${name}\n  namespace: shop\n  labels: ${labels}\n  ownerReferences: [{controller: true, ${owner}}]\n` +
    (kind === "Pod"
      ? `spec: {containers: [{name: c}]}\n${status}`
      : `spec: {template: {metadata: {labels: ${labels}}, spec: {containers: [{name: c}]}}}\n`);

  it("stand once for their pods, whose names and addresses they keep", () => {
    const { workloads } = take(
      deployment,
      owned("ReplicaSet", "web-1", "kind: Deployment, name: web", "{app: web, pod-template-hash: x}"),
      owned(
        "Pod",
        "web-1-a",
        "kind: ReplicaSet, name: web-1",
        "{app: web, pod-template-hash: x}",
        "status: {podIP: 10.0.0.7}\n",
      ),
      owned("Pod", "web-1-b", "kind: ReplicaSet, name: web-1", "{app: debug}"),
    );
    expect(workloads.map(({ kind, name, pods, ips }) => [kind, name, pods, ips])).toEqual([
      ["Deployment", "web", ["web-1-a"], ["10.0.0.7"]],
      ["Pod", "web-1-b", [], []],
    ]);
  });

  it("may be of any kind that has a template of pods, and have the labels that controllers add", () => {
    const rollout = deployment.replace("Deployment", "Rollout").replace("apps/v1", "argoproj.io/v1alpha1");
    const cron = `apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: nightly}\nspec: {jobTemplate: {spec: {template: {spec: {hostNetwork: true, containers: [{}]}}}}}\n`;
    expect(take(rollout, cron).workloads).toMatchObject([
      {
        kind: "Rollout",
        namespace: "shop",
        ports: [{ name: "http", port: 80, protocol: "TCP" }],
        serviceAccount: "default",
      },
      { kind: "CronJob", namespace: "default", labels: { "job-name": "nightly-<run>" }, isHostNetwork: true },
    ]);
  });

  it("are doubted where they name no namespace, and policies are for one of which nothing is there", () => {
    const policy = (namespace: string) =>
      `apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: p, namespace: ${namespace}}\nspec: {endpointSelector: {}, ingress: [{}]}\n`;
    const doubt =
      "f0.yaml:1 warning workloads without a namespace (1) are taken to be in default, and policies (1) are for shop, of which nothing is described: say -n shop if that is where they go";
    expect(said(pod("a"), policy("shop"))).toEqual([doubt]);
    const there = pod("b").replace("{name: b", "{namespace: shop, name: b");
    expect(said(`${pod("a")}---\n${there}`, policy("shop"))).toEqual([]);
    expect(said(pod("a"), policy("default"))).toEqual([]);
    const texts = [pod("a"), policy("shop")].map((text, index) => ({ file: `f${index}.yaml`, text }));
    expect(takeInventory(texts, { namespace: "default" }).problems).toEqual([]);
  });

  it("are in the namespace that is given where they name none, policies too", () => {
    const policy =
      "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: x}\nspec: {endpointSelector: {}, ingress: [{}]}\n";
    const { workloads, policies } = takeInventory([{ file: "f", text: `${pod("p")}---\n${policy}` }], {
      namespace: "team",
    });
    expect([workloads[0]!.namespace, policies[0]!.key.namespace]).toEqual(["team", "team"]);
  });
});

it("reads no document again that is known, and lets go what nobody asks for", () => {
  const known = new KnownDocuments();
  const text = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n";
  const values = () => takeInventory([{ file: "a.yaml", text }], { known }).namespaces.get("shop")?.object.value;
  const first = values();
  known.letGo();
  expect(values()).toBe(first);
  known.letGo();
  known.letGo();
  expect(values()).not.toBe(first);
  expect(values()).toEqual(first);
});
