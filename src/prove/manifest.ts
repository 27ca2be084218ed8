import { isObject } from "../policy/field.ts";
import { readPolicyText, type TextDocument, type TextLimits } from "../policy/policy-text.ts";

/** A text that objects are read from, and what it is called. */
export interface ManifestText {
  readonly file: string;
  readonly text: string;
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

export interface ReadManifests {
  readonly objects: readonly ManifestObject[];
  readonly problems: readonly Problem[];
}

/** A file of an application may be long, and definitions of resources nest deeper than policies do. */
const LIMITS: TextLimits = { length: 64 << 20, depth: 128, documents: 100_000 };
/** Objects together: ten times the largest clusters. */
const MOST_OBJECTS = 1_000_000;

/**
 * Reads every object of the texts, lists taken apart. A text that cannot be read gives errors with their lines, and none of its
 * objects count. Never throws.
 */
export function readManifests(texts: readonly ManifestText[], limits: Partial<TextLimits> = {}): ReadManifests {
  const objects: ManifestObject[] = [];
  const problems: Problem[] = [];
  for (const { file, text } of texts) {
    const read = readPolicyText(text, { ...LIMITS, ...limits });
    if (!read.ok) {
      const isTemplate = /\{\{.*\}\}/.test(text);
      const mend = isTemplate
        ? " (a template of Helm: render it first, `helm template … | shieldgate policy … -f -`)"
        : "";
      for (const { line, message } of read.errors)
        problems.push({ severity: "error", file, line, message: `${message}${mend}` });
      continue;
    }
    for (const document of read.documents) readDocument({ file, text }, document, objects, problems);
    if (objects.length > MOST_OBJECTS) {
      problems.push({ severity: "error", file, line: 1, message: `more than ${MOST_OBJECTS} objects` });
      break;
    }
  }
  return { objects, problems };
}

function readDocument(
  text: ManifestText,
  document: TextDocument,
  objects: ManifestObject[],
  problems: Problem[],
): void {
  const { value } = document;
  const { kind, items } = (isObject(value) ? value : {}) as { kind?: unknown; items?: unknown };
  const isList = typeof kind === "string" && kind.endsWith("List") && Array.isArray(items);
  const parts = isList ? items.map((item, index) => [item, `items[${index}]`] as const) : [[value, ""] as const];
  for (const [part, prefix] of parts) {
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
