/** One ASCII character of a set: 1 at its code. What a set says about other characters is not kept. */
export type CharacterSet = Uint8Array;

/** A piece of a regular expression. `other` is one that only the regex engine understands. */
export type Token =
  | { readonly kind: "character"; readonly code: number }
  | { readonly kind: "set"; readonly set: CharacterSet }
  | { readonly kind: "repeat"; readonly min: number; readonly max: number }
  | { readonly kind: "open" | "close" | "or" | "begin" | "end" | "other" };

const ASCII = 128;
const GROUP = /\((?:\?(?:P?<[^>]*>|[imsU-]*([:)])))?/y;
const REPEAT = /(?:[*+?]|\{(0|[1-9]\d{0,3})(?:(,)(0|[1-9]\d{0,3})?)?\})\??/y;
const ESCAPE = /\\(?:[pP]\{[^}]*\}|[pP].|x\{[^}]*\}|x..|[0-7]{1,3}|[\s\S])/y;
const PUNCTUATION = /[!-/:-@[-`{-~]/;

function setOf(accepts: (character: string) => boolean): CharacterSet {
  return Uint8Array.from({ length: ASCII }, (_, code) => Number(accepts(String.fromCharCode(code))));
}

const DIGITS = setOf((character) => /[0-9]/.test(character));
const WORD = setOf((character) => /[0-9A-Za-z_]/.test(character));
const SPACES = setOf((character) => "\t\n\f\r ".includes(character));
const NAMED: Readonly<Record<string, CharacterSet>> = {
  d: DIGITS,
  w: WORD,
  s: SPACES,
  D: DIGITS.map((member) => 1 - member),
  W: WORD.map((member) => 1 - member),
  S: SPACES.map((member) => 1 - member),
};

/** Every character but a line feed, as `.` has it. */
export const ANY_CHARACTER = setOf((character) => character !== "\n");

const OPEN: Token = { kind: "open" };
const OTHER: Token = { kind: "other" };
const SIMPLE: Readonly<Record<string, Token>> = {
  ")": { kind: "close" },
  "|": { kind: "or" },
  "^": { kind: "begin" },
  $: { kind: "end" },
  ".": { kind: "set", set: ANY_CHARACTER },
};

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text) ?? undefined;
}

function repeatToken(match: RegExpExecArray): Token {
  const [text, low, comma, high] = match;
  if (low === undefined) {
    return { kind: "repeat", min: text.startsWith("+") ? 1 : 0, max: text.startsWith("?") ? 1 : Infinity };
  }
  const min = Number(low);
  return { kind: "repeat", min, max: comma === undefined ? min : high === undefined ? Infinity : Number(high) };
}

function escapeToken(text: string): Token {
  const character = text.slice(1);
  const set = NAMED[character];
  if (set !== undefined) return { kind: "set", set };
  return character.length === 1 && PUNCTUATION.test(character) ? literal(character) : OTHER;
}

function literal(character: string): Token {
  const code = character.charCodeAt(0);
  return code < ASCII ? { kind: "character", code } : OTHER;
}

/** `[a-z0-9_.-]` and the like; undefined when it has something else, such as `[:alpha:]`, `\p` or a character beyond ASCII. */
function classSet(text: string): CharacterSet | undefined {
  const isNegated = text.startsWith("[^");
  const body = text.slice(isNegated ? 2 : 1, -1);
  const members = new Uint8Array(ASCII);
  for (let at = 0; at < body.length; ) {
    const [first, next] = classMember(body, at);
    if (first === undefined) return undefined;
    at = next;
    if (typeof first !== "number") {
      for (let code = 0; code < ASCII; code++) members[code] = (members[code] ?? 0) | (first[code] ?? 0);
      continue;
    }
    let last: number | CharacterSet | undefined = first;
    if (body[at] === "-" && at + 1 < body.length) [last, at] = classMember(body, at + 1);
    if (typeof last !== "number") return undefined;
    members.fill(1, first, last + 1);
  }
  return isNegated ? members.map((member) => 1 - member) : members;
}

/** The place after a class that begins at `at`. */
function classEnd(text: string, at: number): number {
  let end = at + (text.startsWith("[^", at) ? 2 : 1);
  if (text[end] === "]") end++;
  for (; end < text.length && text[end] !== "]"; end++) {
    if (text.startsWith("[:", end) && text.includes(":]", end)) end = text.indexOf(":]", end) + 1;
    else if (/^\\[pP]\{/.test(text.slice(end, end + 3)) && text.includes("}", end)) end = text.indexOf("}", end);
    else if (text[end] === "\\") end++;
  }
  return end + 1;
}

/** The character or named set at a place of a class, and the place after it. */
function classMember(body: string, at: number): [number | CharacterSet | undefined, number] {
  const isEscape = body[at] === "\\";
  const character = body[isEscape ? at + 1 : at] ?? "";
  const next = at + (isEscape ? 2 : 1);
  if (body.startsWith("[:", at) || character.charCodeAt(0) >= ASCII) return [undefined, next];
  if (!isEscape) return [character.charCodeAt(0), next];
  return [NAMED[character] ?? (PUNCTUATION.test(character) ? character.charCodeAt(0) : undefined), next];
}

function tokenAt(text: string, at: number): [Token, number] {
  const character = text[at] ?? "";
  const simple = SIMPLE[character];
  if (simple !== undefined) return [simple, at + 1];
  if (character === "(") {
    const [whole = "(", end] = matchAt(GROUP, text, at) ?? [];
    return [end === ")" ? OTHER : OPEN, at + whole.length];
  }
  const repeat = matchAt(REPEAT, text, at);
  if (repeat !== undefined) return [repeatToken(repeat), at + repeat[0].length];
  if (character === "[") {
    const whole = text.slice(at, classEnd(text, at));
    const set = classSet(whole);
    return [set === undefined ? OTHER : { kind: "set", set }, at + whole.length];
  }
  if (character !== "\\") return [literal(character), at + 1];
  const whole = matchAt(ESCAPE, text, at)?.[0] ?? "\\";
  return [escapeToken(whole), at + whole.length];
}

/** False for an expression with `\Q` or with flags: what follows them does not mean what it seems to. */
export function isPlainRegex(expression: string): boolean {
  return !expression.includes("\\Q") && !/\(\?[imsU-]/.test(expression);
}

/** Takes an expression that RE2 accepts apart; the pieces may be trusted when `isPlainRegex` says so. */
export function tokenize(expression: string): readonly Token[] {
  const tokens: Token[] = [];
  for (let at = 0; at < expression.length; ) {
    const [token, next] = tokenAt(expression, at);
    tokens.push(token);
    at = next;
  }
  return tokens;
}
