import {
  type Document,
  isMap,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type Node,
  parseAllDocuments,
  type Scalar,
} from "yaml";
import { offsetOfField } from "./field-lines.ts";

/** What a text of policies may be at most. */
export interface TextLimits {
  /** Characters of the whole text. */
  readonly length: number;
  /** Lists and maps inside each other. */
  readonly depth: number;
  readonly documents: number;
}

/** A policy is some ten levels deep; a Kubernetes object has at most about one and a half million bytes. */
const DEFAULT_LIMITS: TextLimits = { length: 1_048_576, depth: 64, documents: 10_000 };
/** More errors than these help nobody. */
const MOST_ERRORS = 20;

export interface TextDocument {
  /** Plain data, as of JSON. Whatever a key is, it is an own property. */
  readonly value: unknown;
  /** Line of the text on which it begins, from 1. */
  readonly line: number;
  /**
   * Line, from 1, of a field such as `spec.ingress[0].toPorts[1]` or `metadata.labels["a.b/c"]`; of one that is missing, the
   * closest field above it that is there.
   */
  readonly lineOf: (field: string) => number;
}

export interface TextError {
  /** From 1. */
  readonly line: number;
  readonly message: string;
}

export type PolicyText =
  | { readonly ok: true; readonly documents: readonly TextDocument[] }
  | { readonly ok: false; readonly errors: readonly TextError[] };

/**
 * Reads YAML of one or more documents, or JSON; empty documents are left out. Booleans and numbers are read as Kubernetes'
 * tools read them (YAML 1.1). Made for text that may be hostile: size and depth are bounded, aliases, tags and repeated keys
 * are refused, and it never throws.
 */
export function readPolicyText(text: string, limits: Partial<TextLimits> = {}): PolicyText {
  const { length, depth, documents } = { ...DEFAULT_LIMITS, ...limits };
  if (text.length > length) return refuse(1, `longer than ${length} characters`);
  const early = controlCharacter(text) ?? checkTokens(text, depth, documents);
  if (early !== undefined) return { ok: false, errors: [early] };
  try {
    return readDocuments(text, depth);
  } catch {
    // The reader recurses: a nesting that only blocks make shows here.
    return refuse(1, "nested too deeply");
  }
}

/** Said by what may be there. */
const CONTROL = /[^\t\n\r -~\u0085\u00a0-\uffff]/;

/** The first character that YAML's texts must not hold (5.1 of its specification, as Kubernetes' tools keep it); undefined = there is none. */
function controlCharacter(text: string): TextError | undefined {
  const found = CONTROL.exec(text);
  if (found === null) return undefined;
  const code = found[0].charCodeAt(0).toString(16).toUpperCase().padStart(4, "0");
  return { line: 1 + lineBreaks(text.slice(0, found.index)), message: `holds the control character U+${code}` };
}

function refuse(line: number, message: string): PolicyText {
  return { ok: false, errors: [{ line, message }] };
}

/** What can be seen before a tree is built, so that a small hostile text never makes a large one. */
function checkTokens(text: string, depth: number, documents: number): TextError | undefined {
  let line = 1;
  let level = 0;
  let count = 0;
  // Indicators of blocks in a row: each opens a level on the same line.
  let row = 0;
  let previous = "";
  for (const token of new Lexer().lex(text)) {
    const message = wrongToken(token, previous);
    if (message !== undefined) return { line, message };
    if (token === "[" || token === "{") level++;
    else if (token === "]" || token === "}") level--;
    else if (token === "---" || token === "..." || token.startsWith("%")) count++;
    if (level < 0) return { line, message: `${token} closes nothing` };
    if (level > depth || row > depth) return { line, message: `nested more than ${depth} levels deep` };
    if (count > documents) return { line, message: `more than ${documents} documents` };
    line += lineBreaks(token);
    if (token.trim() === "") continue;
    row = token === "-" || token === "?" || token === ":" ? row + 1 : 0;
    previous = token;
  }
  return undefined;
}

function wrongToken(token: string, previous: string): string | undefined {
  // Text stands in a token of its own, after a mark, so these first characters are YAML's own.
  if (token.startsWith("*")) return "an alias; write the value out";
  if (token.startsWith("&")) return "an anchor; leave it out";
  if (token.startsWith("!")) return "a tag; leave it out";
  if (token === "," && (previous === "," || previous === "[" || previous === "{")) return "a comma without a value";
  return undefined;
}

function lineBreaks(token: string): number {
  let count = 0;
  for (let at = token.indexOf("\n"); at !== -1; at = token.indexOf("\n", at + 1)) count++;
  return count;
}

function readDocuments(text: string, depth: number): PolicyText {
  const lineCounter = new LineCounter();
  const lineAt = (offset: number | undefined) => Math.max(1, lineCounter.linePos(offset ?? 0).line);
  const options = { version: "1.1", merge: false, uniqueKeys: false, prettyErrors: false, lineCounter } as const;
  const parsed = parseAllDocuments(text, { ...options, logLevel: "silent" });
  const documents: readonly Document.Parsed[] = parsed;
  const errors: TextError[] = [...documents, ...("empty" in parsed ? [parsed] : [])]
    .flatMap((part) => part.errors)
    .slice(0, MOST_ERRORS)
    .map(({ message, pos }) => ({ line: lineAt(pos[0]), message }));
  if (errors.length > 0) return { ok: false, errors };
  const reader = new TreeReader(depth, lineAt);
  const found = documents
    .filter(({ contents }) => contents !== null)
    .map(({ contents }) => {
      const start = contents?.range?.[0];
      const lineOf = (field: string) => lineAt(offsetOfField(contents, field) ?? start);
      return { value: reader.read(contents, 0), line: lineAt(start), lineOf };
    })
    .filter(({ value }) => value !== null);
  return reader.errors.length > 0 ? { ok: false, errors: reader.errors } : { ok: true, documents: found };
}

/** Turns YAML's tree into plain data. */
class TreeReader {
  readonly errors: TextError[] = [];
  private readonly depth: number;
  private readonly lineAt: (offset: number | undefined) => number;

  constructor(depth: number, lineAt: (offset: number | undefined) => number) {
    this.depth = depth;
    this.lineAt = lineAt;
  }

  read(node: unknown, level: number): unknown {
    if (isScalar(node)) return scalarValue(node);
    if (level >= this.depth) {
      this.refuse(node as Node, `nested more than ${this.depth} levels deep`);
      return null;
    }
    if (isSeq(node)) return node.items.map((item) => this.read(item, level + 1));
    if (!isMap(node)) return null;
    const keys = new Set<string>();
    // fromEntries defines properties, so that `__proto__` is a key like any other.
    return Object.fromEntries(
      node.items.map(({ key, value }) => {
        const name = this.keyOf(key, node as Node);
        if (keys.has(name)) this.refuse(key as Node, `key ${JSON.stringify(name)} is given twice`);
        keys.add(name);
        return [name, this.read(value, level + 1)];
      }),
    );
  }

  private keyOf(key: unknown, map: Node): string {
    if (isScalar(key)) return key.source ?? String(key.value);
    this.refuse((key as Node | null) ?? map, "a key that is no text");
    return "";
  }

  private refuse(node: Node, message: string): void {
    if (this.errors.length < MOST_ERRORS) this.errors.push({ line: this.lineAt(node.range?.[0]), message });
  }
}

/** YAML knows kinds of values that JSON does not, dates for one: those stay the text that they are. */
function scalarValue(node: Scalar): unknown {
  const { value, source } = node;
  if (value === undefined) return null;
  const isPlain = value === null || ["string", "number", "boolean"].includes(typeof value);
  return isPlain ? value : (source ?? String(value));
}

/** Scalars without quotes that were read before; most manifests have few. */
const knownScalars = new Map<string, { readonly value: unknown } | undefined>();
const MOST_SCALARS = 10_000;

/** What a scalar without quotes means on a line of its own; undefined = it cannot stand so. */
export function resolveScalar(text: string): { readonly value: unknown } | undefined {
  if (knownScalars.has(text)) return knownScalars.get(text);
  const read = readPolicyText(`- ${text}`);
  const [document] = read.ok ? read.documents : [];
  const list = document?.value;
  const found = Array.isArray(list) && list.length === 1 ? { value: list[0] as unknown } : undefined;
  if (knownScalars.size >= MOST_SCALARS) knownScalars.clear();
  knownScalars.set(text, found);
  return found;
}
