import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { oracle, skipNote } from "../oracle/cache.ts";
import { AGENT_ANSWERS } from "../support/agent-answers.ts";
import { AGENT_QUESTIONS } from "../support/agent-questions.ts";
import { AnsweringAgent, comparable } from "../support/cilium-outcome.ts";

const real = oracle("cilium-dbg");
const why = skipNote(real);

describe.skipIf("missing" in real)(`cilium says what the real cilium-dbg says${why}`, () => {
  const program = "path" in real ? real.path : "";
  const agent = new AnsweringAgent(AGENT_ANSWERS);
  const kept: string[] = [];
  beforeAll(() => agent.listen());
  afterAll(() => agent.close());

  it.each(AGENT_QUESTIONS.map((args) => [args.join(" "), args] as const))("%s", async (_name, args) => {
    const theirs = comparable(await agent.run(program, args));
    kept.push(`${JSON.stringify(theirs)}\n`);
    expect(comparable(await agent.runOurs(args))).toEqual(theirs);
  });

  it("what is kept of it for where it cannot be built is what it says", async () => {
    const file = fileURLToPath(new URL("../golden/cilium-dbg/outcomes.jsonl", import.meta.url));
    expect(kept).toHaveLength(AGENT_QUESTIONS.length);
    await expect(kept.join("")).toMatchFileSnapshot(file);
  });
});
