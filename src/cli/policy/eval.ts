import { once } from "node:events";
import type { Writable } from "node:stream";
import { formatFieldError } from "../../policy/field.ts";
import { readScenario } from "../../policy/read-scenario.ts";
import { type Answer, evaluateScenario, type Scenario } from "../../policy/scenario.ts";
import { linesOf, type TextSource } from "./input.ts";

export interface EvalOptions {
  /** Whether every answer says why. */
  readonly explain: boolean;
  /** Takes what is wrong, one line at a time. */
  readonly complain: (text: string) => void;
}

/** Characters of one scenario. A world of 10,000 endpoints has some two million. */
const LONGEST_LINE = 64 << 20;
/** Answers are written in pieces of about this many characters. */
const PIECE = 1 << 16;
/** More errors of one line than these help nobody. */
const MOST_ERRORS = 5;

/**
 * Answers the scenarios of a text of JSON lines in their order; blank lines are passed over. A line that cannot be answered is
 * named to `complain` and the rest is answered all the same. True when every line was. Holds one line and one piece at a time.
 */
export async function evaluate(
  source: TextSource,
  out: Writable,
  { explain, complain }: EvalOptions,
  longest = LONGEST_LINE,
): Promise<boolean> {
  let isComplete = true;
  let piece = "";
  const flush = async () => {
    const isFull = !out.write(piece);
    piece = "";
    if (isFull) await once(out, "drain");
  };
  for await (const lines of linesOf(source, longest)) {
    for (const line of lines) {
      const answers = line.text === undefined ? tooLong(longest) : answerLine(line.text, explain);
      if (typeof answers === "string") {
        isComplete = false;
        complain(`line ${line.number}: ${answers}`);
        continue;
      }
      for (const answer of answers) piece += `${JSON.stringify(answer)}\n`;
      if (piece.length >= PIECE) await flush();
    }
    if (piece !== "") await flush();
  }
  return isComplete;
}

function tooLong(longest: number): string {
  return `longer than ${longest} characters: split the scenario`;
}

/** The answers of one line, or why there are none. */
function answerLine(text: string, explain: boolean): readonly Answer[] | string {
  if (text.trim() === "") return [];
  const value = parseJson(text);
  if (value instanceof Error) return `not JSON: ${value.message}`;
  const read = readScenario(value);
  if (!read.ok)
    return read.errors
      .slice(0, MOST_ERRORS)
      .map((error) => formatFieldError(error, "the scenario"))
      .join("; ");
  try {
    return evaluateScenario(explain ? withExplain(read.scenario) : read.scenario);
  } catch (error) {
    return `${read.scenario.id} cannot be computed: ${(error as Error).message}`;
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    return error;
  }
}

function withExplain(scenario: Scenario): Scenario {
  return { ...scenario, config: { ...scenario.config, explain: true } };
}
