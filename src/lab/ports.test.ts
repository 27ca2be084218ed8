import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type LabPaths, labPaths } from "./paths.ts";
import { choosePorts, readPorts } from "./ports.ts";

const scratch = mkdtempSync(join(tmpdir(), "shieldgate-ports-"));
let labs: LabPaths[] = [];

beforeEach(() => {
  labs = ["a", "b"].map((name) => {
    const paths = labPaths(`${name}${process.pid}`);
    const run = join(scratch, "run", paths.lab);
    const state = join(scratch, "state", paths.lab);
    for (const directory of [run, state]) mkdirSync(directory, { recursive: true });
    return { ...paths, run, state, ports: join(state, "ports.json"), claimedPorts: join(run, "ports.json") };
  });
});
afterEach(() => rmSync(scratch, { recursive: true }));

test("labs that start at the same moment choose different ports, though none listens yet", async () => {
  const chosen = await Promise.all(labs.map(choosePorts));
  expect(new Set(chosen.flatMap(Object.values)).size).toBe(4);
  expect(labs.map(readPorts)).toEqual(chosen);
});

test("a lab has its ports again, unless another has just chosen them", async () => {
  const [one, other] = labs as [LabPaths, LabPaths];
  const first = await choosePorts(one);
  expect(await choosePorts(one)).toEqual(first);
  writeFileSync(other.claimedPorts, JSON.stringify(first));
  expect(Object.values(await choosePorts(one))).not.toContain(first.apiServer);
  writeFileSync(one.ports, JSON.stringify(first));
  utimesSync(other.claimedPorts, 0, 0); // whoever chose them long ago listens, or is gone
  expect(await choosePorts(one)).toEqual(first);
});
