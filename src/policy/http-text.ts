import { Limits } from "../model/limits.ts";
import { compileRegex } from "./http-regex.ts";
import { ANY_CHARACTER, type CharacterSet, isPlainRegex, type Token, tokenize } from "./http-regex-token.ts";

export type TextMatcher = (text: string) => boolean;

/**
 * One way in which a text may match an expression. It must begin with `prefix`; then `exact`: nothing may follow, `rest`:
 * anything but a line feed may, `test`: `matches` decides.
 */
export interface TextForm {
  readonly kind: "exact" | "rest" | "test";
  readonly prefix: string;
  readonly matches: TextMatcher;
}

/** A set of characters, repeated. */
interface Item {
  /** The only character of the set, when it was written as one. */
  readonly character: string | undefined;
  readonly set: CharacterSet;
  readonly min: number;
  readonly max: number;
}

type Sequence = readonly Item[];

const META = /[\\^$.|?*+()[\]{}]/;
const SINGLE_SETS = Array.from({ length: 128 }, (_, code) => new Uint8Array(128).fill(1, code, code + 1));

/** More ways than this are left to the regex engine. */
const MOST_FORMS = 16;

/**
 * The forms of an expression: a text matches it when it matches any of them, in time linear in the text. Literals, `.*` and
 * sets whose end can be told from the next character are matched by hand, the rest by the regex engine.
 * Throws what `compileRegex` throws.
 */
export function textForms(expression: string): readonly TextForm[] {
  const literal = expression.endsWith(".*") ? expression.slice(0, -2) : expression;
  if (!META.test(literal) && expression.length <= Limits.RegexLength) {
    return [literal === expression ? exactForm(literal) : restForm(literal)];
  }
  const compiled = compileRegex(expression);
  const slow: TextMatcher = (text) => compiled.testExact(text);
  if (!isPlainRegex(expression)) return [{ kind: "test", prefix: "", matches: slow }];
  const tokens = withoutAnchors(tokenize(expression));
  const forms = new SequenceReader(tokens).read()?.map((sequence) => sequenceForm(sequence, slow));
  if (forms?.every((form) => form !== undefined)) return forms;
  return [engineForm(tokens, slow)];
}

/** Says whether a text has any of the forms. */
export function formMatcher(forms: readonly TextForm[]): TextMatcher {
  const [first, ...others] = forms.map(({ matches }) => matches);
  if (first === undefined) return () => false;
  return others.length === 0 ? first : (text) => first(text) || others.some((matches) => matches(text));
}

/** The tokens without `^` and `$` around the whole: a whole value is asked for, so they say nothing. */
function withoutAnchors(tokens: readonly Token[]): readonly Token[] {
  if (hasAlternatives(tokens)) return tokens;
  const from = tokens[0]?.kind === "begin" ? 1 : 0;
  return tokens.slice(from, tokens.length > from && tokens.at(-1)?.kind === "end" ? -1 : undefined);
}

/** True for an `|` that is in no group. */
function hasAlternatives(tokens: readonly Token[]): boolean {
  let depth = 0;
  return tokens.some(({ kind }) => {
    if (kind === "open") depth++;
    else if (kind === "close") depth--;
    return kind === "or" && depth === 0;
  });
}

/** The runs of characters outside groups that every text that matches has; the first is what it begins with. */
function literalRuns(tokens: readonly Token[]): readonly string[] {
  const runs = [""];
  if (hasAlternatives(tokens)) return runs;
  let depth = 0;
  for (const [at, token] of tokens.entries()) {
    if (token.kind === "open") depth++;
    else if (token.kind === "close") depth--;
    const isPlain = token.kind === "character" && depth === 0 && tokens[at + 1]?.kind !== "repeat";
    if (isPlain) runs.push(`${runs.pop() ?? ""}${String.fromCharCode(token.code)}`);
    else runs.push("");
  }
  return runs;
}

/** An expression that is left to the engine, which is asked only about texts that have the longest run. */
function engineForm(tokens: readonly Token[], slow: TextMatcher): TextForm {
  const [prefix = "", ...inside] = literalRuns(tokens);
  const longest = inside.reduce((best, run) => (run.length > best.length ? run : best), "");
  if (longest.length < 2) return { kind: "test", prefix, matches: slow };
  return { kind: "test", prefix, matches: (text) => text.includes(longest, prefix.length) && slow(text) };
}

/** Reads tokens as alternatives of items; gives up (undefined) at what it does not know. */
class SequenceReader {
  private at = 0;
  private readonly tokens: readonly Token[];

  constructor(tokens: readonly Token[]) {
    this.tokens = tokens;
  }

  read(): readonly Sequence[] | undefined {
    const sequences = this.alternatives();
    return this.at === this.tokens.length ? sequences : undefined;
  }

  private alternatives(): readonly Sequence[] | undefined {
    const all: Sequence[] = [];
    for (;;) {
      const branch = this.branch();
      if (branch === undefined) return undefined;
      all.push(...branch);
      if (all.length > MOST_FORMS) return undefined;
      if (this.tokens[this.at]?.kind !== "or") return all;
      this.at++;
    }
  }

  private branch(): readonly Sequence[] | undefined {
    let sequences: readonly Sequence[] = [[]];
    for (;;) {
      const kind = this.tokens[this.at]?.kind;
      if (kind === undefined || kind === "or" || kind === "close") return sequences;
      const atoms = kind === "open" ? this.group() : this.item();
      if (atoms === undefined || sequences.length * atoms.length > MOST_FORMS) return undefined;
      sequences = sequences.flatMap((before) => atoms.map((atom) => [...before, ...atom]));
    }
  }

  private group(): readonly Sequence[] | undefined {
    this.at++;
    const inner = this.alternatives();
    if (inner === undefined || this.tokens[this.at]?.kind !== "close") return undefined;
    this.at++;
    const repeat = this.repeat();
    if (repeat === undefined) return inner;
    const set = unionOf(inner);
    if (set !== undefined) return [[{ character: undefined, set, ...repeat }]];
    return repeat.min === 0 && repeat.max === 1 ? [...inner, []] : undefined;
  }

  private item(): readonly Sequence[] | undefined {
    const token = this.tokens[this.at++];
    const isCharacter = token?.kind === "character";
    const set = isCharacter ? SINGLE_SETS[token.code] : token?.kind === "set" ? token.set : undefined;
    if (set === undefined) return undefined;
    const character = isCharacter ? String.fromCharCode(token.code) : undefined;
    return [[{ character, set, ...(this.repeat() ?? { min: 1, max: 1 }) }]];
  }

  private repeat(): { readonly min: number; readonly max: number } | undefined {
    const token = this.tokens[this.at];
    if (token?.kind !== "repeat") return undefined;
    this.at++;
    return { min: token.min, max: token.max };
  }
}

/** The one set that alternatives of single characters amount to. */
function unionOf(sequences: readonly Sequence[]): CharacterSet | undefined {
  const items = sequences.flat();
  if (items.length === 0 || sequences.some(({ length }) => length !== 1)) return undefined;
  if (items.some(({ min, max }) => min !== 1 || max !== 1)) return undefined;
  return Uint8Array.from({ length: 128 }, (_, code) => Number(items.some(({ set }) => set[code] === 1)));
}

/** The character of an item that stands for it once. */
function characterOf({ character, min, max }: Item): string | undefined {
  return min === 1 && max === 1 ? character : undefined;
}

function isDotStar({ set, min, max }: Item): boolean {
  return set === ANY_CHARACTER && min === 0 && max === Infinity;
}

function exactForm(prefix: string): TextForm {
  return { kind: "exact", prefix, matches: (text) => text === prefix };
}

function restForm(prefix: string): TextForm {
  return { kind: "rest", prefix, matches: (text) => text.startsWith(prefix) && !text.includes("\n", prefix.length) };
}

function sequenceForm(sequence: Sequence, slow: TextMatcher): TextForm | undefined {
  const length = sequence.findIndex((item) => characterOf(item) === undefined);
  const prefix = sequence
    .slice(0, length === -1 ? undefined : length)
    .map(characterOf)
    .join("");
  if (length === -1) return exactForm(prefix);
  const rest = sequence.slice(length);
  if (rest.length === 1 && rest.every(isDotStar)) return restForm(prefix);
  const matches = globMatcher(prefix, rest) ?? stepMatcher(prefix, rest, slow);
  return matches === undefined ? undefined : { kind: "test", prefix, matches };
}

/** Literals with `.*` between them: each is sought from where the one before it ended. */
function globMatcher(prefix: string, rest: Sequence): TextMatcher | undefined {
  const pieces: string[] = [];
  for (const item of rest) {
    const character = characterOf(item);
    if (isDotStar(item)) pieces.push("");
    else if (character === undefined || character === "\n" || pieces.length === 0) return undefined;
    else pieces.push(`${pieces.pop() ?? ""}${character}`);
  }
  const last = pieces.pop() ?? "";
  return (text) => {
    if (!text.startsWith(prefix) || !text.endsWith(last) || text.includes("\n", prefix.length)) return false;
    let at = prefix.length;
    for (const piece of pieces) {
      const found = text.indexOf(piece, at);
      if (found === -1) return false;
      at = found + piece.length;
    }
    return at <= text.length - last.length;
  };
}

/** True when no character can both continue an item and begin what follows it: then taking all it can is right. */
function isUnambiguous(sequence: Sequence): boolean {
  return sequence.every(({ set, min, max }, i) => {
    if (min === max) return true;
    for (const next of sequence.slice(i + 1)) {
      if (next.set.some((member, code) => member === 1 && set[code] === 1)) return false;
      if (next.min > 0) return true;
    }
    return true;
  });
}

/** Goes through items and text side by side. At a character beyond ASCII the engine is asked instead. */
function stepMatcher(prefix: string, rest: Sequence, slow: TextMatcher): TextMatcher | undefined {
  if (!isUnambiguous(rest)) return undefined;
  const sets = rest.map(({ set }) => set);
  const least = rest.map(({ min }) => min);
  const most = rest.map(({ max }) => max);
  const count = rest.length;
  return (text) => {
    if (!text.startsWith(prefix)) return false;
    let at = prefix.length;
    for (let i = 0; i < count; i++) {
      const set = sets[i] as CharacterSet;
      const max = most[i] as number;
      let taken = 0;
      for (; taken < max && at < text.length; taken++, at++) {
        const code = text.charCodeAt(at);
        if (code >= 128) return slow(text);
        if (set[code] !== 1) break;
      }
      if (taken < (least[i] as number)) return false;
    }
    return at === text.length;
  };
}
