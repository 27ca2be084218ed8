import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, it } from "vitest";
import { AGENT_ANSWERS } from "../support/agent-answers.ts";
import { AGENT_QUESTIONS } from "../support/agent-questions.ts";
import { AnsweringAgent, comparable } from "../support/cilium-outcome.ts";

const kept = new URL("cilium-dbg/outcomes.jsonl", import.meta.url);
const outcomes = readFileSync(kept, "utf8")
  .trimEnd()
  .split("\n")
  .map((line) => JSON.parse(line) as object);

const agent = new AnsweringAgent(AGENT_ANSWERS);
beforeAll(() => agent.listen());
afterAll(() => agent.close());

// test/differential/cilium-dbg.test.ts holds what is kept to the real command
it.each(AGENT_QUESTIONS.map((args, index) => [args.join(" "), args, index] as const))(
  "cilium %s ends as the real command did",
  async (_name, args, index) => {
    expect(outcomes).toHaveLength(AGENT_QUESTIONS.length);
    expect(comparable(await agent.runOurs(args))).toEqual(outcomes[index]);
  },
);
