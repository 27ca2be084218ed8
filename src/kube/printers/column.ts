import { type Fields, fieldsOf, type KubeObject, listOf } from "../object.ts";
import { since } from "./duration.ts";

export type Cell = string | number | boolean | null;

/** One column of a table: what the client shows as head, and the cell of one object. */
export interface Column {
  readonly name: string;
  /** `string` when absent. */
  readonly type?: string;
  readonly format?: string;
  readonly description?: string;
  /** 1: only in the wide form. */
  readonly priority?: number;
  /** `now` is milliseconds since the epoch. */
  readonly cell: (object: KubeObject, now: number) => Cell;
}

export const NAME: Column = { name: "Name", format: "name", cell: (object) => object.metadata.name };
export const AGE: Column = { name: "Age", cell: (object, now) => since(object.metadata.creationTimestamp, now) };
export const CREATED_AT: Column = {
  name: "Created At",
  type: "date",
  cell: (object) => object.metadata.creationTimestamp ?? "",
};

/** The same column, shown in the wide form only. */
export function wide(column: Column): Column {
  return { ...column, priority: 1 };
}

export const specOf = (object: KubeObject): Fields => fieldsOf(object.spec);
export const statusOf = (object: KubeObject): Fields => fieldsOf(object.status);
export const objectsOf = (value: unknown): Fields[] => listOf(value).map(fieldsOf);

/** A number field; 0 when it is absent. */
export function count(value: unknown): number {
  return typeof value === "number" ? value : 0;
}

/** A text field, or what stands for its absence. */
export function text(value: unknown, absent = ""): string {
  return value === undefined || value === null || value === "" ? absent : String(value);
}

/** `key=value,…` in the order of the keys; `<none>` when there are none. */
export function labelText(labels: unknown): string {
  const entries = Object.entries(fieldsOf(labels)).sort(([a], [b]) => (a < b ? -1 : 1));
  return entries.map(([key, value]) => `${key}=${value}`).join(",") || "<none>";
}

/** A label selector in one line: `a=b,c in (d,e),!f`; `<none>` when empty. */
export function selectorText(selector: unknown): string {
  const { matchLabels, matchExpressions } = fieldsOf(selector);
  const equalities = Object.entries(fieldsOf(matchLabels)).map(([key, value]) => ({ key, text: `${key}=${value}` }));
  const expressions = objectsOf(matchExpressions).map((item) => ({
    key: String(item.key),
    text: requirementText(item),
  }));
  const sorted = [...equalities, ...expressions].sort((a, b) => (a.key < b.key ? -1 : 1));
  return sorted.map((item) => item.text).join(",") || "<none>";
}

function requirementText({ key, operator, values }: Fields): string {
  if (operator === "Exists") return String(key);
  if (operator === "DoesNotExist") return `!${key}`;
  return `${key} ${operator === "In" ? "in" : "notin"} (${[...listOf(values)].sort().join(",")})`;
}
