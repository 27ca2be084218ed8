import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { createFlowRing } from "../flow/index.ts";
import { openFlowHistory } from "./index.ts";

const WRITER = join(import.meta.dirname, "../../test/support/flow-history-writer.ts");
/** Of the writer's own clock: several blocks are on the disk by then. */
const LIFE_MS = 1800;
const MAY_BE_LOST_MS = 1000;

/** Lets a process write until it has lived so long, kills it, and gives the time of its last flow. */
async function killedWriter(directory: string): Promise<number> {
  const writer = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", WRITER, directory]);
  let said = "";
  let began: number | undefined;
  writer.stdout.on("data", (chunk) => {
    said += chunk;
    const now = Number(said.trim().split("\n").at(-1)?.split(" ")[1]);
    began ??= now;
    if (now - began > LIFE_MS) writer.kill("SIGKILL");
  });
  await once(writer, "close");
  const whole = said.slice(0, said.lastIndexOf("\n")).split("\n").at(-1)!;
  return Number(whole.split(" ")[1]);
}

it("has all but the last second of a process that was killed while it wrote", async () => {
  const directory = mkdtempSync(join(tmpdir(), "sgt-flow-crash-"));
  try {
    const lastMs = await killedWriter(directory);
    const log: string[] = [];
    const history = openFlowHistory({
      directory,
      ring: createFlowRing(1),
      limits: { maxBytes: 1 << 30, maxAgeMs: 86_400_000 },
      run: 1n,
      now: Date.now,
      log: (message) => log.push(message),
    });
    const cursor = history.read({ sinceMs: 0, untilMs: Number.POSITIVE_INFINITY });
    const numbers: number[] = [];
    let storedMs = 0;
    for (let block = await cursor.next(); block !== undefined; block = await cursor.next())
      for (const entry of block.entries()) {
        if (entry.kind !== "flow") continue;
        numbers.push(Number(entry.flow.uuid));
        storedMs = Number(entry.flow.time?.seconds) * 1000 + (entry.flow.time?.nanos ?? 0) / 1e6;
      }
    await history.close();
    expect(numbers).toEqual(Array.from({ length: numbers.length }, (_, index) => index));
    expect(numbers.length).toBeGreaterThan(0);
    expect(lastMs - storedMs).toBeLessThanOrEqual(MAY_BE_LOST_MS);
    expect(log).toEqual([]);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
