import type { Writable } from "node:stream";
import { formatFieldError } from "../../policy/field.ts";
import { parseCidrGroup, parsePolicy } from "../../policy/parse.ts";
import { readPolicyText, type TextDocument } from "../../policy/policy-text.ts";
import type { FieldError, FieldWarning } from "../../policy/rule.ts";
import { openText, readAll } from "./input.ts";

/** Kinds that are policies or groups, and what looks like one of them, misspelt or of a kind that is not supported. */
const POLICY_LIKE = /network.*pol|cidr.*group/i;

/** Characters of one file: what a large cluster's policies make together. */
const LONGEST_TEXT = 64 << 20;

/** One thing to say, and where. */
interface Finding {
  readonly line: number;
  readonly kind: "error" | "warning";
  readonly text: string;
}

/** What was found in one file, how many policies and groups it holds, and the kinds of its other objects. */
interface Checked {
  readonly findings: readonly Finding[];
  readonly objects: number;
  readonly others: readonly string[];
}

/**
 * Writes every error and warning of the policies in the files as `file:line: error: field: message (mend)`, and a last line with
 * the numbers. True when there are no errors. A file that cannot be read is named to `complain` and counts as an error. Objects
 * of other kinds, which stand beside policies in the files of an application, are left alone and named in the last line.
 */
export async function validate(
  files: readonly string[],
  out: Writable,
  complain: (text: string) => void,
): Promise<boolean> {
  let [objects, errors, warnings] = [0, 0, 0];
  const others: string[] = [];
  for (const file of files) {
    const text = await readText(file);
    if (text instanceof Error) {
      errors++;
      complain(`${file}: ${text.message}`);
      continue;
    }
    const checked = checkText(text);
    objects += checked.objects;
    others.push(...checked.others);
    for (const { line, kind, text } of checked.findings) {
      if (kind === "error") errors++;
      else warnings++;
      out.write(`${file}:${line}: ${kind}: ${text}\n`);
    }
  }
  const kinds = [...new Set(others)].sort().join(", ");
  const rest = others.length === 0 ? "" : `; ${others.length} left alone (${kinds})`;
  out.write(`${count(objects, "object")}: ${count(errors, "error")}, ${count(warnings, "warning")}${rest}\n`);
  return errors === 0;
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}

async function readText(file: string): Promise<string | Error> {
  try {
    return await readAll(openText(file), LONGEST_TEXT);
  } catch (error) {
    return error as Error;
  }
}

/** What is wrong with the policies of a text. */
export function checkText(text: string): Checked {
  const read = readPolicyText(text, { length: LONGEST_TEXT });
  if (!read.ok) {
    const findings = read.errors.map(({ line, message }): Finding => ({ line, kind: "error", text: message }));
    return { findings, objects: 0, others: [] };
  }
  if (read.documents.length === 0)
    return { findings: [{ line: 1, kind: "error", text: "holds no object" }], objects: 0, others: [] };
  const all = read.documents.flatMap((document) => partsOf(document));
  const parts = all.filter(({ value }) => otherKind(value) === undefined);
  const findings = parts.flatMap(({ document, value, prefix }) =>
    check(value).map(({ kind, ...said }): Finding => {
      const field = [prefix, said.field].filter((part) => part !== "").join(".");
      return { line: document.lineOf(field), kind, text: formatFieldError({ ...said, field }) };
    }),
  );
  const others = all.flatMap(({ value }) => otherKind(value) ?? []);
  return { findings: findings.sort((a, b) => a.line - b.line), objects: parts.length, others };
}

/** The kind of an object of Kubernetes that is no policy and does not look like one. */
function otherKind(value: unknown): string | undefined {
  const { kind, apiVersion } = (value ?? {}) as { kind?: unknown; apiVersion?: unknown };
  if (typeof kind !== "string" || kind === "" || typeof apiVersion !== "string") return undefined;
  return POLICY_LIKE.test(kind) ? undefined : kind;
}

interface Part {
  readonly document: TextDocument;
  readonly value: unknown;
  /** Where it stands in its document. */
  readonly prefix: string;
}

/** What `kubectl get -o yaml` prints is a list of objects. */
function partsOf(document: TextDocument): Part[] {
  const { kind, items } = (document.value ?? {}) as { kind?: unknown; items?: unknown };
  if (typeof kind !== "string" || !kind.endsWith("List") || !Array.isArray(items))
    return [{ document, value: document.value, prefix: "" }];
  return items.map((value, index) => ({ document, value, prefix: `items[${index}]` }));
}

type Said = Pick<FieldError, "field" | "message" | "mend"> & { readonly kind: Finding["kind"] };

function check(value: unknown): Said[] {
  const isGroup = (value as { kind?: unknown } | null)?.kind === "CiliumCIDRGroup";
  const parsed = isGroup ? parseCidrGroup(value) : parsePolicy(value);
  const said = (kind: Finding["kind"], list: readonly (FieldError | FieldWarning)[]) =>
    list.map((each): Said => ({ kind, ...each }));
  return [...(parsed.ok ? [] : said("error", parsed.errors)), ...said("warning", parsed.warnings)];
}
