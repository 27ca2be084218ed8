import { RE2JS } from "re2js";
import { Limits } from "../model/limits.ts";
import { type Token, tokenize } from "./http-regex-token.ts";

/** What is used of a compiled expression; written out, so that declarations need no package. */
interface Regex {
  /** The whole text is of the expression. */
  testExact(text: string): boolean;
  /** It is found anywhere in the text. */
  test(text: string): boolean;
  programSize(): number;
}

/**
 * Compiles an RE2 expression. Throws an Error with RE2's words when it is not RE2's, or when it is too long or makes a
 * program that would take too long to run.
 */
export function compileRegex(expression: string): Regex {
  if (expression.length > Limits.RegexLength) throw new Error(`longer than ${Limits.RegexLength} characters`);
  // Far beyond the limit: not even compiled.
  if (expandedSize(tokenize(expression)) > 10 * Limits.RegexProgramSize) throw tooLarge();
  const compiled = RE2JS.compile(expression);
  if (compiled.programSize() > Limits.RegexProgramSize) throw tooLarge();
  return compiled;
}

/** Expressions that were found good: the same few stand in policies again and again. Bounded, and emptied when full. */
const checked = new Map<string, number>();

/** What compiling a class of characters costs beside an instruction: its ranges are many. */
const CLASS_COST = 50;

/** Returns what compiling costs, in instructions. Throws what `compileRegex` throws. */
export function checkRegex(expression: string): number {
  const known = checked.get(expression);
  if (known !== undefined) return known;
  const classes = expression.match(/\\[pP]/g)?.length ?? 0;
  const cost = compileRegex(expression).programSize() + CLASS_COST * classes;
  if (checked.size >= Limits.CheckedRegexes) checked.clear();
  checked.set(expression, cost);
  return cost;
}

function tooLarge(): Error {
  return new Error(`counted repeats make it larger than ${Limits.RegexProgramSize} instructions`);
}

/** About how many instructions the expression becomes; no less than half of it. */
function expandedSize(tokens: readonly Token[]): number {
  const open: number[] = [];
  let size = 0;
  let atom = 0;
  for (const token of tokens) {
    if (token.kind === "open") {
      open.push(size);
      size = 0;
    } else if (token.kind === "close") {
      atom = size + 2;
      size = (open.pop() ?? 0) + atom;
    } else if (token.kind === "repeat") {
      const times = Math.max(1, token.max === Infinity ? token.min + 1 : token.max);
      size += atom * (times - 1) + 1;
      atom *= times;
    } else {
      atom = 1;
      size += atom;
    }
  }
  return size;
}
