import { parseCidr } from "../../model/cidr.ts";
import { equalJson, isFields } from "../object.ts";
import type { SchemaNode } from "./node.ts";

/**
 * The part of the Common Expression Language that rules of definitions use most: `self.a.b`, `has(…)`, `size(…)`, `isCIDR(…)`,
 * literals, comparisons, `&&`, `||`, `!`, parentheses and `x in [..]`. Whatever has more is read by `cel-whole.ts`.
 */
type Expression = (self: unknown) => unknown;

/** The rule uses a part of the language that is not served here. */
export class UnsupportedRuleError extends Error {
  constructor(rule: string, at: string) {
    super(
      `the rule \`${rule}\` uses \`${at}\`, which this server does not evaluate; use has(), size(), in and comparisons`,
    );
    this.name = "UnsupportedRuleError";
  }
}

const TOKEN = /\s*(&&|\|\||==|!=|<=|>=|[<>!()[\],.]|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\d+(?:\.\d+)?|[A-Za-z_]\w*)/y;

function tokens(rule: string): string[] {
  const found: string[] = [];
  TOKEN.lastIndex = 0;
  for (let at = 0; at < rule.trimEnd().length; at = TOKEN.lastIndex) {
    const match = TOKEN.exec(rule);
    if (!match) throw new UnsupportedRuleError(rule, rule.slice(at).trim());
    found.push(match[1]!);
  }
  return found;
}

const MISSING = Symbol("missing");

const comparisons: Readonly<Record<string, (a: unknown, b: unknown) => boolean>> = {
  "==": (a, b) => equalJson(a, b),
  "!=": (a, b) => !equalJson(a, b),
  "<": (a, b) => (a as number) < (b as number),
  "<=": (a, b) => (a as number) <= (b as number),
  ">": (a, b) => (a as number) > (b as number),
  ">=": (a, b) => (a as number) >= (b as number),
  in: (a, b) => (Array.isArray(b) ? b.some((item) => equalJson(item, a)) : isFields(b) && Object.hasOwn(b, String(a))),
};

function sizeOf(value: unknown): number {
  if (typeof value === "string") return [...value].length;
  if (Array.isArray(value)) return value.length;
  return isFields(value) ? Object.keys(value).length : 0;
}

function isCidr(value: unknown): boolean {
  return typeof value === "string" && value.includes("/") && parseCidr(value) !== undefined;
}

class Parser {
  readonly #rule: string;
  readonly #tokens: string[];
  #at = 0;

  constructor(rule: string) {
    this.#rule = rule;
    this.#tokens = tokens(rule);
  }

  parse(): Expression {
    const expression = this.#or();
    if (this.#at < this.#tokens.length) this.#refuse();
    return expression;
  }

  #refuse(): never {
    throw new UnsupportedRuleError(this.#rule, this.#tokens[this.#at] ?? "the end");
  }

  #take(token: string): boolean {
    if (this.#tokens[this.#at] !== token) return false;
    this.#at++;
    return true;
  }

  #expect(token: string): void {
    if (!this.#take(token)) this.#refuse();
  }

  #or(): Expression {
    let left = this.#and();
    while (this.#take("||")) {
      const [first, second] = [left, this.#and()];
      left = (self) => first(self) === true || second(self) === true;
    }
    return left;
  }

  #and(): Expression {
    let left = this.#comparison();
    while (this.#take("&&")) {
      const [first, second] = [left, this.#comparison()];
      left = (self) => first(self) === true && second(self) === true;
    }
    return left;
  }

  #comparison(): Expression {
    const left = this.#unary();
    const compare = comparisons[this.#tokens[this.#at] ?? ""];
    if (!compare) return left;
    this.#at++;
    const right = this.#unary();
    return (self) => compare(left(self), right(self));
  }

  #unary(): Expression {
    if (!this.#take("!")) return this.#primary();
    const inner = this.#unary();
    return (self) => inner(self) !== true;
  }

  #primary(): Expression {
    if (this.#take("(")) {
      const inner = this.#or();
      this.#expect(")");
      return inner;
    }
    if (this.#take("[")) return this.#list();
    if (this.#take("has")) return this.#call((value) => value !== MISSING && value !== undefined);
    if (this.#take("size")) return this.#call(sizeOf);
    if (this.#take("isCIDR")) return this.#call(isCidr);
    if (this.#take("self")) return this.#selection();
    return this.#literal();
  }

  #call(compute: (value: unknown) => unknown): Expression {
    this.#expect("(");
    const argument = this.#or();
    this.#expect(")");
    return (self) => compute(argument(self));
  }

  #list(): Expression {
    const items: Expression[] = [];
    while (!this.#take("]")) {
      items.push(this.#or());
      if (!this.#take(",") && this.#tokens[this.#at] !== "]") this.#refuse();
    }
    return (self) => items.map((item) => item(self));
  }

  #selection(): Expression {
    const keys: string[] = [];
    while (this.#take(".")) {
      const key = this.#tokens[this.#at++];
      if (key === undefined || !/^[A-Za-z_]\w*$/.test(key) || key.includes("__") || this.#tokens[this.#at] === "(")
        this.#refuse();
      keys.push(key);
    }
    return (self) => keys.reduce<unknown>((value, key) => (isFields(value) ? value[key] : MISSING), self);
  }

  #literal(): Expression {
    const token = this.#tokens[this.#at];
    const constants: Readonly<Record<string, unknown>> = { true: true, false: false, null: null };
    if (token === undefined) this.#refuse();
    let value: unknown;
    if (token in constants) value = constants[token];
    else if (/^\d/.test(token)) value = Number(token);
    else if (/^["']/.test(token)) value = token.slice(1, -1).replace(/\\(.)/g, "$1");
    else this.#refuse();
    this.#at++;
    return () => value;
  }
}

/** A rule: true when the value keeps it; false, or why it could not be told. What is no truth value is given as text. */
export type Rule = (node: SchemaNode, self: unknown, old: unknown) => boolean | string;

let compileWhole: typeof import("./cel-whole.ts").compileWhole | undefined;
let checks: typeof import("./cel-check.ts") | undefined;

function rulesIn(value: unknown): string[] {
  if (typeof value !== "object" || value === null) return [];
  const { rule, messageExpression } = value as { rule?: unknown; messageExpression?: unknown };
  const own = [rule, messageExpression].filter((text) => typeof text === "string");
  return [...own, ...Object.values(value).flatMap(rulesIn)];
}

function isSmall(rule: string): boolean {
  try {
    new Parser(rule).parse();
    return true;
  } catch {
    return false;
  }
}

/** Loads the whole language if a rule somewhere in the value needs it: few do, and it takes longer than all else at the start. */
export async function loadRules(value: unknown): Promise<void> {
  if (compileWhole !== undefined || rulesIn(value).every(isSmall)) return;
  ({ compileWhole } = await import("./cel-whole.ts"));
}

/** Loads what judges rules that somebody writes: `ruleFault` answers from then on. */
export async function loadRuleChecks(value: unknown): Promise<void> {
  if (rulesIn(value).length === 0) return;
  await loadRules(value);
  checks ??= await import("./cel-check.ts");
}

/** What is wrong with a rule in the schema where it stands; undefined when nothing is, or nobody has loaded the checks. */
export const ruleFault: NonNullable<typeof checks>["ruleFault"] = (...about) => checks?.ruleFault(...about);

/** What judges what rules cost; undefined when nobody has loaded it. */
export const ruleCosts = (): Pick<NonNullable<typeof checks>, "ruleCost" | "mostValues"> | undefined => checks;

const compiled = new Map<string, Rule>();

/** Reads a rule; `isOptional` when it is asked of new values too (`optionalOldSelf`). Throws an error that names the part that is not served. */
export function compileRule(rule: string, isOptional = false): Rule {
  const key = `${isOptional}${rule}`;
  const known = compiled.get(key);
  if (known) return known;
  const made = compileWhole && !isSmall(rule) ? compileWhole(rule, isOptional) : small(rule);
  compiled.set(key, made);
  return made;
}

function small(rule: string): Rule {
  const expression = new Parser(rule).parse();
  return (_node, self) => {
    const answer = expression(self);
    return answer === true || (typeof answer === "string" ? answer : false);
  };
}
