import { isObject } from "../policy/field.ts";
import { readPlainYaml } from "../policy/plain-yaml.ts";
import {
  type PolicyText,
  readPolicyText,
  resolveScalar,
  type TextDocument,
  type TextLimits,
} from "../policy/policy-text.ts";

/** A text that objects are read from, and what it is called. */
export interface ManifestText {
  readonly file: string;
  readonly text: string;
  /** The one object that it holds, where there is no text to read it from: a server's answer. */
  readonly value?: unknown;
  /**
   * What is wrong where it holds no object, nor any other text with the same: somebody named a file or a folder, and means that
   * something is in it.
   */
  readonly ifBare?: readonly Problem[];
}

/** Where something is written; lines count from 1. */
export interface Place {
  readonly file: string;
  readonly line: number;
}

/** What is wrong with the input, or not looked at. An error means that no answer can be trusted. */
export interface Problem extends Place {
  readonly severity: "error" | "warning";
  readonly message: string;
}

/** One object of Kubernetes, as it was read. */
export interface ManifestObject {
  readonly apiVersion: string;
  readonly kind: string;
  /** As written; empty = none. */
  readonly namespace: string;
  readonly name: string;
  readonly value: Readonly<Record<string, unknown>>;
  readonly place: Place;
  /** Where a field such as `spec.ingress[0]` stands; of one that is missing, the closest field above it. */
  readonly placeOf: (field: string) => Place;
  /** The text of the file, for comments in it. */
  readonly text: string;
}

/** What was asked for since the last call of `letGo`, or between the one before and that. */
class Recent<V> {
  private now = new Map<string, V>();
  private before = new Map<string, V>();

  get(key: string): V | undefined {
    const found = this.now.get(key) ?? this.before.get(key);
    if (found !== undefined) this.now.set(key, found);
    return found;
  }

  set(key: string, value: V): void {
    this.now.set(key, value);
  }

  letGo(): void {
    [this.before, this.now] = [this.now, new Map()];
  }
}

/** A file as it was read: with the same text it holds the same. */
interface KnownFile extends ReadFile {
  readonly text: string;
  readonly parts: readonly Part[];
}

/** Files and documents that were read before: where much stays as it is, only what is new is read. */
export class KnownDocuments {
  /** By their text. */
  readonly documents = new Recent<PolicyText>();
  /** By their name. */
  readonly files = new Recent<KnownFile>();

  /** What nobody asked for since the last call is let go. */
  letGo(): void {
    this.documents.letGo();
    this.files.letGo();
  }
}

export interface ReadManifests {
  readonly objects: readonly ManifestObject[];
  readonly problems: readonly Problem[];
}

interface ReadFile extends ReadManifests {
  /** It can be read, and is empty, comments or a list of something else. */
  readonly isBare: boolean;
}

/** A document is read as a whole, some hundred times its size; definitions of resources nest deeper than policies do. */
const LIMITS: TextLimits = { length: 16 << 20, depth: 128, documents: 100_000 };
/** Objects together: ten times the largest clusters. */
const MOST_OBJECTS = 1_000_000;

/**
 * Reads every object of the texts, lists taken apart. A text that cannot be read gives errors with their lines, and none of its
 * objects count. Never throws.
 */
export function readManifests(
  texts: readonly ManifestText[],
  limits: Partial<TextLimits> = {},
  known = new KnownDocuments(),
): ReadManifests {
  const objects: ManifestObject[] = [];
  const problems: Problem[] = [];
  const isBare = new Map<Problem, boolean>();
  for (const text of texts) {
    const { file } = text;
    const read = text.value === undefined ? readFile(text, { ...LIMITS, ...limits }, known) : readValue(text);
    for (const object of read.objects) objects.push(object);
    problems.push(...read.problems);
    for (const fault of text.ifBare ?? []) isBare.set(fault, read.isBare && isBare.get(fault) !== false);
    if (objects.length > MOST_OBJECTS) {
      problems.push({ severity: "error", file, line: 1, message: `more than ${MOST_OBJECTS} objects` });
      break;
    }
  }
  for (const [fault, isSo] of isBare) if (isSo) problems.push(fault);
  return { objects, problems };
}

function readFile({ file, text }: ManifestText, limits: TextLimits, known: KnownDocuments): ReadFile {
  const before = known.files.get(file);
  if (before?.text === text) {
    // The documents are asked for again when another part of the file changes.
    for (const part of before.parts) known.documents.get(part.text);
    return before;
  }
  const parts = partsOf(text);
  const all = parts.map((part) => documentsOf(part, limits, known));
  const faults = all.flatMap((read) => (read.ok ? [] : read.errors));
  const isBare = faults.length === 0 && !all.some((read) => read.ok && read.documents.some(mayBeObject));
  const mend = /\{\{.*\}\}/.test(text) ? TEMPLATE : "";
  const objects: ManifestObject[] = [];
  const problems = faults
    // What follows the first fault of a template is its echo.
    .slice(0, mend === "" ? MOST_FAULTS : 1)
    .map(({ line, message }): Problem => ({ severity: "error", file, line, message: `${message}${mend}` }));
  if (faults.length === 0) {
    for (const read of all)
      for (const document of read.ok ? read.documents : []) readDocument({ file, text }, document, objects, problems);
  }
  const read = { text, parts, objects, problems, isBare };
  known.files.set(file, read);
  return read;
}

function mayBeObject({ value }: TextDocument): boolean {
  return isObject(value) || typeof value !== "object";
}

function readValue(text: ManifestText): ReadFile {
  const [objects, problems]: [ManifestObject[], Problem[]] = [[], []];
  readDocument(text, { value: text.value, line: 1, lineOf: () => 1 }, objects, problems);
  return { objects, problems, isBare: false };
}

/** More errors of one text than these help nobody. */
const MOST_FAULTS = 20;
const TEMPLATE =
  " (a template of Helm: render it first, `helm template … | shieldgate policy … -f -`, and leave it out, `--skip templates`)";

interface Part {
  readonly text: string;
  /** Lines before it. */
  readonly offset: number;
}

/** Documents one by one: the tree of one is some hundred times its size. No text holds the mark but between documents. */
function partsOf(text: string): Part[] {
  // What a directive says is about the document behind the next mark.
  if (/^%/m.test(text)) return [{ text, offset: 0 }];
  const parts: Part[] = [];
  let [start, offset] = [0, 0];
  for (const { index } of text.matchAll(/^---(?=\s|$)/gm)) {
    const part = text.slice(start, index);
    parts.push({ text: part, offset });
    offset += part.split("\n").length - 1;
    start = index;
  }
  return [...parts, { text: text.slice(start), offset }];
}

/** What a part holds, with the lines of the whole text. */
function documentsOf({ text, offset }: Part, limits: TextLimits, known: KnownDocuments): PolicyText {
  const read = known.documents.get(text) ?? plainDocument(text, limits) ?? wholeDocuments(text, limits);
  known.documents.set(text, read);
  if (offset === 0) return read;
  if (!read.ok) return { ok: false, errors: read.errors.map((error) => ({ ...error, line: error.line + offset })) };
  const moved = ({ value, line, lineOf }: TextDocument): TextDocument => ({
    value,
    line: line + offset,
    lineOf: (field) => lineOf(field) + offset,
  });
  return { ok: true, documents: read.documents.map(moved) };
}

/** Most documents need not all of YAML. Lists are left to who knows the lines of their items. */
function plainDocument(text: string, limits: TextLimits): PolicyText | undefined {
  const read = text.length > limits.length ? undefined : readPlainYaml(text, resolveScalar);
  if (read === undefined || listOf(read.value) !== undefined) return undefined;
  const { value, line } = read;
  return { ok: true, documents: [{ value, line, lineOf: linesLater(text, limits, 0, line) }] };
}

/** Its tree is let go, and made again where a line is asked for. */
function wholeDocuments(text: string, limits: TextLimits): PolicyText {
  const read = readPolicyText(text, limits);
  if (!read.ok) return read;
  const documents = read.documents.map((document, index): TextDocument => {
    const { value, line } = document;
    const itemLines = itemLinesOf(document);
    const lines = linesLater(text, limits, index, line);
    const lineOf = (field: string) => {
      const item = /^items\[(\d+)\]$/.exec(field)?.[1];
      return item === undefined ? lines(field) : (itemLines[Number(item)] ?? line);
    };
    return { value, line, lineOf };
  });
  return { ok: true, documents };
}

function linesLater(text: string, limits: TextLimits, index: number, line: number): TextDocument["lineOf"] {
  let lines: TextDocument["lineOf"] | undefined;
  return (field) => {
    if (field === "") return line;
    if (lines === undefined) {
      const again = readPolicyText(text, limits);
      lines = again.ok ? again.documents[index]!.lineOf : () => line;
    }
    return lines(field);
  };
}

/** Asked here, where nothing keeps the document: what `lineOf` below closes over would keep its tree. */
function itemLinesOf({ value, lineOf }: TextDocument): number[] {
  return listOf(value)?.map((_, item) => lineOf(`items[${item}]`)) ?? [];
}

/** The objects of what `kubectl get` prints; undefined = the value is one object. */
function listOf(value: unknown): unknown[] | undefined {
  const { kind, items } = (isObject(value) ? value : {}) as { kind?: unknown; items?: unknown };
  return typeof kind === "string" && kind.endsWith("List") && Array.isArray(items) ? items : undefined;
}

function readDocument(
  text: ManifestText,
  document: TextDocument,
  objects: ManifestObject[],
  problems: Problem[],
): void {
  const items = listOf(document.value)?.map((item, index) => [item, `items[${index}]`] as const);
  for (const [part, prefix] of items ?? [[document.value, ""] as const]) {
    const placeOf = (field: string): Place => {
      const path = [prefix, field].filter((step) => step !== "").join(".");
      return { file: text.file, line: document.lineOf(path) };
    };
    const read = readObject(part, text, placeOf, prefix);
    if ("message" in read) problems.push(read);
    else objects.push(read);
  }
}

function readObject(
  value: unknown,
  { text }: ManifestText,
  placeOf: ManifestObject["placeOf"],
  prefix: string,
): ManifestObject | Problem {
  const place = placeOf("");
  const wrong = (severity: Problem["severity"], field: string, message: string): Problem => ({
    severity,
    ...placeOf(field),
    message,
  });
  if (typeof value !== "object" && prefix === "")
    return wrong("error", "", `a ${typeof value} alone is no object of Kubernetes`);
  if (!isObject(value))
    return wrong(prefix === "" ? "warning" : "error", "", "holds no object of Kubernetes; left alone");
  const { apiVersion, kind, metadata } = value;
  if (typeof apiVersion !== "string" || typeof kind !== "string" || kind === "")
    return wrong("warning", "", "an object without apiVersion and kind is none of Kubernetes; left alone");
  if (metadata === undefined && !POLICY_LIKE.test(kind))
    return wrong("warning", "", `a ${kind} without metadata is no object of a cluster; left alone`);
  if (!isObject(metadata)) return wrong("error", "metadata", `the ${kind} has no metadata: name it`);
  const name = metadata["name"] ?? metadata["generateName"];
  if (typeof name === "boolean" || typeof name === "number")
    return wrong("error", "metadata.name", `the name of the ${kind} must be a string: put it in quotes`);
  if (typeof name !== "string" || name === "")
    return wrong("error", "metadata.name", `the ${kind} has no name: write metadata.name`);
  const namespace = metadata["namespace"] ?? "";
  if (typeof namespace !== "string") return wrong("error", "metadata.namespace", "the namespace must be a string");
  return { apiVersion, kind, namespace, name, value, place, placeOf, text };
}

/** Kinds that are policies or groups, and what looks like one of them, misspelt or of a kind that is not supported. */
export const POLICY_LIKE = /network.*pol|cidr.*group/i;
