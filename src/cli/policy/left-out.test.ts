import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { TextSink } from "../../../test/support/text-sink.ts";
import { diffCommand } from "./diff.ts";
import { explainCommand } from "./explain.ts";
import { leftOutText, marked } from "./left-out.ts";
import { GRAPHS, matrixCommand, TABLES } from "./matrix.ts";
import { replayCommand } from "./replay.ts";
import { suggestCommand } from "./suggest.ts";
import { testCommand } from "./test.ts";

/** A folder of which one file is half-written and one policy does not validate: the rest is answered for, and marked. */
const folder = mkdtempSync(join(tmpdir(), "left-out-"));
const path = (name: string) => join(folder, name);
const policy = (name: string, app: string) => `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: ${name}, namespace: shop}
spec: {endpointSelector: {matchLabels: {app: ${app}}}, ingress: [{fromEndpoints: [{matchLabels: {app: nobody}}]}]}
`;
const pod = (app: string) =>
  `{apiVersion: v1, kind: Pod, metadata: {name: ${app}, namespace: shop, labels: {app: ${app}}}, spec: {containers: [{name: m}]}}`;
const endpoint = (app: string, identity: number) => ({
  identity,
  cluster_name: "default",
  namespace: "shop",
  labels: [`k8s:app=${app}`, "k8s:io.cilium.k8s.policy.cluster=default", "k8s:io.kubernetes.pod.namespace=shop"],
  pod_name: app,
});
const flow = {
  time: "2026-11-28T08:00:00Z",
  verdict: "FORWARDED",
  IP: { source: "10.0.0.1", destination: "10.0.0.2", ipVersion: "IPv4" },
  l4: { TCP: { source_port: 40_000, destination_port: 80, flags: { SYN: true } } },
  source: endpoint("web", 5001),
  destination: endpoint("db", 5002),
  Type: "L3_L4",
  event_type: { type: 4 },
  traffic_direction: "INGRESS",
};
const places = ["half.yaml:4", "invalid.yaml:4"].map(path);

const git = (...args: string[]) =>
  execFileSync("git", ["-c", "user.name=x", "-c", "user.email=x@example.com", ...args], { cwd: folder });

beforeAll(() => {
  writeFileSync(path("pods.yaml"), ["web", "db", "cache"].map(pod).join("\n---\n"));
  writeFileSync(path("db.yaml"), policy("db", "db"));
  writeFileSync(path("half.yaml"), policy("cache", "cache"));
  git("init", "-q");
  git("add", ".");
  git("commit", "-qm", "first");
  writeFileSync(path("half.yaml"), 'kind: NetworkPolicy\nmetadata: {name: half}\nspec: {podSelector: "\n');
  writeFileSync(path("invalid.yaml"), policy("bad", "cache").replace("ingress:", "ingres:"));
  writeFileSync(path("a.policytest.yaml"), "tests: [{from: shop/web, to: 'shop/db:80', expect: deny}]\n");
  writeFileSync(path("flows.jsonl"), `${JSON.stringify({ flow })}\n`);
});
afterAll(() => rmSync(folder, { recursive: true }));

const noCluster = () => Promise.reject(new Error("no cluster"));
async function ran(command: (out: TextSink, complain: (text: string) => void) => Promise<number>) {
  const out = new TextSink();
  const said: string[] = [];
  const code = await command(out, (text) => said.push(text));
  expect(code).toBe(2);
  for (const place of places) expect(said.join("\n")).toContain(`${place}: error: `);
  return out.text;
}
const isMarked = expect.stringContaining(leftOutText(places));

test("explain answers for the rest, and gives no verdict", async () => {
  const explain = (options: object) =>
    ran((out, complain) => explainCommand([folder], { from: "shop/web", ...options }, out, complain, noCluster));
  const text = await explain({ to: "shop/db:80" });
  expect(text).toEqual(isMarked);
  expect(text).toMatch(/^UNKNOWN: .*\nDENIED {2}shop\/pod\/web -> shop\/pod\/db {2}TCP 80$/m);
  expect(JSON.parse(await explain({ to: "shop/db:80", output: "json" }))).toMatchObject({
    leftOut: places,
    verdict: "unknown",
    cases: [{ verdict: "denied" }],
  });
  expect(await explain({ to: "shop/other:80" })).toMatch(/^UNKNOWN: .*nobody is called that.*cannot be read/);
  expect(await explain({ toAny: true })).toMatch(/^INCOMPLETE: .*\n(.*\n)*shop\/pod\/web -> /);
});

test("matrix, graph, test, replay and suggest answer for the rest", async () => {
  for (const formats of [TABLES, GRAPHS])
    for (const output of Object.keys(formats)) {
      const text = await ran((out, complain) => matrixCommand([folder], { output }, formats, out, complain, noCluster));
      expect(text, output).toContain("pod/cache");
      if (output === "json") expect(JSON.parse(text)).toMatchObject({ leftOut: places, groups: expect.any(Array) });
      else if (output !== "csv") expect(text, output).toEqual(isMarked);
    }
  const tested = await ran((out, complain) => testCommand([folder], {}, out, complain, noCluster));
  expect(tested).toEqual(expect.stringMatching(/^INCOMPLETE: .*1 passed, 0 failed/s));
  const recorded = [path("flows.jsonl")];
  const replayed = await ran((out, complain) => replayCommand(recorded, { file: [folder] }, out, complain));
  expect(replayed).toEqual(expect.stringMatching(/^INCOMPLETE: .*\nCLOSED 1\n/));
  const options = { file: [folder], l7: true };
  const suggested = await ran((out, complain) => suggestCommand(recorded, options, out, complain));
  expect(suggested).toEqual(expect.stringMatching(/^# INCOMPLETE: .*\n.*kind: CiliumNetworkPolicy/s));
});

test("diff leaves a file out of both revisions, and of two folders out of the one", async () => {
  const diff = (options: object, paths: string[] = []) =>
    ran((out, complain) => diffCommand(paths, { output: "json", ...options }, out, complain, noCluster));
  const cwd = process.cwd();
  process.chdir(folder);
  try {
    // half.yaml was a policy: that it is gone is not said
    const out = new TextSink();
    expect(await diffCommand(["."], { base: "HEAD", output: "json" }, out, () => undefined, noCluster)).toBe(2);
    expect(JSON.parse(out.text)).toMatchObject({ leftOut: expect.any(Array), policies: [], groups: [] });
  } finally {
    process.chdir(cwd);
  }
  const shown = await diff({ before: [path("pods.yaml")], after: [folder], file: [] });
  expect(JSON.parse(shown)).toMatchObject({ leftOut: places, connections: { closed: expect.any(Number) } });
});

test("each format has its mark where a reader of it allows one", () => {
  const mark = (format: string) => marked("x\n", format, ["a--b\u001b.yaml:1"]);
  expect(mark("junit")).toBe("x\n<!-- the answer leaves out what cannot be read: a- -b\ufffd.yaml:1 -->\n");
  expect(mark("tap")).toMatch(/^x\n# the answer/);
  expect(mark("markdown")).toMatch(/^\*\*Incomplete\*\*: the answer.*\n\nx\n$/);
  expect(mark("github")).toBe("x\n");
  expect(marked("x\n", "text", [])).toBe("x\n");
});
