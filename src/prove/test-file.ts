import { Field, formatFieldError, isObject, noFindings } from "../policy/field.ts";
import { readPolicyText } from "../policy/policy-text.ts";
import type { ManifestText, Place, Problem } from "./manifest.ts";

/** What a test may expect of a connection. `deny-l7` = the proxy refuses the request. */
export const EXPECTATIONS = ["allow", "deny", "deny-l7", "unknown"] as const;
export type Expectation = (typeof EXPECTATIONS)[number];

/** One connection that is asked about. */
export interface ConnectionTest extends Place {
  readonly kind: "connection";
  readonly name: string;
  readonly from: string;
  readonly to: string;
  readonly port?: number | string;
  readonly protocol?: string;
  readonly http?: string;
  readonly headers: readonly string[];
  readonly dns?: string;
  readonly sni?: string;
  readonly expect: Expectation;
  /** Policies of which one must be among those that decide: `NAME`, `NAMESPACE/NAME`, `KIND NAMESPACE/NAME`; absent = whichever. */
  readonly policy?: readonly string[];
}

/** Nobody but these may reach the target, at its port or at any. */
export interface OnlyTest extends Place {
  readonly kind: "only";
  readonly name: string;
  readonly to: string;
  readonly only: readonly string[];
}

export type PolicyTest = ConnectionTest | OnlyTest;

export interface TestFile {
  readonly file: string;
  /** Paths from the file's folder; empty = the folder itself. */
  readonly manifests: readonly string[];
  readonly tests: readonly PolicyTest[];
  readonly problems: readonly Problem[];
}

/** What is written of one case, before lists in it are taken apart. */
interface Written {
  name?: string;
  from?: readonly string[];
  to?: readonly string[];
  ports?: readonly (number | string)[];
  protocol?: string;
  http?: string;
  headers?: readonly string[];
  dns?: string;
  sni?: string;
  expect?: Expectation;
  policy?: readonly string[];
  only?: readonly string[];
  table?: readonly (readonly string[])[];
}

/** Reads a file of tests; unknown fields and values are errors with their lines, and then none of its tests count. */
export function readTestFile({ file, text }: ManifestText): TestFile {
  const read = readPolicyText(text);
  const failed = (problems: readonly Omit<Problem, "severity" | "file">[]): TestFile => ({
    file,
    manifests: [],
    tests: [],
    problems: problems.map(({ line, message }) => ({ severity: "error", file, line, message })),
  });
  if (!read.ok) return failed(read.errors);
  const [document, second] = read.documents;
  if (document === undefined || second !== undefined)
    return failed([{ line: 1, message: "must be one document with `tests`" }]);
  const findings = noFindings();
  const root = new Field("", findings);
  let manifests: readonly string[] = [];
  const tests: PolicyTest[] = [];
  root.object(
    document.value,
    {
      manifests: (value, at) => {
        manifests = texts(value, at);
      },
      tests: (value, at) => {
        at.list(value, (element, place) => {
          const line = document.lineOf(place.path);
          tests.push(...readCase(element, place, { file, line }));
        });
      },
    },
    { required: ["tests"] },
  );
  if (findings.errors.length > 0)
    return failed(
      findings.errors.map((error) => ({ line: document.lineOf(error.field), message: formatFieldError(error) })),
    );
  return { file, manifests, tests, problems: [] };
}

/** A text, or a list of texts. */
function texts(value: unknown, at: Field): string[] {
  if (!Array.isArray(value)) return [at.text(value)].filter((text) => text !== undefined);
  return at.list(value, (element, place) => place.text(element)) ?? [];
}

function readCase(value: unknown, at: Field, place: Place): PolicyTest[] {
  const written: Written = {};
  const text = (key: "name" | "protocol" | "http" | "dns" | "sni") => (content: unknown, field: Field) => {
    const read = field.text(content);
    if (read !== undefined) written[key] = read;
  };
  const list = (key: "from" | "to" | "headers" | "only" | "policy") => (content: unknown, field: Field) => {
    written[key] = texts(content, field);
  };
  at.object(value, {
    ...Object.fromEntries((["name", "protocol", "http", "dns", "sni"] as const).map((key) => [key, text(key)])),
    ...Object.fromEntries((["from", "to", "headers", "only", "policy"] as const).map((key) => [key, list(key)])),
    ports: (content, field) => {
      written.ports = field.list(content, (port, item) => (typeof port === "number" ? port : item.text(port))) ?? [];
    },
    expect: (content, field) => {
      const expect = field.choice(content, EXPECTATIONS);
      if (expect !== undefined) written.expect = expect;
    },
    table: (content, field) => {
      written.table =
        field.list(content, (row, item) => item.countedList(row, 3, 3, (cell, each) => each.text(cell))) ?? [];
    },
  });
  return isObject(value) ? takeApart(written, at, place) : [];
}

/** `only` asks for every request of everybody. */
const NOT_BESIDE_ONLY = ["from", "ports", "expect", "policy", "protocol", "http", "headers", "dns", "sni"] as const;

function takeApart(written: Written, at: Field, place: Place): PolicyTest[] {
  const { name, from, to, ports, expect, only, table, headers = [], ...rest } = written;
  if (table !== undefined)
    return table.flatMap(([source, target, word], index) => {
      const wanted = at.child("table").index(index).index(2).choice(word, EXPECTATIONS);
      if (wanted === undefined) return [];
      const title = `${name === undefined ? "" : `${name}: `}${source} -> ${target}`;
      return [
        {
          ...rest,
          ...place,
          kind: "connection" as const,
          name: title,
          from: source!,
          to: target!,
          headers,
          expect: wanted,
        },
      ];
    });
  if (to === undefined || to.length === 0) at.refuse("needs `to`", "say who is asked, as in `to: cart:80`");
  if (only !== undefined) {
    for (const field of NOT_BESIDE_ONLY)
      if (written[field] !== undefined) at.child(field).refuse("has no meaning beside `only`", "leave it out");
    return (to ?? []).map((target) => ({
      ...place,
      kind: "only",
      name: name ?? `only ${only.join(", ")} -> ${target}`,
      to: target,
      only,
    }));
  }
  if (from === undefined || expect === undefined) {
    at.refuse("needs `from` and `expect`, or `only`, or a `table`", `expect is one of ${EXPECTATIONS.join(", ")}`);
    return [];
  }
  const places: readonly (number | string | undefined)[] = ports ?? [undefined];
  const isOne = from.length * (to?.length ?? 0) * places.length === 1;
  return from.flatMap((source) =>
    (to ?? []).flatMap((target) =>
      places.map((port): ConnectionTest => {
        const which = `${source} -> ${target}${port === undefined ? "" : ` ${port}`}`;
        const title = name === undefined ? which : isOne ? name : `${name}: ${which}`;
        return {
          ...rest,
          ...place,
          kind: "connection",
          name: title,
          from: source,
          to: target,
          headers,
          expect,
          ...(port === undefined ? {} : { port }),
        };
      }),
    ),
  );
}
