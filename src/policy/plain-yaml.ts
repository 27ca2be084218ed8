/** What a document of plain YAML holds. */
export interface PlainDocument {
  readonly value: unknown;
  /** Line on which it begins, from 1. */
  readonly line: number;
}

/** Says what a scalar without quotes means; undefined = nothing can be said. */
export type ResolveScalar = (text: string) => { readonly value: unknown } | undefined;

/** Thrown where the text is more than plain. */
const NOT_PLAIN = new Error("not plain");
const DEEPEST = 48;

/**
 * Reads one document of the YAML that people and `kubectl` write most: maps and lists in blocks, scalars and flow collections
 * on one line each. A tenth of the time that all of YAML takes. Undefined = there is more in it, or something wrong: whoever reads all of YAML must
 * judge. What is read is what such a reader would read.
 */
export function readPlainYaml(text: string, resolve: ResolveScalar): PlainDocument | undefined {
  if (/[^\n\x20-\x7e\u00a0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd]/.test(text)) return undefined;
  try {
    return new PlainReader(text, resolve).read();
  } catch (error) {
    if (error === NOT_PLAIN) return undefined;
    throw error;
  }
}

const KEY = /^(?:([A-Za-z0-9_](?:[\w./-]|:(?=\S))*)|"([^"\\]*)"|'([^']*)'):(?: +(.*))?$/;
const DOUBLE_QUOTED = /^"((?:[^"\\]|\\["\\/bfnrt])*)"/;
const SINGLE_QUOTED = /^'((?:[^']|'')*)'/;
const NOTHING_MORE = /^ *(?: #.*)?$/;
const WORDS = new Set(["y", "n", "yes", "no", "true", "false", "on", "off", "null"]);

class PlainReader {
  private readonly lines: string[];
  private readonly resolve: ResolveScalar;
  private at = 0;

  constructor(text: string, resolve: ResolveScalar) {
    this.lines = text.split("\n");
    this.resolve = resolve;
  }

  read(): PlainDocument {
    if (this.lines[0]!.trimEnd() === "---") this.at = 1;
    const indent = this.next();
    const line = this.at + 1;
    if (indent !== 0) throw NOT_PLAIN;
    const value = this.block(0, 0);
    if (this.next() !== -1) throw NOT_PLAIN;
    return { value, line };
  }

  /** Goes to the next line that holds something, and says how far it is indented; -1 = there is none. */
  private next(): number {
    for (; this.at < this.lines.length; this.at++) {
      const line = this.lines[this.at]!;
      const indent = line.search(/[^ ]/);
      if (indent === -1 || line[indent] === "#") continue;
      if (indent === 0 && /^(?:---|\.\.\.|%)/.test(line)) throw NOT_PLAIN;
      return indent;
    }
    return -1;
  }

  private block(indent: number, level: number): unknown {
    if (level > DEEPEST) throw NOT_PLAIN;
    return this.isItem(indent) ? this.list(indent, level) : this.map(indent, level);
  }

  private isItem(indent: number): boolean {
    const line = this.lines[this.at]!;
    return line[indent] === "-" && (line.length === indent + 1 || line[indent + 1] === " ");
  }

  private list(indent: number, level: number): unknown[] {
    const items: unknown[] = [];
    for (let found = this.next(); found >= indent; found = this.next()) {
      if (found > indent) throw NOT_PLAIN;
      if (!this.isItem(indent)) break;
      const line = this.lines[this.at]!;
      const start = line.slice(indent + 1).search(/[^ ]/) + indent + 1;
      const rest = start === indent ? "" : line.slice(start);
      if (rest === "" || rest.startsWith("#")) items.push(this.below(indent, level, false));
      else if (KEY.test(rest)) {
        // A map whose first key stands behind the dash.
        this.lines[this.at] = " ".repeat(start) + rest;
        items.push(this.map(start, level + 1));
      } else items.push(this.scalarLine(rest, indent, level));
    }
    return items;
  }

  private map(indent: number, level: number): Record<string, unknown> {
    const map: Record<string, unknown> = {};
    for (let found = this.next(); found >= indent; found = this.next()) {
      if (found > indent || this.isItem(indent)) throw NOT_PLAIN;
      const match = KEY.exec(this.lines[this.at]!.slice(indent));
      if (match === null) throw NOT_PLAIN;
      const [, plain, double, single, rest = ""] = match;
      const key = plain ?? double ?? single!;
      if (Object.hasOwn(map, key) || key === "__proto__") throw NOT_PLAIN;
      map[key] =
        rest === "" || rest.startsWith("#") ? this.below(indent, level, true) : this.scalarLine(rest, indent, level);
    }
    return map;
  }

  /** What stands in the lines below a key or a dash; null = nothing does. A key's list need not be indented. */
  private below(indent: number, level: number, isKey: boolean): unknown {
    this.at++;
    const found = this.next();
    if (found > indent) return this.block(found, level + 1);
    return isKey && found === indent && this.isItem(indent) ? this.list(indent, level + 1) : null;
  }

  /** The rest of a line; what is indented further below it would go on with it. */
  private scalarLine(rest: string, indent: number, level: number): unknown {
    const value = this.scalar(rest, level);
    this.at++;
    if (this.next() > indent) throw NOT_PLAIN;
    return value;
  }

  private scalar(rest: string, level: number): unknown {
    const [first] = rest;
    if (first === "{" || first === "[" || first === '"' || first === "'") {
      const flow = new FlowReader(rest, this.resolve);
      const value = flow.value(level);
      if (!NOTHING_MORE.test(flow.rest)) throw NOT_PLAIN;
      return value;
    }
    const comment = rest.indexOf(" #");
    const text = (comment === -1 ? rest : rest.slice(0, comment)).trimEnd();
    if (/: |:$/.test(text)) throw NOT_PLAIN;
    return plainValue(text, this.resolve);
  }
}

function plainValue(text: string, resolve: ResolveScalar): unknown {
  if (/^[A-Za-z_/]/.test(text)) {
    if (!WORDS.has(text.toLowerCase())) return text;
    if (text === "true" || text === "false") return text === "true";
  } else if (/^(?:0|[1-9]\d{0,14})$/.test(text)) return Number(text);
  else if (!/^[\d.+$(~-]/.test(text) || /^-(?: |$)/.test(text)) throw NOT_PLAIN;
  const resolved = resolve(text);
  if (resolved === undefined) throw NOT_PLAIN;
  return resolved.value;
}

/** Reads collections in braces and brackets, and what stands in quotes, as far as one line goes. */
class FlowReader {
  rest: string;
  private readonly resolve: ResolveScalar;

  constructor(rest: string, resolve: ResolveScalar) {
    this.rest = rest;
    this.resolve = resolve;
  }

  value(level: number): unknown {
    if (level > DEEPEST) throw NOT_PLAIN;
    switch (this.rest[0]) {
      case "{":
        return this.map(level);
      case "[":
        return this.list(level);
      case '"':
      case "'":
        return this.quoted();
      default:
        return plainValue(this.plain(), this.resolve);
    }
  }

  private quoted(): string {
    const [whole, inner] = (this.rest[0] === '"' ? DOUBLE_QUOTED : SINGLE_QUOTED).exec(this.rest) ?? [];
    if (whole === undefined) throw NOT_PLAIN;
    this.rest = this.rest.slice(whole.length);
    return whole[0] === '"' ? (JSON.parse(whole) as string) : inner!.replaceAll("''", "'");
  }

  /** A scalar without quotes inside a collection. */
  private plain(): string {
    const end = this.rest.search(/[,[\]{}]|: |:$| #/);
    const text = (end === -1 ? this.rest : this.rest.slice(0, end)).trimEnd();
    if (text === "") throw NOT_PLAIN;
    this.rest = this.rest.slice(text.length);
    return text;
  }

  private skip(): void {
    this.rest = this.rest.trimStart();
  }

  private list(level: number): unknown[] {
    const items: unknown[] = [];
    this.open();
    while (this.rest[0] !== "]") {
      items.push(this.value(level + 1));
      this.separator("]");
    }
    this.rest = this.rest.slice(1);
    return items;
  }

  private map(level: number): Record<string, unknown> {
    const map: Record<string, unknown> = {};
    this.open();
    while (this.rest[0] !== "}") {
      const isQuoted = this.rest[0] === '"' || this.rest[0] === "'";
      const key = isQuoted ? this.quoted() : this.plain();
      if (!isQuoted && !/^[A-Za-z0-9_][\w./:-]*$/.test(key)) throw NOT_PLAIN;
      if (!this.rest.startsWith(": ") || Object.hasOwn(map, key) || key === "__proto__") throw NOT_PLAIN;
      this.rest = this.rest.slice(1);
      this.skip();
      map[key] = this.value(level + 1);
      this.separator("}");
    }
    this.rest = this.rest.slice(1);
    return map;
  }

  private open(): void {
    this.rest = this.rest.slice(1);
    this.skip();
  }

  private separator(end: string): void {
    this.skip();
    if (this.rest[0] === end) return;
    if (this.rest[0] !== ",") throw NOT_PLAIN;
    this.rest = this.rest.slice(1);
    this.skip();
  }
}
