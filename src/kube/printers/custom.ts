import { type Fields, fieldsOf, type KubeObject, listOf } from "../object.ts";
import { AGE, type Cell, type Column, NAME } from "./column.ts";
import { since } from "./duration.ts";
import { valuesAt } from "./json-path.ts";

function plain(value: unknown): string {
  return typeof value === "object" && value !== null ? JSON.stringify(value) : String(value);
}

function typedCell(type: string, values: readonly unknown[], now: number): Cell {
  const [first] = values;
  if (values.length === 0 || first === undefined || first === null) return null;
  if (type === "string") return plain(first);
  if (type === "date") return typeof first === "string" ? since(first, now) : null;
  if (type === "boolean") return typeof first === "boolean" ? first : null;
  if (typeof first !== "number") return null;
  return type === "integer" ? Math.trunc(first) : first;
}

function definedColumn(column: Fields): Column {
  const type = String(column.type);
  return {
    name: String(column.name),
    type,
    ...(column.format ? { format: String(column.format) } : {}),
    ...(column.description ? { description: String(column.description) } : {}),
    ...(typeof column.priority === "number" ? { priority: column.priority } : {}),
    cell: (object, now) => typedCell(type, valuesAt(String(column.jsonPath), object), now),
  };
}

const known = new WeakMap<KubeObject, Map<string, readonly Column[]>>();

/** The columns that one version of a CustomResourceDefinition asks for; name and age when it asks for none. */
export function customColumns(definition: KubeObject, version: string): readonly Column[] {
  const versions = known.get(definition) ?? new Map<string, readonly Column[]>();
  known.set(definition, versions);
  const cached = versions.get(version);
  if (cached) return cached;
  const entry = listOf(fieldsOf(definition.spec).versions)
    .map(fieldsOf)
    .find((item) => item.name === version);
  const asked = listOf(entry?.additionalPrinterColumns).map(fieldsOf).map(definedColumn);
  const columns = asked.length === 0 ? [NAME, { ...AGE, type: "date" }] : [NAME, ...asked];
  versions.set(version, columns);
  return columns;
}
