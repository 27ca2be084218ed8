import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { afterAll, beforeAll, expect, test } from "vitest";
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
spec: {containers: [{name: main}]}
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
  const code = await diffCommand(paths.map(at), moved, out, (text) => complaints.push(text));
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
    [["k8s"], { context: "prod" }, /--context is not there/],
    [[], { before: ["k8s"], after: ["new"], at: "HEAD" }, /--at goes with --base/],
  ];
  for (const [paths, options, message] of cases) await expect(diff(paths, options)).rejects.toThrow(message);
});
