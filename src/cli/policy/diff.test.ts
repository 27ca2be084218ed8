import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { Writable } from "node:stream";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { parse } from "yaml";
import { CiliumNetworkPolicies, ConfigMaps, type KubeObject, Namespaces, Pods } from "../../kube/client/index.ts";
import { ciliumCrds } from "../../kube/schema/index.ts";
import { startTestServer } from "../../kube/server/test-server.ts";
import { readCluster } from "./cluster-source.ts";
import { type DiffCommandOptions, diffCommand } from "./diff.ts";

const root = mkdtempSync(join(tmpdir(), "policy-diff-"));
const git = (...args: string[]) =>
  execFileSync("git", ["-C", root, "-c", "user.name=x", "-c", "user.email=x@x", ...args]);
const policy = (from: string) => `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: db, namespace: shop}
spec: {endpointSelector: {matchLabels: {app: db}}, ingress: [{fromEntities: [${from}]}]}
`;
const WORKLOADS = `apiVersion: v1
kind: Pod
metadata: {name: db, namespace: shop, labels: {app: db}}
spec: {containers: [{name: main, image: "main:1"}]}
`;

beforeAll(() => {
  mkdirSync(join(root, "k8s"));
  writeFileSync(join(root, "k8s/workloads.yaml"), WORKLOADS);
  writeFileSync(join(root, "k8s/policy.yaml"), policy("host"));
  git("init", "-q");
  git("add", "-A");
  git("commit", "-qm", "one");
  writeFileSync(join(root, "k8s/policy.yaml"), policy("world"));
  mkdirSync(join(root, "new"));
  writeFileSync(join(root, "new/policy.yaml"), policy("host, world"));
  writeFileSync(join(root, "broken.yaml"), "kind: [");
});
afterAll(() => rmSync(root, { recursive: true }));

async function diff(paths: readonly string[], options: DiffCommandOptions) {
  const pieces: string[] = [];
  const complaints: string[] = [];
  const out = new Writable({
    write(chunk: Buffer, _encoding, done) {
      pieces.push(chunk.toString());
      done();
    },
  });
  const at = (path: string) => join(root, path);
  const { before, after, file, ...rest } = options;
  const moved = {
    ...rest,
    ...(before === undefined ? {} : { before: before.map(at) }),
    ...(after === undefined ? {} : { after: after.map(at) }),
    ...(file === undefined ? {} : { file: file.map(at) }),
  };
  const code = await diffCommand(paths.map(at), moved, out, (text) => complaints.push(text), readCluster);
  return { code, text: pieces.join(""), complaints };
}

test("--base compares a folder as it was at a revision with what it is", async () => {
  const { code, text } = await diff(["k8s"], { base: "HEAD" });
  expect(text).toContain("+ entity:world -> shop/pod/db: all ports");
  expect(code).toBe(0);
  expect(await diff(["k8s"], { base: "HEAD", at: "HEAD" })).toMatchObject({
    text: "Nobody may do more or less than before.\n",
  });
  expect((await diff(["k8s/workloads.yaml", "new"], { base: "HEAD" })).text).toContain("+ CiliumNetworkPolicy shop/db");
});

test("--fail-on makes the exit code 1 for the changes that it names", async () => {
  const sides = { before: ["k8s/policy.yaml"], after: ["new"], file: ["k8s/workloads.yaml"] };
  expect((await diff([], { ...sides, failOn: "any" })).code).toBe(0);
  const back = { before: ["new"], after: ["empty.yaml"], file: ["k8s/workloads.yaml"] };
  writeFileSync(join(root, "empty.yaml"), policy("host"));
  expect((await diff([], { ...back, failOn: "opened" })).code).toBe(0);
  expect((await diff([], { ...back, failOn: "closed" })).code).toBe(1);
  expect((await diff([], { ...back, failOn: "any" })).code).toBe(1);
});

test("what cannot be read has no answer", async () => {
  const { code, text, complaints } = await diff([], { before: ["k8s"], after: ["broken.yaml"] });
  expect(code).toBe(2);
  expect(text).toBe("");
  expect(complaints[0]).toMatch(/broken\.yaml:1: error: /);
});

test("options that make no sense together are refused by name", async () => {
  const cases: [readonly string[], DiffCommandOptions, RegExp][] = [
    [["k8s"], {}, /--base REVISION/],
    [["k8s"], { base: "HEAD", before: ["k8s"] }, /leave out --before/],
    [["k8s"], { base: "HEAD", failOn: "some" }, /--fail-on some: one of opened, closed, any/],
    [["k8s"], { base: "HEAD", output: "png" }, /-o png: one of text, json, markdown, svg/],
    [["k8s"], { context: "prod", base: "HEAD" }, /leave out --base/],
    [["k8s"], { base: "HEAD", replace: true }, /--replace goes with --context/],
    [[], { before: ["k8s"], after: ["new"], at: "HEAD" }, /--at goes with --base/],
  ];
  for (const [paths, options, message] of cases) await expect(diff(paths, options)).rejects.toThrow(message);
});

test("what keeps git from reading a revision is said with what to do", async () => {
  const said = async (path: string, base: string) => {
    const { code, complaints } = await diff([path], { base });
    expect(code).toBe(2);
    return complaints.join("\n");
  };
  expect(await said("k8s", "NOPE")).toMatch(/NOPE is no branch, tag or commit.*git branch -a.*git fetch/);
  const bare = mkdtempSync(join(tmpdir(), "policy-diff-bare-"));
  writeFileSync(join(bare, "a.yaml"), WORKLOADS);
  expect(await said(`../${basename(bare)}`, "HEAD")).toMatch(/is in no git repository.*--before and --after/);
  rmSync(bare, { recursive: true });
  const { complaints } = await diff(["k8s", "new"], { base: "HEAD" });
  expect(complaints.filter((each) => each.includes("warning"))).toEqual([
    expect.stringMatching(/new:1: .*not there at HEAD/),
  ]);
  vi.stubEnv("PATH", "");
  expect(await said("k8s", "HEAD")).toMatch(/git, which is not installed: install it/);
  vi.unstubAllEnvs();
});

/** Of somebody in these groups. */
function credentialsOf({ server, url }: Awaited<ReturnType<typeof startTestServer>>, groups: string[]) {
  const { authority } = server;
  const { cert, key } = authority.client("test-diff", "test-diff", groups);
  const base64 = (text: string) => Buffer.from(text).toString("base64");
  return {
    contexts: [{ name: "prod", context: { cluster: "c", user: "u" } }],
    clusters: [{ name: "c", cluster: { server: url, "certificate-authority-data": base64(authority.ca) } }],
    users: [{ name: "u", user: { "client-certificate-data": base64(cert), "client-key-data": base64(key) } }],
  };
}

test("a cluster that has no policies of Cilium is read all the same, one that does not let us is not", async () => {
  const server = await startTestServer({});
  try {
    const kubeconfig = join(root, "foreign");
    const asked = async (groups: string[]) => {
      writeFileSync(kubeconfig, JSON.stringify(credentialsOf(server, groups)));
      return diff(["k8s"], { context: "prod", kubeconfig });
    };
    expect((await asked(["system:masters"])).text).toContain("only after");
    await expect(asked(["nobody"])).rejects.toThrow(/foreign, context prod: \w+: .* is forbidden/);
  } finally {
    await server.close();
  }
});

test("--context compares a cluster with what it is after the files were applied", async () => {
  const server = await startTestServer({ definitions: ciliumCrds });
  try {
    const { client } = server;
    const [pod, enforced, other] = [WORKLOADS, policy("host"), policy("host").replaceAll("db", "web")].map((text) =>
      parse(text),
    ) as [KubeObject, KubeObject, KubeObject];
    await client.create(Namespaces, { apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } });
    await client.create(Pods, pod);
    await client.create(CiliumNetworkPolicies, enforced);
    await client.create(CiliumNetworkPolicies, other);
    const config = credentialsOf(server, ["system:masters"]);
    const kubeconfig = join(root, "kubeconfig");
    writeFileSync(kubeconfig, JSON.stringify(config));
    const choice = { context: "prod", kubeconfig };
    const { code, text, complaints } = await diff(["k8s/policy.yaml"], choice);
    expect(complaints).toEqual([
      "settings: policy mode default, cluster default, IPv4 (no ConfigMap kube-system/cilium-config that may be read)",
    ]);
    expect(text).toContain("+ entity:world -> shop/pod/db: all ports");
    expect(text).not.toContain("app=web");
    expect(code).toBe(0);
    expect((await diff(["k8s/policy.yaml"], { ...choice, replace: true })).text).toContain("app=web");
    const metadata = { name: "cilium-config", namespace: "kube-system" };
    await client.create(ConfigMaps, {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata,
      data: { "enable-policy": "never" },
    });
    expect(await diff(["k8s/policy.yaml"], choice)).toMatchObject({
      text: expect.stringContaining("Nobody may do more or less"),
      complaints: [expect.stringContaining("policy mode never")],
    });
    await expect(diff(["k8s"], { ...choice, context: "none" })).rejects.toThrow(/no context named "none"/);
    await expect(diff(["k8s"], { kubeconfig })).rejects.toThrow(
      /kubeconfig: .*no current context: name one; it has prod$/,
    );
    // As kubectl: all files of the variable count, those that are not there do not.
    const contexts = join(root, "contexts");
    writeFileSync(contexts, JSON.stringify({ contexts: config.contexts, "current-context": "prod" }));
    writeFileSync(kubeconfig, JSON.stringify({ ...config, contexts: [] }));
    vi.stubEnv("KUBECONFIG", [join(root, "none"), contexts, kubeconfig].join(":"));
    expect((await diff(["k8s/policy.yaml"], { context: "prod" })).code).toBe(0);
    vi.stubEnv("KUBECONFIG", join(root, "none"));
    await expect(diff(["k8s"], { context: "prod" })).rejects.toThrow(/which cluster\? There is no .*none/);
    vi.unstubAllEnvs();
  } finally {
    await server.close();
  }
});

test("what cannot be compared but as it is written makes the exit code 2, whatever --fail-on is about", async () => {
  const rules = (path: string) =>
    policy("host").replace(
      "[{fromEntities: [host]}]",
      `[{toPorts: [{ports: [{port: "80", protocol: TCP}], rules: {http: [{path: '${path}'}]}}]}]`,
    );
  writeFileSync(join(root, "word.yaml"), rules("/a\\b.*"));
  writeFileSync(join(root, "plain.yaml"), rules("/a.*"));
  const options = { file: ["k8s/workloads.yaml"], failOn: "closed" };
  expect(await diff([], { ...options, before: ["plain.yaml"], after: ["word.yaml"] })).toMatchObject({
    code: 2,
    text: expect.stringMatching(/unknown, compared as written.* 10 unknown\.\n$/s),
  });
  expect((await diff([], { ...options, before: ["word.yaml"], after: ["word.yaml"] })).code).toBe(0);
});
