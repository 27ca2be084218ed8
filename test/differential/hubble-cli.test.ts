import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { oracle, skipNote } from "../oracle/cache.ts";
import { FORMATS, KEPT, SELECTIONS } from "../support/hubble-arguments.ts";
import { comparable, ourHubble, runHubble } from "../support/hubble-command.ts";
import { hubbleSample } from "../support/hubble-sample.ts";

/** The real hubble command, when `npm run oracles` has built it. */
const real = oracle("hubble");
const named = (all: readonly (readonly string[])[]) => all.map((args) => [args.join(" "), args] as const);

describe.skipIf("missing" in real)(`beside the real hubble command${skipNote(real)}`, () => {
  const directory = mkdtempSync(join(tmpdir(), "sgt-e-"));
  const file = join(directory, "flows.json");
  const program = "path" in real ? real.path : "";
  const both = async (args: readonly string[], env = {}) => {
    const [theirs, ours] = await Promise.all([runHubble(program, args, env), ourHubble(args, env)]);
    const split = (outcome: typeof ours) => ({ ...comparable(outcome), out: outcome.out.split("\n") });
    return { theirs: split(theirs), ours: split(ours) };
  };

  beforeAll(() => writeFileSync(file, hubbleSample(7, 400)));
  afterAll(() => rmSync(directory, { recursive: true }));

  it.each(named(FORMATS))("prints the same: %s", async (_name, args) => {
    const { ours, theirs } = await both(["observe", "--input-file", file, ...args]);
    expect(theirs.out.length).toBeGreaterThan(200);
    expect(ours).toEqual(theirs);
  });

  it("prints the same of flows alone, as before 0.11", async () => {
    const legacy = { HUBBLE_COMPAT: "legacy-json-output" };
    const { ours, theirs } = await both(["observe", "flows", "--input-file", file, "-o", "json"], legacy);
    expect(ours).toEqual(theirs);
  });

  it.each(named(SELECTIONS))("selects the same: %s", async (_name, args) => {
    const { ours, theirs } = await both(["observe", "--input-file", file, "-o", "json", ...args]);
    expect(ours).toEqual(theirs);
  });

  it.each(named(SELECTIONS))("asks for the same: %s", async (_name, args) => {
    const { ours, theirs } = await both(["observe", "flows", "--print-raw-filters", ...args]);
    expect(theirs.code).toBe(0);
    expect(ours).toEqual(theirs);
  });

  it("what is kept of it for where it cannot be built is what it prints", async () => {
    const kept = fileURLToPath(new URL("../golden/hubble/", import.meta.url));
    await expect(hubbleSample(3, 40)).toMatchFileSnapshot(join(kept, "flows.jsonl"));
    const lines: string[] = [];
    for (const args of KEPT) {
      const outcome = await runHubble(program, ["observe", "--input-file", join(kept, "flows.jsonl"), ...args]);
      lines.push(`${JSON.stringify(comparable(outcome))}\n`);
    }
    await expect(lines.join("")).toMatchFileSnapshot(join(kept, "outcomes.jsonl"));
  });
});
