import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { KEPT } from "../support/hubble-arguments.ts";
import { comparable, type Outcome, ourHubble } from "../support/hubble-command.ts";

const kept = (name: string) => fileURLToPath(new URL(`hubble/${name}`, import.meta.url));
const outcomes = readFileSync(kept("outcomes.jsonl"), "utf8")
  .trimEnd()
  .split("\n")
  .map((line) => JSON.parse(line) as Outcome);

// test/differential/hubble-cli.test.ts holds what is kept to the real command
it.each(KEPT.map((args, i) => [args.join(" "), args, outcomes[i]] as const))(
  "hubble observe %s ends as the real command did",
  async (_name, args, outcome) => {
    expect(outcomes).toHaveLength(KEPT.length);
    const ours = comparable(await ourHubble(["observe", "--input-file", kept("flows.jsonl"), ...args]));
    expect({ ...ours, out: ours.out.split("\n") }).toEqual({ ...outcome, out: outcome?.out.split("\n") });
  },
);
