import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { afterEach, expect, it } from "vitest";
import { AgentEventSchema, FlowSchema, LostEventSchema } from "../../proto/gen/flow_pb.js";
import { createFlowRing, type FlowRing, type RingEntry } from "../flow/index.ts";
import { type FlowHistory, openFlowHistory } from "./index.ts";
import { openSegmentFile } from "./segments.ts";

const START_MS = 1_790_294_400_000;
const HOUR = 3_600_000;
const closing: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

function directory(): string {
  const path = mkdtempSync(join(tmpdir(), "sgt-flow-history-"));
  closing.push(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

interface World {
  readonly ring: FlowRing;
  readonly history: FlowHistory;
  readonly log: string[];
  nowMs: number;
  add(...names: string[]): Promise<void>;
}

let runs = 0n;

function world(path: string, options: Partial<Parameters<typeof openFlowHistory>[0]> = {}, capacity = 63): World {
  const ring = createFlowRing(capacity);
  const log: string[] = [];
  const made: World = {
    ring,
    log,
    nowMs: START_MS,
    history: openFlowHistory({
      directory: path,
      ring,
      limits: { maxBytes: 1 << 30, maxAgeMs: 24 * HOUR },
      run: ++runs,
      now: () => made.nowMs,
      log: (message) => log.push(message),
      ...options,
    }),
    async add(...names) {
      for (const uuid of names) {
        const flow = create(FlowSchema, { uuid, time: timestampFromMs(made.nowMs) });
        ring.append({ kind: "flow", flow });
      }
      await made.history.flush();
    },
  };
  closing.push(() => made.history.close());
  return made;
}

function word(entry: RingEntry): string {
  return entry.kind === "lost" ? `lost ${entry.lost.numEventsLost}` : entry.kind;
}

async function stored(history: FlowHistory, sinceMs = 0, untilMs = Number.POSITIVE_INFINITY): Promise<string[]> {
  const found: string[] = [];
  const cursor = history.read({ sinceMs, untilMs });
  for (let block = await cursor.next(); block !== undefined; block = await cursor.next()) {
    if (block.missedBefore > 0) found.push(`missed ${block.missedBefore}`);
    for (const entry of block.entries()) {
      found.push(entry.kind === "flow" ? entry.flow.uuid : word(entry));
    }
  }
  return found;
}

const names = (count: number, prefix = "f") => Array.from({ length: count }, (_, i) => `${prefix}${i + 1}`);
const files = (path: string) => readdirSync(path).sort();

it("gives back what the ring took, lost events among it, beyond what the ring holds", async () => {
  const { ring, history, add } = world(directory());
  for (let i = 0; i < 10; i++) await add(...names(20, `${i}-`));
  ring.append({ kind: "lost", lost: create(LostEventSchema, { numEventsLost: 7n }) });
  // what the agent did has a number in the ring, and is not kept
  ring.append({ kind: "agent", event: create(AgentEventSchema), time: timestampFromMs(START_MS) });
  await history.flush();
  const found = await stored(history);
  expect(found).toHaveLength(201);
  expect([found[0], found[199], found[200]]).toEqual(["0-1", "9-20", "lost 7"]);
  expect(history.status()).toMatchObject({ segments: 1, oldestMs: START_MS, lost: 0, damagedBytes: 0 });
});

it("takes a flood in one turn, without what the ring overwrites", async () => {
  const { history, add } = world(directory(), {}, 1023);
  await add(...names(50_000));
  const found = await stored(history);
  expect(found).toHaveLength(50_000);
  expect(found.at(-1)).toBe("f50000");
});

it("is never overtaken by a small ring, and says what a ring that shrinks takes away", async () => {
  const { ring, history } = world(directory(), {}, 127);
  const append = (count: number) => {
    for (let i = 0; i < count; i++)
      ring.append({
        kind: "flow",
        flow: create(FlowSchema, { uuid: String(ring.next), time: timestampFromMs(START_MS) }),
      });
  };
  append(1000);
  ring.resize(7);
  append(1);
  await history.flush();
  const found = await stored(history);
  // 1001 = 15 * 64 + 41: what waited to be encoded when the ring shrank to the last seven
  expect(found.slice(0, 960)).toEqual(Array.from({ length: 960 }, (_, i) => String(i)));
  expect(found.slice(960)).toEqual(["missed 34", ...names(7).map((_, i) => String(994 + i))]);
  expect(history.status().lost).toBe(34);
});

it("goes on after a restart, and tells the runs apart", async () => {
  const path = directory();
  const before = world(path);
  await before.add("old");
  await before.history.close();
  const after = world(path);
  await after.add("new");
  const cursor = after.history.read({ sinceMs: 0, untilMs: Number.POSITIVE_INFINITY });
  expect([(await cursor.next())?.firstSequence, (await cursor.next())?.firstSequence]).toEqual([undefined, 0]);
  expect(await stored(after.history)).toEqual(["old", "new"]);
});

it("leaves out blocks and files outside the times asked for", async () => {
  const made = world(directory());
  for (let hour = 0; hour < 6; hour++) {
    made.nowMs = START_MS + hour * HOUR;
    await made.add(`h${hour}`);
  }
  expect(await stored(made.history, START_MS + 2 * HOUR, START_MS + 3 * HOUR)).toEqual(["h2", "h3"]);
  expect(files.length).toBe(1);
});

it("survives the clock going back", async () => {
  const made = world(directory());
  await made.add("a");
  made.nowMs = START_MS - 5 * HOUR;
  await made.add("b");
  made.nowMs = START_MS - 4 * HOUR;
  await made.add("c");
  expect(await stored(made.history)).toEqual(["a", "b", "c"]);
  expect(await stored(made.history, START_MS - 4 * HOUR)).toContain("c");
  expect(await stored(made.history, START_MS)).toContain("a");
});

it("keeps within its limits of size and age, the newest last", async () => {
  const path = directory();
  const made = world(path, { limits: { maxBytes: 4000, maxAgeMs: 24 * HOUR } });
  for (let i = 1; i <= 100; i++) await made.add(`f${i}`);
  expect(made.history.status().bytes).toBeLessThanOrEqual(4000);
  const found = await stored(made.history);
  expect(found.length).toBeGreaterThan(10);
  expect(found.at(-1)).toBe("f100");
  made.nowMs += 25 * HOUR;
  await made.add("late");
  expect(await stored(made.history)).toEqual(["late"]);
  expect(files(path)).toHaveLength(1);
});

it("takes smaller limits at once that it is given", async () => {
  const made = world(directory());
  for (let hour = 0; hour < 6; hour++) {
    made.nowMs = START_MS + hour * 2 * HOUR;
    await made.add(`f${hour}`);
  }
  made.history.setLimits({ maxBytes: 1 << 30, maxAgeMs: HOUR });
  await made.add("last");
  expect(await stored(made.history)).toEqual(["f5", "last"]);
});

it("keeps nothing, and nothing of before, when it may keep no bytes", async () => {
  const path = directory();
  const made = world(path);
  await made.add("a");
  made.history.setLimits({ maxBytes: 0, maxAgeMs: HOUR });
  await made.add("b");
  expect(files(path)).toEqual([]);
  made.history.setLimits({ maxBytes: 1 << 20, maxAgeMs: HOUR });
  await made.add("c");
  expect(await stored(made.history)).toEqual(["c"]);
});

/** The bytes of a directory with one open segment of three blocks, and where its blocks end. */
async function crashed(): Promise<{ readonly path: string; readonly name: string; readonly ends: readonly number[] }> {
  const path = directory();
  const made = world(path);
  const ends: number[] = [];
  for (const name of ["a", "b", "c"]) {
    await made.add(name);
    ends.push(made.history.status().bytes);
  }
  const copy = directory();
  cpSync(path, copy, { recursive: true });
  return { path: copy, name: files(copy)[0]!, ends };
}

it("loses nothing but the block that was being written, wherever a crash cuts the last segment", async () => {
  const { path, name, ends } = await crashed();
  const whole = readFileSync(join(path, name));
  for (let bytes = 0; bytes <= whole.length; bytes++) {
    const cut = directory();
    writeFileSync(join(cut, name), whole.subarray(0, bytes));
    const { history, log } = world(cut);
    expect(await stored(history)).toEqual(["a", "b", "c"].slice(0, ends.filter((end) => end <= bytes).length));
    await history.close();
    const again = world(cut);
    await stored(again.history);
    expect([...log, ...again.log]).toEqual([]);
    await again.history.close();
  }
});

it("leaves out what is damaged, says so, and reads on", async () => {
  const { path, name, ends } = await crashed();
  const whole = readFileSync(join(path, name));
  for (let at = 0; at < whole.length; at++) {
    const damagedPath = directory();
    const bytes = Buffer.from(whole);
    bytes[at]! ^= 0x41;
    const sealed = `0000000001-${START_MS}-${START_MS}.flows`;
    writeFileSync(join(damagedPath, sealed), bytes);
    const { history, log } = world(damagedPath);
    const hit = ends.findIndex((end) => at < end);
    const expected = ["a", "b", "c"].filter((_, index) => index !== hit);
    const found = await stored(history);
    // the unused word of a header is covered by the checksum too
    expect(found, `byte ${at}`).toEqual(expected);
    expect(history.status().damagedBytes, `byte ${at}`).toBeGreaterThan(0);
    expect(log[0]).toMatch(/damaged bytes/);
    await history.close();
  }
});

it("reads on after bytes that were put in between", async () => {
  const { path, name, ends } = await crashed();
  const whole = readFileSync(join(path, name));
  const junk = Buffer.concat([Buffer.from("SGF1"), Buffer.alloc(200_000, 7)]);
  writeFileSync(join(path, name), Buffer.concat([whole.subarray(0, ends[0]), junk, whole.subarray(ends[0])]));
  const { history } = world(path);
  expect(await stored(history)).toEqual(["a", "b", "c"]);
  expect(history.status().damagedBytes).toBe(junk.length);
});

/** A disk that takes nothing while `full`. */
function fullDisk() {
  const disk = { full: false, once: false, halfWritten: false, code: "ENOSPC" };
  const openFile: typeof openSegmentFile = async (path) => {
    const file = await openSegmentFile(path);
    return {
      ...file,
      write: async (bytes, position) => {
        if (!disk.full && !disk.once) return file.write(bytes, position);
        disk.once = false;
        if (disk.halfWritten) await file.write(bytes.subarray(0, bytes.length / 2), position);
        throw Object.assign(new Error(`${disk.code}: write`), { code: disk.code });
      },
    };
  };
  return { disk, openFile };
}

it("stands still while the disk is full, says so once, counts, and goes on", async () => {
  const { disk, openFile } = fullDisk();
  const path = directory();
  const made = world(path, { openFile });
  await made.add("a");
  disk.full = true;
  disk.code = "EIO";
  disk.halfWritten = true;
  await made.add("b");
  await made.add("c");
  expect(made.history.status()).toMatchObject({ lost: 2, failure: expect.stringContaining("EIO") });
  expect(made.log.filter((line) => line.includes("stands still"))).toHaveLength(1);
  expect(made.ring.next).toBe(3);
  disk.full = false;
  made.nowMs += 31_000;
  await made.add("d");
  expect(made.history.status().failure).toBeUndefined();
  expect(made.log.at(-1)).toContain("2 flows were not kept");
  expect(await stored(made.history)).toEqual(["a", "missed 2", "d"]);
  await made.history.close();
  const after = world(path);
  expect(await stored(after.history)).toEqual(["a", "d"]);
  expect(after.history.status().damagedBytes).toBe(0);
});

it("makes room on a full disk by what is oldest", async () => {
  const { disk, openFile } = fullDisk();
  const made = world(directory(), { openFile });
  await made.add("a");
  made.nowMs += 2 * HOUR;
  await made.add("b");
  disk.once = true;
  await made.add("c");
  expect(made.history.status()).toMatchObject({ lost: 0, failure: undefined });
  expect(await stored(made.history)).toEqual(["b", "c"]);
});

it("deletes what is too old when nothing comes any more", async () => {
  const path = directory();
  const made = world(path);
  await made.add("a");
  made.nowMs += 30 * HOUR;
  await made.history.flush();
  expect(files(path)).toEqual([]);
});

it("does not write into a directory that it cannot make, and never throws", async () => {
  const path = directory();
  writeFileSync(join(path, "file"), "");
  const made = world(join(path, "file"));
  await made.add("a");
  expect(made.history.status().failure).toBeDefined();
  expect(await stored(made.history)).toEqual([]);
});

it("reads while it is written, over the end of a segment", async () => {
  const made = world(directory(), { limits: { maxBytes: 16 * 700, maxAgeMs: 24 * HOUR } });
  const cursor = made.history.read({ sinceMs: 0, untilMs: Number.POSITIVE_INFINITY });
  const found: string[] = [];
  for (let i = 1; i <= 40; i++) {
    const adding = made.add(`f${i}`);
    for (let block = await cursor.next(); block !== undefined; block = await cursor.next())
      for (const entry of block.entries()) if (entry.kind === "flow") found.push(entry.flow.uuid);
    await adding;
  }
  for (let block = await cursor.next(); block !== undefined; block = await cursor.next())
    for (const entry of block.entries()) if (entry.kind === "flow") found.push(entry.flow.uuid);
  expect(found).toEqual(names(40));
  expect(made.history.status().segments).toBeGreaterThan(2);
});
