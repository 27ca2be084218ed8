import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { fromJson } from "@bufbuild/protobuf";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { FlowSchema } from "../../../proto/gen/flow_pb.js";
import { type FlowLine, http, lineOf } from "../../../test/support/flow-lines.ts";
import { createFlowRing } from "../../flow/index.ts";
import { openFlowHistory } from "../../history/index.ts";
import { type ReplayOptions, replayCommand } from "./replay.ts";

const POLICY = `
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: store, namespace: shop}
spec: {endpointSelector: {matchLabels: {app: store}}, ingress: [{fromEndpoints: [{matchLabels: {app: cart}}]}]}
`;

let folder = "";
let complaints: string[] = [];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "replay-"));
  writeFileSync(join(folder, "policy.yaml"), POLICY);
});
afterAll(() => rmSync(folder, { recursive: true }));
beforeEach(() => {
  complaints = [];
});

function write(name: string, content: string | Buffer): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

async function run(paths: readonly string[], options: ReplayOptions = {}) {
  let text = "";
  const out = new Writable({
    write: (chunk, _, done) => {
      text += chunk;
      done();
    },
  });
  const all = { file: [join(folder, "policy.yaml")], output: "json", ...options };
  const code = await replayCommand(paths, all, out, (line) => complaints.push(line));
  return { code, text, report: all.output === "json" ? JSON.parse(text) : undefined };
}

const lines = (all: readonly FlowLine[]) => all.map((line) => `${lineOf(line)}\n`).join("");
const MANY = Array.from({ length: 500 }, (_, at) => ({
  at,
  sourcePort: 40_000 + at,
  from: at % 2 === 0 ? "shop/cart" : "shop/web",
}));

describe("a recording", () => {
  it("is read from a file, packed or not, and counted line by line", async () => {
    const text = lines(MANY);
    const files = [
      write("a.jsonl", text),
      write("a.jsonl.gz", gzipSync(text)),
      write("a.jsonl.zst", zstdCompressSync(text)),
    ];
    for (const file of files) {
      const { code, report } = await run([file]);
      expect(code).toBe(0);
      expect(report.flows).toMatchObject([
        {
          change: "closed",
          from: { title: "shop/deployment/web" },
          count: 250,
          evidence: [`${file}:2`, `${file}:500`],
        },
        {
          change: "unchanged",
          from: { title: "shop/deployment/cart" },
          count: 250,
          evidence: [`${file}:1`, `${file}:499`],
        },
      ]);
      expect(report.recording).toMatchObject({ flows: 500, first: "2025-11-24T16:00:00Z" });
    }
    expect((await run([folder])).report.recording.flows).toBe(1500);
  });

  it("is counted alike whether its lines repeat or not", async () => {
    const plain = lines([
      ...MANY,
      ...MANY.map((line) => ({ ...line, more: { is_reply: true, event_type: { type: 4 } } })),
    ]);
    // spaces keep a line from being taken for an earlier one
    const spaced = plain.replaceAll('{"flow"', '{ "flow"');
    const [a, b] = [await run([write("one.jsonl", plain)]), await run([write("two.jsonl", spaced)])];
    const withoutNames = (text: string) => text.replace(/(one|two)\.jsonl/g, "file");
    expect(withoutNames(a.text)).toBe(withoutNames(b.text));
    expect(a.report.recording.answers).toBe(500);
  });

  it("may be a flow history, also one that is written to", async () => {
    const ring = createFlowRing(4095);
    const directory = join(folder, "history", "k8s-w1");
    const limits = { maxBytes: 1 << 20, maxAgeMs: 1e9 };
    const history = openFlowHistory({ directory, ring, limits, run: 1n, now: Date.now, log: () => undefined });
    for (const line of MANY.slice(0, 20)) {
      ring.append({ kind: "flow", flow: fromJson(FlowSchema, JSON.parse(lineOf(line)).flow) });
    }
    await history.flush();
    const { code, report } = await run([join(folder, "history")]);
    expect([code, report.recording.flows]).toEqual([0, 20]);
    expect(report.flows[0]).toMatchObject({
      change: "closed",
      count: 10,
      evidence: [expect.stringMatching(/0000000001\.open:2$/), expect.anything()],
    });
    await history.close();
  });

  it("that is cut, or has lines that are none, says so by line, and all the rest", async () => {
    const text = lines(MANY.slice(0, 10));
    const cut = await run([write("cut.jsonl", text.slice(0, -30))]);
    expect(cut.code).toBe(2);
    expect(complaints).toEqual([expect.stringMatching(/cut\.jsonl:10: not JSON/)]);
    expect(cut.report.recording.flows).toBe(9);
    complaints = [];
    const mixed = await run([write("mixed.jsonl", `starting…\n${text}{"level":"info"}\n\n`)]);
    expect([mixed.code, mixed.report.recording.flows]).toEqual([2, 10]);
    expect(complaints).toEqual([
      expect.stringMatching(/mixed\.jsonl:1: not JSON/),
      expect.stringMatching(/mixed\.jsonl:12: no flow of Hubble/),
    ]);
    complaints = [];
    const packed = gzipSync(lines(MANY), { level: 0 });
    const short = await run([write("short.gz", packed.subarray(0, packed.length / 2))]);
    expect(short.code).toBe(2);
    expect(short.report.recording.flows).toBeGreaterThan(100);
    expect(complaints.at(-1)).toMatch(/cannot be read any further: unexpected end of file/);
  });

  it("without any flow of policy is no ground for an answer", async () => {
    const { code, report } = await run([write("empty.jsonl", "")]);
    expect([code, report.recording.trust]).toEqual([2, "none"]);
  });

  it("with more distinct flows than are kept cannot be trusted", async () => {
    const ports = lines(Array.from({ length: 20 }, (_, port) => ({ port: port + 1 })));
    const { code, report } = await run([write("ports.jsonl", ports)], { maxDistinct: "5" });
    expect([code, report.flows.length]).toEqual([2, 5]);
    expect(report.recording.gaps[0]).toMatch(/^15 flows came after/);
  });
});

describe("the command", () => {
  it("fails on what it is told to", async () => {
    const file = write("few.jsonl", lines(MANY.slice(0, 4)));
    expect((await run([file], { failOn: "opened" })).code).toBe(0);
    expect((await run([file], { failOn: "closed" })).code).toBe(1);
    expect((await run([file], { failOn: "opened,any" })).code).toBe(1);
    await expect(run([file], { failOn: "much" })).rejects.toThrow(
      "--fail-on much: one of opened, closed, unknown, any",
    );
    await expect(run([file], { output: "xml" })).rejects.toThrow("-o xml: one of text, json, markdown");
    await expect(run([])).rejects.toThrow("which flows?");
    await expect(run([join(folder, "none")])).rejects.toThrow("there is no such file");
    await expect(run([file], { maxDistinct: "0" })).rejects.toThrow("--max-distinct 0");
    await expect(run([file], { since: "1h" })).rejects.toThrow("--since is for --server");
  });

  it("answers nothing where a policy is refused", async () => {
    const bad = write("bad.yaml", POLICY.replace("ingress", "ingres"));
    const file = write("few.jsonl", lines(MANY.slice(0, 4)));
    const { code, text } = await run([file], { file: [bad], output: "text" });
    expect([code, text, complaints[0]]).toEqual([2, "", expect.stringContaining("ingres")]);
  });

  it("takes the name of the cluster from the flows", async () => {
    const text = lines(MANY.slice(0, 4)).replaceAll("policy.cluster=default", "policy.cluster=kind-kind");
    expect((await run([write("kind.jsonl", text)])).report.counts).toMatchObject({ closed: 1, unchanged: 1 });
    // pods of another cluster are judged there
    expect((await run([write("kind.jsonl", text)], { clusterName: "other" })).report.counts).toMatchObject({
      closed: 0,
    });
  });

  it("takes no two flows for one, wherever their lines differ", async () => {
    const value = "a".repeat(80);
    const all = Array.from({ length: 80 }, (_, place) => {
      const labels = [
        "k8s:io.kubernetes.pod.namespace=shop",
        `k8s:team=${value.slice(0, place)}b${value.slice(place + 1)}`,
      ];
      return { more: { source: { labels } } };
    });
    const { report } = await run([write("near.jsonl", lines([...all, ...all]))]);
    expect(report.flows).toHaveLength(80);
    expect(new Set(report.flows.map(({ count }: { count: number }) => count))).toEqual(new Set([2]));
  });

  it("reads requests whose lines differ in ids alone", async () => {
    const requests = Array.from({ length: 50 }, (_, at) => ({
      at,
      more: http("GET", "/a", { "X-Request-Id": `id-${at}` }),
    }));
    const { report } = await run([write("ids.jsonl", lines(requests))]);
    expect(report.flows).toMatchObject([{ request: "GET /a", count: 50 }]);
    expect(readFileSync(join(folder, "ids.jsonl"), "utf8")).toContain("id-49");
  });
});
