import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterEach, expect, it } from "vitest";
import { FlowSchema, Verdict } from "../../proto/gen/flow_pb.js";
import { type GetFlowsRequestSchema, Observer } from "../../proto/gen/observer_pb.js";
import { createFlowRing } from "../flow/index.ts";
import { type FlowHistory, openFlowHistory } from "../history/index.ts";
import { createObserver } from "./index.ts";

const START_MS = 1_790_294_400_000;
const closing: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** An observer with a ring of seven, whose clock stands at the last flow. */
async function observe(directory: string, run: bigint, wrap: (history: FlowHistory) => FlowHistory = (same) => same) {
  const ring = createFlowRing(7);
  let nowMs = START_MS;
  const now = () => nowMs;
  const limits = { maxBytes: 1 << 30, maxAgeMs: 86_400_000 };
  const history = wrap(openFlowHistory({ directory, ring, limits, run, now, log: () => undefined }));
  const observer = createObserver({ ring, nodeName: "default/w1", version: "v0.1.0", now, history });
  await observer.serve([{ host: "127.0.0.1", port: 0 }]);
  const client = createClient(Observer, createGrpcTransport({ baseUrl: `http://127.0.0.1:${observer.port}` }));
  const close = async () => {
    await observer.close();
    await history.close();
  };
  const append = async (uuid: string, seconds: number) => {
    nowMs = START_MS + seconds * 1000;
    const verdict = seconds % 2 === 0 ? Verdict.DROPPED : Verdict.FORWARDED;
    ring.append({ kind: "flow", flow: create(FlowSchema, { uuid, verdict, time: timestampFromMs(nowMs) }) });
    if (seconds % 3 === 0) await history.flush();
  };
  const ask = async (request: MessageInitShape<typeof GetFlowsRequestSchema>, most = 1000) => {
    const found: string[] = [];
    for await (const { responseTypes } of client.getFlows(request)) {
      if (responseTypes.case === "flow") found.push(responseTypes.value.uuid);
      if (responseTypes.case === "lostEvents") found.push(`lost ${responseTypes.value.numEventsLost}`);
      if (found.length === most) break;
    }
    return found;
  };
  return { ring, history, append, ask, close };
}

function directory(): string {
  const path = mkdtempSync(join(tmpdir(), "sgt-hubble-history-"));
  closing.push(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

const at = (seconds: number) => timestampFromMs(START_MS + seconds * 1000);
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => `f${from + i}`);

async function filled(upTo = 40) {
  const made = await observe(directory(), 1n);
  closing.push(made.close);
  for (let i = 1; i <= upTo; i++) await made.append(`f${i}`, i);
  return made;
}

it("reaches beyond the ring with since, each flow once and in order", async () => {
  const { ask } = await filled();
  expect(await ask({ since: at(0) })).toEqual(range(1, 40));
  expect(await ask({ since: at(17) })).toEqual(range(17, 40));
  expect(await ask({ since: at(38) })).toEqual(range(38, 40));
});

it("ends at until, wherever that lies, and tells nothing lost", async () => {
  const { ask } = await filled();
  for (const until of [5, 20, 33, 34, 36, 40, 60])
    expect(await ask({ since: at(3), until: at(until) })).toEqual(range(3, Math.min(40, until)));
});

it("filters, masks and counts what it reads there", async () => {
  const { ask } = await filled();
  expect(await ask({ since: at(0), whitelist: [{ verdict: [Verdict.DROPPED] }], number: 3n })).toEqual([
    "f2",
    "f4",
    "f6",
  ]);
  const uuids = await ask({ since: at(0), fieldMask: { paths: ["verdict"] }, number: 2n });
  expect(uuids).toEqual(["", ""]);
});

it("stays in the ring without since, as Cilium does", async () => {
  const { ask } = await filled();
  expect(await ask({})).toEqual(range(34, 40));
  expect(await ask({ first: true, number: 1n })).toEqual(["f34"]);
});

it("goes over to what comes when it follows", async () => {
  const { ask, append } = await filled();
  const following = ask({ since: at(10), follow: true }, 41);
  for (let i = 41; i <= 50; i++) {
    await new Promise((resolve) => setImmediate(resolve));
    await append(`f${i}`, i);
  }
  expect(await following).toEqual(range(10, 50));
});

it("remembers what the agent before it saw", async () => {
  const path = directory();
  const before = await observe(path, 1n);
  for (let i = 1; i <= 20; i++) await before.append(`f${i}`, i);
  await before.close();
  const after = await observe(path, 2n);
  closing.push(after.close);
  expect(await after.ask({ since: at(15) })).toEqual(range(15, 20));
  for (let i = 21; i <= 24; i++) await after.append(`f${i}`, i);
  expect(await after.ask({ since: at(15) })).toEqual(range(15, 24));
});

it("waits for what is on its way to the disk", async () => {
  const made = await observe(directory(), 1n);
  closing.push(made.close);
  for (let i = 1; i <= 30; i++)
    made.ring.append({ kind: "flow", flow: create(FlowSchema, { uuid: `f${i}`, time: at(i) }) });
  expect(await made.ask({ since: at(0) })).toEqual(range(1, 30));
});

it("passes over files of other times, and gives each flow once", async () => {
  const made = await observe(directory(), 1n);
  closing.push(made.close);
  // an hour and more lies between them: a file for each
  const hours = Array.from({ length: 12 }, (_, i) => (i + 1) * 6000);
  for (const second of hours) await made.append(`f${second / 6000}`, second);
  for (const [since, until] of [
    [1, 3],
    [2, 8],
    [5, 9],
    [1, 12],
    [8, 11],
  ] as const)
    expect(await made.ask({ since: at(since * 6000), until: at(until * 6000) })).toEqual(range(since, until));
});

it("finds what is within the times after the clock went back", async () => {
  const made = await observe(directory(), 1n);
  closing.push(made.close);
  for (const second of [10, 5, 6]) await made.append(`f${second}`, second);
  await made.history.flush();
  expect(await made.ask({ since: at(1), until: at(7), number: 2n })).toEqual(["f5", "f6"]);
});

it("says what neither the history nor the ring has", async () => {
  let hears = true;
  const deafLater = (history: FlowHistory): FlowHistory => ({
    ...history,
    flush: async () => (hears ? history.flush() : undefined),
  });
  const made = await observe(directory(), 1n, deafLater);
  closing.push(made.close);
  await made.append("f1", 1);
  await made.history.flush();
  hears = false;
  for (let i = 2; i <= 12; i++)
    made.ring.append({ kind: "flow", flow: create(FlowSchema, { uuid: `f${i}`, time: at(i) }) });
  expect(await made.ask({ since: at(0) })).toEqual(["f1", "lost 4", ...range(6, 12)]);
});
