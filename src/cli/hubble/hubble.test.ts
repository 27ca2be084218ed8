import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, expect, it } from "vitest";
import { FlowSchema } from "../../../proto/gen/flow_pb.js";
import { createFlowRing } from "../../flow/index.ts";
import { createObserver, createRelay } from "../../hubble/index.ts";

const MAIN = fileURLToPath(new URL("../hubble.ts", import.meta.url));
const ring = createFlowRing(1023);
const observer = createObserver({ ring, nodeName: "default/k8s-w1", version: "v0.1.0", now: Date.now });
let closeRelay = async () => {};
let server = "";

function append(summary: string, source = "xwing"): void {
  const flow = create(FlowSchema, {
    time: timestampFromMs(Date.now()),
    nodeName: "default/k8s-w1",
    verdict: 2,
    eventType: { type: 1, subType: 133 },
    IP: { source: "10.0.0.1", destination: "10.0.0.2" },
    source: { identity: 10135, namespace: "default", podName: source },
    destination: { identity: 318 },
    Summary: summary,
  });
  ring.append({ kind: "flow", flow });
}

beforeAll(async () => {
  await observer.serve([{ host: "127.0.0.1", port: 0 }]);
  const peers = [{ name: "default/k8s-w1", address: `127.0.0.1:${observer.port}` }];
  const relay = createRelay({ peers, version: "v0.1.0", now: Date.now, nodeName: "relay" });
  await relay.serve([{ host: "127.0.0.1", port: 0 }]);
  closeRelay = () => relay.close();
  server = `127.0.0.1:${relay.port}`;
  for (let i = 0; i < 500; i++) append(`flow ${i}`);
});
afterAll(async () => {
  await closeRelay();
  await observer.close();
});

function start(...args: string[]) {
  return spawn(process.execPath, [MAIN, ...args], { env: { ...process.env, HUBBLE_SERVER: server } });
}

function hubble(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const child = start(...args);
  let out = "";
  let err = "";
  child.stdout.on("data", (chunk) => {
    out += chunk;
  });
  child.stderr.on("data", (chunk) => {
    err += chunk;
  });
  child.stdin.end();
  return new Promise((resolve) => child.on("close", (code) => resolve({ code, out, err })));
}

it("observe prints the last 20 flows, uncoloured into a pipe", async () => {
  const { code, out, err } = await hubble("observe");
  const lines = out.trimEnd().split("\n");
  expect({ code, err, count: lines.length }).toEqual({ code: 0, err: "", count: 20 });
  expect(lines.at(-1)).toMatch(
    /^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d\.\d{3}: default\/xwing \(ID:10135\) <> 10\.0\.0\.2 \(ID:318\) Policy denied DROPPED \(flow 499\)$/,
  );
});

it("observe filters on the server, and refuses bad filters with its words", async () => {
  append("needle", "tiefighter");
  expect((await hubble("observe", "--from-pod", "tiefighter", "--print-node-name")).out).toMatch(
    /^\S+ +\S+ \S+ \[default\/k8s-w1\]: default\/tiefighter .*\(needle\)\n$/,
  );
  expect(await hubble("observe", "--protocol", "quic")).toMatchObject({
    code: 1,
    out: "",
    err: expect.stringContaining('unknown protocol: "quic"\n'),
  });
});

it("observe -f prints as flows come and ends with Ctrl-C and exit 0", async () => {
  const child = start("observe", "-f", "--from-pod", "live");
  const done = new Promise<number | null>((resolve) => child.on("close", resolve));
  let out = "";
  const line = new Promise<void>((resolve) =>
    child.stdout.on("data", (chunk) => {
      out += chunk;
      resolve();
    }),
  );
  const feeding = setInterval(() => append("now", "live"), 50);
  await line;
  clearInterval(feeding);
  child.kill("SIGINT");
  expect(await done).toBe(0);
  expect(out).toContain("default/live");
});

it("a reader that has enough ends observe without an error", async () => {
  const child = start("observe", "--all", "-o", "json");
  let err = "";
  child.stderr.on("data", (chunk) => {
    err += chunk;
  });
  child.stdout.once("data", () => child.stdout.destroy());
  expect(await new Promise((resolve) => child.on("close", resolve))).toBe(0);
  expect(err).toBe("");
});

it("status, nodes, namespaces, version", async () => {
  expect((await hubble("status")).out).toMatch(
    /^Healthcheck \(via 127\.0\.0\.1:\d+\): Ok\nCurrent\/Max Flows: \d+\/1,023 \(\d+\.\d\d%\)\nFlows\/s: [\d.]+\nConnected Nodes: 1\/1\n$/,
  );
  expect((await hubble("list", "nodes")).out).toMatch(
    /^NAME {13}STATUS {6}AGE {3,}FLOWS\/S {3,}CURRENT\/MAX-FLOWS\ndefault\/k8s-w1 {3}Connected /,
  );
  expect((await hubble("list", "namespaces")).out).toBe("NAMESPACE\ndefault\n");
  expect((await hubble("--server", server, "version")).out).toMatch(/^hubble v/);
});

it("says what is wrong and what to do", async () => {
  expect(await hubble("observe", "--bogus")).toMatchObject({
    code: 1,
    out: "",
    err: "unknown flag: --bogus\n",
  });
  expect(await hubble("bogus")).toMatchObject({
    code: 1,
    err: 'unknown command "bogus" for "hubble"\n',
  });
  expect(await hubble("observe", "--server", "127.0.0.1:9")).toMatchObject({
    code: 1,
    err: 'rpc error: code = Unavailable desc = connection error: desc = "transport: Error while dialing: dial tcp 127.0.0.1:9: connect: connection refused"\n',
  });
  const forwarded = await hubble("observe", "-P");
  expect(forwarded).toMatchObject({ code: 1, err: expect.stringContaining("--port-forward is not supported") });
});
