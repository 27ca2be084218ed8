import type { Value } from "./go-value.ts";

/** Mappings begin at multiples of it, as Go's library lays them out. */
const STEP = 4;
/** What a `- ` takes. */
const DASH = 2;

/** Texts that would be read as something else. */
const NOT_TEXT = [
  /^(?:|~|null|Null|NULL)$/,
  /^(?:true|True|TRUE|false|False|FALSE|y|Y|yes|Yes|YES|on|On|ON|n|N|no|No|NO|off|Off|OFF)$/,
  /^[-+]?(?:0x[0-9a-fA-F_]+|0o?[0-7_]+|0b[01_]+|[0-9][0-9_]*)$/,
  /^[-+]?(?:\.[0-9]+|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?$/,
  /^[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?$/,
  /^(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)|<<)$/,
  /^\d{4}-\d{1,2}-\d{1,2}(?:[Tt ]\d{1,2}:\d{1,2}:\d{1,2}(?:\.\d*)?(?: ?(?:Z|[-+]\d{1,2}(?::?\d{2})?))?)?$/,
];

/** Characters that mean something where a text begins, before a blank, or after one. */
const INDICATORS = /^(?:---|\.\.\.)|^[#,[\]{}&*!|>'"%@`]|^[?:-](?=$|\s)|:(?=$|\s)|\s#/;
const UNPRINTABLE = /[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd]|[\ud800-\udfff]/;

const ESCAPES: Readonly<Record<string, string>> = {
  "\0": "\\0",
  "\x07": "\\a",
  "\b": "\\b",
  "\t": "\\t",
  "\n": "\\n",
  "\v": "\\v",
  "\f": "\\f",
  "\r": "\\r",
  "\x1b": "\\e",
  '"': '\\"',
  "\\": "\\\\",
  "\x85": "\\N",
  "\xa0": "\\_",
  "\u2028": "\\L",
  "\u2029": "\\P",
};

function escaped(character: string): string {
  const known = ESCAPES[character];
  if (known !== undefined) return known;
  const code = character.codePointAt(0) ?? 0;
  if (code > 0xffff) return character;
  return code <= 0xff
    ? `\\x${code.toString(16).toUpperCase().padStart(2, "0")}`
    : `\\u${code.toString(16).toUpperCase().padStart(4, "0")}`;
}

function doubleQuoted(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is escaped
  return `"${text.replace(/["\\\x00-\x1f\x7f\x85\xa0\u2028\u2029\ufeff]/gu, escaped)}"`;
}

/** A text of several lines, each on its own line; the sign after `|` says how it ends. */
function literal(text: string, indent: number): string {
  const margin = " ".repeat(indent);
  const lines = text.split("\n");
  const isEnded = text.endsWith("\n");
  if (isEnded) lines.pop();
  const chomping = !isEnded ? "-" : text.endsWith("\n\n") || text === "\n" ? "+" : "";
  const hint = /^[ \n]/.test(text) ? String(STEP) : "";
  return `|${hint}${chomping}\n${lines.map((line) => (line === "" ? "" : margin + line)).join("\n")}`;
}

/** The text in the form that Go's library chooses for it; `indent` is where its further lines would stand. */
function scalar(text: string, indent: number, isKey = false): string {
  const isPlain = !NOT_TEXT.some((form) => form.test(text));
  const isOdd = UNPRINTABLE.test(text);
  if (text.includes("\n")) {
    const isBlock = !isKey && !isOdd && !text.endsWith(" ") && !/ \n/.test(text);
    return isBlock ? literal(text, indent) : doubleQuoted(text);
  }
  if (!isPlain || isOdd || text.includes("\t")) return doubleQuoted(text);
  if (INDICATORS.test(text) || /^ | $/.test(text)) return `'${text.replaceAll("'", "''")}'`;
  return text;
}

/** Go's shortest form of a floating-point number: with an exponent from a million on. */
function floatText(value: number): string {
  const size = Math.abs(value);
  if (size === 0 || (size >= 1e-4 && size < 1e6)) return String(value);
  const [digits = "", exponent = ""] = value.toExponential().split("e");
  return `${digits}e${exponent[0]}${exponent.slice(1).padStart(2, "0")}`;
}

/** A number that is kept as its text is one to Go's library too, in quotes. */
function numberText({ number, type }: Extract<Value, { kind: "number" }>): string {
  if (type === "text") return `"${number}"`;
  return type === "float" ? floatText(number) : String(number);
}

const NOTHING = { pointer: "null", list: "[]", map: "{}" };

const isDigit = (character: string | undefined) => character !== undefined && /\p{Nd}/u.test(character);
const isLetter = (character: string) => /\p{L}/u.test(character);

/** The number that begins at a place, and where it ends; `start` = what stands before its digits. */
function numberAt(text: readonly string[], at: number, start: number): readonly [value: number, end: number] {
  let value = start;
  let end = at;
  for (; isDigit(text[end]); end++) value = value * 10 + Number(text[end]);
  return [value, end];
}

/** Go's library sorts keys as people do: numbers in them by value. */
function compareKeys(one: string, other: string): number {
  const [a, b] = [[...one], [...other]];
  const at = a.findIndex((character, index) => character !== b[index]);
  if (at < 0 || at >= b.length) return a.length - b.length;
  const [x = "", y = ""] = [a[at], b[at]];
  if (isLetter(x) && isLetter(y)) return x < y ? -1 : 1;
  if (isLetter(x) || isLetter(y)) return isLetter(x) === isDigit(a[at - 1]) ? -1 : 1;
  const before = a.slice(0, at).join("").match(/\d*$/)?.[0] ?? "";
  const start = (x === "0" || y === "0") && /[1-9]/.test(before) ? 1 : 0;
  const [left, leftEnd] = numberAt(a, at, start);
  const [right, rightEnd] = numberAt(b, at, start);
  return left - right || leftEnd - rightEnd || (x < y ? -1 : 1);
}

type Entries = readonly (readonly [key: string, value: Value])[];

function mapping(entries: Entries, indent: number): string {
  const margin = " ".repeat(indent);
  const inner = STEP * Math.floor((indent + STEP) / STEP);
  return entries.map(([key, value]) => `${margin}${scalar(key, inner, true)}:${after(value, inner)}`).join("");
}

/** What stands after `key:`. */
function after(value: Value, indent: number): string {
  const text = node(value, indent);
  return isBlock(value) ? `\n${text}` : ` ${text}\n`;
}

function sequence(items: readonly Value[], indent: number): string {
  const margin = " ".repeat(indent);
  // the first line of a block begins after the dash
  const item = (value: Value) => {
    const text = node(value, indent + DASH);
    return isBlock(value) ? `${margin}- ${text.slice(indent + DASH)}` : `${margin}- ${text}\n`;
  };
  return items.map(item).join("");
}

function isBlock(value: Value): boolean {
  if (value.kind === "list") return value.items.length > 0;
  if (value.kind === "map") return value.entries.length > 0;
  return value.kind === "struct";
}

function node(value: Value, indent: number): string {
  switch (value.kind) {
    case "nil":
      return NOTHING[value.of];
    case "text":
      return value.text === "" ? '""' : scalar(value.text, indent);
    case "number":
      return numberText(value);
    case "bool":
      return String(value.bool);
    case "list":
      return value.items.length === 0 ? "[]" : sequence(value.items, indent);
    case "map":
      return value.entries.length === 0
        ? "{}"
        : mapping(
            value.entries.toSorted(([a], [b]) => compareKeys(a, b)),
            indent,
          );
    case "struct":
      return mapping(
        value.fields.map(({ yaml, value: inner }) => [yaml, inner] as const),
        indent,
      );
  }
}

/**
 * The value as Go's YAML library prints it: every field under its name in Go, in small letters. No library here has that layout, in which what is in a list stands two to the right and what is in that at the next multiple of four.
 */
export function yamlText(value: Value): string {
  const text = node(value, 0);
  // a list or null alone
  return isBlock(value) ? text : `${text}\n`;
}
