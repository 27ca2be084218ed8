import { labelValueProblems, qualifiedNameProblems } from "../schema/rules/names.ts";
import { badRequest } from "../status.ts";

const OPERATORS = ["in", "notin", "=", "==", "!=", ">", "<"] as const;
/** As refusals list them. */
const OPERATOR_WORDS = "in, notin, =, ==, !=, gt, lt";

interface Requirement {
  readonly key: string;
  readonly operator: (typeof OPERATORS)[number] | "exists" | "absent";
  /** In order, each once. */
  readonly values: readonly string[];
}

export type LabelSelector = (labels: Readonly<Record<string, string>> | undefined) => boolean;

const TOKEN = /==|!=|[=!(),<>]|[^\s=!(),<>]+/g;
const END = "";

/** A selector's words one after another; the refusals are worded as apimachinery's. */
class Words {
  readonly #words: readonly string[];
  #place = 0;

  constructor(text: string) {
    this.#words = text.match(TOKEN) ?? [];
  }

  next(): string {
    return this.#words[this.#place] ?? END;
  }

  take(): string {
    const word = this.next();
    this.#place++;
    return word;
  }

  /** Takes the next word, which must be a name. */
  name(expected: string): string {
    const word = this.take();
    if (!isName(word)) throw found(word, `, expected: ${expected}`);
    return word;
  }
}

const isName = (word: string): boolean => /^[^=!(),<>]/.test(word);
const found = (word: string, wish: string): Error => new Error(`found '${word}'${wish}`);

/** The values between parentheses; an empty one where there is nothing between commas. */
function parseValues(words: Words): string[] {
  const open = words.take();
  if (open !== "(") throw found(open, " expected: '('");
  const values: string[] = [];
  let before = open;
  for (;;) {
    const word = words.take();
    const isEnd = word === "," || word === ")";
    if (isEnd && (before === "(" || before === ",")) values.push("");
    else if (isName(word) && !isName(before)) values.push(word);
    else if (!isEnd) throw found(word, wishAfter(before));
    if (word === ")") return [...new Set(values)].sort();
    before = word;
  }
}

function wishAfter(before: string): string {
  if (before === "(") return ", expected: ',', ')' or identifier";
  return before === "," ? ", expected: ',', or identifier" : ", expected: ',' or ')'";
}

function parseRequirement(words: Words): Requirement {
  const isAbsent = words.next() === "!";
  if (isAbsent) words.take();
  const key = words.name("identifier");
  const [problem] = keyProblems(key);
  if (problem !== undefined) throw new Error(problem);
  if (isAbsent) return { key, operator: "absent", values: [] };
  if (words.next() === END || words.next() === ",") return { key, operator: "exists", values: [] };
  const word = words.take();
  const operator = OPERATORS.find((known) => known === word);
  if (operator === undefined) throw found(word, `, expected: ${OPERATOR_WORDS}`);
  if (operator === "in" || operator === "notin") return { key, operator, values: parseValues(words) };
  const isEmpty = words.next() === END || words.next() === ",";
  return { key, operator, values: [isEmpty ? "" : words.name("identifier")] };
}

function keyProblems(key: string): string[] {
  const problems = qualifiedNameProblems(key);
  return problems.length === 0 ? [] : [`<nil>: Invalid value: ${JSON.stringify(key)}: ${problems.join("; ")}`];
}

const isInteger = (text: string): boolean => /^[-+]?\d+$/.test(text);

function valueProblems({ key, operator, values }: Requirement): string[] {
  const isOrder = operator === ">" || operator === "<";
  const bad = (place: string, value: string, why: string): string =>
    `values${place}: Invalid value: ${JSON.stringify(value)}: ${why}`;
  const unordered = values.flatMap((value, index) =>
    isOrder && !isInteger(value)
      ? [bad(`[${index}]`, value, "for 'Gt', 'Lt' operators, the value must be an integer")]
      : [],
  );
  const unfit = values.flatMap((value, index) => {
    const problems = labelValueProblems(value);
    return problems.length === 0 ? [] : [bad(`[${index}][${key}]`, value, problems.join("; "))];
  });
  return [...unordered, ...unfit];
}

function parse(text: string): Requirement[] {
  const words = new Words(text);
  const requirements: Requirement[] = [];
  if (words.next() === END) return requirements;
  if (!isName(words.next()) && words.next() !== "!")
    throw found(words.next(), ", expected: !, identifier, or 'end of string'");
  for (;;) {
    try {
      const requirement = parseRequirement(words);
      const problems = valueProblems(requirement);
      if (problems.length > 0) throw new Error(problems.length > 1 ? `[${problems.join(", ")}]` : problems[0]);
      requirements.push(requirement);
    } catch (error) {
      throw new Error(`unable to parse requirement: ${(error as Error).message}`);
    }
    const word = words.take();
    if (word === END) return requirements;
    if (word !== ",") throw found(word, ", expected: ',' or 'end of string'");
    if (!isName(words.next()) && words.next() !== "!") throw found(words.next(), ", expected: identifier after ','");
  }
}

function meets({ key, operator, values }: Requirement, labels: Readonly<Record<string, string>>): boolean {
  const value = labels[key];
  switch (operator) {
    case "exists":
      return value !== undefined;
    case "absent":
      return value === undefined;
    case "notin":
    case "!=":
      return value === undefined || !values.includes(value);
    case ">":
      return value !== undefined && isInteger(value) && Number(value) > Number(values[0]);
    case "<":
      return value !== undefined && isInteger(value) && Number(value) < Number(values[0]);
    default:
      return value !== undefined && values.includes(value);
  }
}

/** A label selector from its text, as in `a=b,c in (d,e),!f`; empty text selects all. Throws 400 in Kubernetes' words. */
export function parseLabelSelector(text: string | null | undefined): LabelSelector {
  try {
    const requirements = parse(text ?? "");
    return (labels) => requirements.every((requirement) => meets(requirement, labels ?? {}));
  } catch (error) {
    throw badRequest((error as Error).message);
  }
}
