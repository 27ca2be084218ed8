import type { Writable } from "node:stream";
import { parseCidrGroup, parsePolicy } from "../../policy/parse.ts";
import { readPolicyText, type TextDocument } from "../../policy/policy-text.ts";
import type { FieldError, FieldWarning } from "../../policy/rule.ts";
import { type FieldLines, fieldLines } from "./field-lines.ts";
import { openText, readAll } from "./input.ts";

/** Characters of one file: what a large cluster's policies make together. */
const LONGEST_TEXT = 64 << 20;

/** One thing to say, and where. */
interface Finding {
  readonly line: number;
  readonly kind: "error" | "warning";
  readonly text: string;
}

/** What was found in one file, and how many objects it holds. */
interface Checked {
  readonly findings: readonly Finding[];
  readonly objects: number;
}

/**
 * Writes every error and warning of the policies in the files as `file:line: error: field: message (mend)`, and a last line with
 * the numbers. True when there are no errors. A file that cannot be read is named to `complain` and counts as an error.
 */
export async function validate(
  files: readonly string[],
  out: Writable,
  complain: (text: string) => void,
): Promise<boolean> {
  let [objects, errors, warnings] = [0, 0, 0];
  for (const file of files) {
    const text = await readText(file);
    if (text instanceof Error) {
      errors++;
      complain(`${file}: ${text.message}`);
      continue;
    }
    const checked = checkText(text);
    objects += checked.objects;
    for (const { line, kind, text } of checked.findings) {
      if (kind === "error") errors++;
      else warnings++;
      out.write(`${file}:${line}: ${kind}: ${text}\n`);
    }
  }
  out.write(`${count(objects, "object")}: ${count(errors, "error")}, ${count(warnings, "warning")}\n`);
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
    return { findings, objects: 0 };
  }
  if (read.documents.length === 0)
    return { findings: [{ line: 1, kind: "error", text: "holds no object" }], objects: 0 };
  let lines: FieldLines | undefined;
  const lineOf = (document: TextDocument, field: string) => {
    lines ??= fieldLines(text);
    return lines.lineOf(document.line, field);
  };
  const parts = read.documents.flatMap((document) => partsOf(document));
  const findings = parts.flatMap(({ document, value, prefix }) =>
    check(value).map(({ kind, field, message, mend }): Finding => {
      const path = [prefix, field].filter((part) => part !== "").join(".");
      const said = `${path === "" ? "" : `${path}: `}${message}${mend === undefined ? "" : ` (${mend})`}`;
      return { line: lineOf(document, path), kind, text: said };
    }),
  );
  return { findings: findings.sort((a, b) => a.line - b.line), objects: parts.length };
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
  return parsed.ok ? said("warning", parsed.warnings) : said("error", parsed.errors);
}
