/**
 * The grammar of `-o jsonpath=`, kubectl's dialect: text, and in braces steps, quoted texts, `range` and `end`.
 */
export type Step =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "literal"; readonly value: number | boolean }
  | { readonly kind: "field"; readonly name: string }
  | { readonly kind: "all" }
  | { readonly kind: "deep" }
  | {
      readonly kind: "slice";
      readonly from: number | undefined;
      readonly to: number | undefined;
      readonly step: number | undefined;
      readonly isOne: boolean;
    }
  | { readonly kind: "union"; readonly of: readonly (readonly Step[])[] }
  | {
      readonly kind: "filter";
      readonly left: readonly Step[];
      readonly operator: string;
      readonly right: readonly Step[];
    }
  | { readonly kind: "word"; readonly name: string };

/** What stands between two braces, or a text outside. */
export type Part = readonly Step[];

/** What is wrong, in the words of kubectl's library. */
export class JsonPathError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "JsonPathError";
  }
}

const refuse = (message: string): never => {
  throw new JsonPathError(message);
};

const FIELD = /(?:\\.|[^\s.,[\]$@{}\\])*/suy;
const WORD = /[\p{L}\p{Nd}_][^\s.,[\]$@{}]*/uy;
const NUMBER = /[-+]?[\d.]+/y;
const BRACKET = /\[([^\]\n]*)\]/y;
const FILTER_START = /\[\?\(/y;
const SLICE = /^(-?\d*)(:-?\d*)?(:-?\d*)?$/;
const COMPARISON = /^([^!<>=]+)([!<>=]+)(.+)$/s;
const ESCAPES: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r", a: "\x07", b: "\b", f: "\f", v: "\v" };

class Reader {
  private readonly text: string;
  at = 0;

  constructor(text: string) {
    this.text = text;
  }

  /** The match at this place, which is passed. */
  take(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.at;
    const match = pattern.exec(this.text) ?? undefined;
    if (match) this.at = pattern.lastIndex;
    return match;
  }

  /** Everything up to the next brace that opens. */
  plain(): string {
    const end = this.text.indexOf("{", this.at);
    const text = this.text.slice(this.at, end < 0 ? undefined : end);
    this.at += text.length;
    return text;
  }

  get isAtEnd(): boolean {
    return this.at >= this.text.length;
  }

  /** The character at this place, empty at the end. */
  get next(): string {
    return this.text.charAt(this.at);
  }

  /** A text in quotes; the quote is at this place. */
  quoted(): string {
    const quote = this.next;
    const start = this.at++;
    while (!(this.next === quote && this.text[this.at - 1] !== "\\")) {
      if (this.isAtEnd || this.next === "\n") refuse("unterminated quoted string");
      this.at++;
    }
    this.at++;
    const inner = this.text.slice(start + 1, this.at - 1);
    return inner.replace(/\\(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|.)/gs, (_, code: string) =>
      code.length > 1 ? String.fromCodePoint(Number.parseInt(code.slice(1), 16)) : (ESCAPES[code] ?? code),
    );
  }

  /** What is in `[?( … )]`, whose beginning is passed: a `)` in quotes does not end it. */
  filter(): string {
    const start = this.at;
    let quote = "";
    for (; ; this.at++) {
      if (this.isAtEnd || this.next === "\n") refuse("unterminated filter");
      const isEscaped = this.text[this.at - 1] === "\\";
      if (quote === "" && this.next === ")") break;
      if (quote === "" && (this.next === '"' || this.next === "'")) quote = this.next;
      else if (this.next === quote && !isEscaped) quote = "";
    }
    const end = this.at++;
    if (!this.take(/\]/y)) refuse("unclosed array expect ]");
    return this.text.slice(start, end);
  }
}

function field(reader: Reader): Step {
  const name = reader.take(FIELD)?.[0] ?? "";
  return name === "*" ? { kind: "all" } : { kind: "field", name: name.replaceAll("\\", "") };
}

function numberOf(part: string | undefined): number | undefined {
  const digits = part?.replace(":", "");
  return digits === undefined || digits === "" ? undefined : Number(digits);
}

/** What is between `[` and `]`. */
function bracket(inner: string): readonly Step[] {
  const text = inner === "*" ? ":" : inner;
  const members = text.split(",");
  if (members.length > 1) return [{ kind: "union", of: members.map((member) => action(`[${member.trim()}]`)) }];
  const [, key] = /^'([^']*)'$/.exec(text) ?? [];
  if (key !== undefined) return action(`.${key}`);
  const slice = SLICE.exec(text);
  if (slice === null) return refuse(`invalid array index ${text}`);
  const [, from, to, step] = slice;
  return [{ kind: "slice", from: numberOf(from), to: numberOf(to), step: numberOf(step), isOne: to === undefined }];
}

function filter(reader: Reader): Step {
  const inner = reader.filter();
  const [, left, operator = "", right = ""] = COMPARISON.exec(inner) ?? [];
  if (left === undefined) return { kind: "filter", left: action(inner), operator: "exists", right: [] };
  return { kind: "filter", left: action(left), operator, right: action(right) };
}

function number(reader: Reader): Step {
  const text = reader.take(NUMBER)?.[0] ?? reader.next;
  const value = Number(text);
  return Number.isNaN(value) ? refuse(`cannot parse number ${text}`) : { kind: "literal", value };
}

function word(reader: Reader): Step {
  const name = reader.take(WORD)?.[0] ?? "";
  return name === "true" || name === "false" ? { kind: "literal", value: name === "true" } : { kind: "word", name };
}

/** One step of an action, none for what only separates; undefined at its end. */
function step(reader: Reader, isAfterDeep: boolean): readonly Step[] | undefined {
  if (reader.take(/\}/y)) return undefined;
  if (reader.isAtEnd || /[\r\n]/.test(reader.next)) return refuse("unclosed action");
  if (reader.take(FILTER_START)) return [filter(reader)];
  if (reader.take(/\.\./y)) {
    if (isAfterDeep) refuse("invalid multiple recursive descent");
    return [{ kind: "deep" }, ...(/[\p{L}\p{Nd}_]/u.test(reader.next) ? [field(reader)] : [])];
  }
  if (reader.take(/[ @$]/y)) return [];
  if (reader.next === "[") return bracket(reader.take(BRACKET)?.[1] ?? refuse("unterminated array"));
  if (/["']/.test(reader.next)) return [{ kind: "text", text: reader.quoted() }];
  if (reader.take(/\./y)) return [field(reader)];
  if (/[-+\d]/.test(reader.next)) return [number(reader)];
  if (/[\p{L}_]/u.test(reader.next)) return [word(reader)];
  const code = (reader.next.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0");
  return refuse(`unrecognized character in action: U+${code} '${reader.next}'`);
}

function inside(reader: Reader): readonly Step[] {
  const steps: Step[] = [];
  for (;;) {
    const more = step(reader, steps.at(-1)?.kind === "deep");
    if (more === undefined) return steps;
    steps.push(...more);
  }
}

function action(text: string): readonly Step[] {
  return inside(new Reader(`${text}}`));
}

/** Reads a template. Throws JsonPathError. */
export function parseTemplate(text: string): readonly Part[] {
  const reader = new Reader(text);
  const parts: Part[] = [];
  while (!reader.isAtEnd) {
    const plain = reader.plain();
    if (plain !== "") parts.push([{ kind: "text", text: plain }]);
    if (reader.take(/\{/y)) parts.push(inside(reader));
  }
  return parts;
}
