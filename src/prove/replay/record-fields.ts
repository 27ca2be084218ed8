import { isObject } from "../../policy/field.ts";

/** Access to the JSON of Hubble's messages, whose fields are named `is_reply` or `isReply`, and whose enums are names or numbers. */
export type Fields = Readonly<Record<string, unknown>>;

/** A field by its name in the schema, `traffic_direction`. */
export function fieldOf(of: unknown, name: string): unknown {
  if (!isObject(of)) return undefined;
  const value = of[name];
  if (value !== undefined || !name.includes("_")) return value;
  return of[name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())];
}

export function textOf(of: unknown, name: string): string {
  const value = fieldOf(of, name);
  return typeof value === "string" ? value : "";
}

/** Numbers of 64 bits are texts in JSON. Undefined = absent, or no whole number. */
export function numberOf(of: unknown, name: string): number | undefined {
  const value = fieldOf(of, name);
  if (typeof value === "string" && /^\d+$/.test(value)) return Number(value);
  return typeof value === "number" && Number.isInteger(value) && value >= 0 ? value : undefined;
}

/** A wrapped boolean too. */
export function booleanOf(of: unknown, name: string): boolean | undefined {
  const value = fieldOf(of, name);
  const inner = isObject(value) ? value["value"] === true : value;
  return typeof inner === "boolean" ? inner : undefined;
}

export function textsOf(of: unknown, name: string): string[] {
  const value = fieldOf(of, name);
  return Array.isArray(value) ? value.filter((each): each is string => typeof each === "string") : [];
}

export function objectsOf(of: unknown, name: string): Fields[] {
  const value = fieldOf(of, name);
  return Array.isArray(value) ? value.filter(isObject) : [];
}

/** The name of an enum's value, of whom `names` has those by number. Empty = absent; a number without a name stays one. */
export function enumOf(of: unknown, name: string, names: readonly string[]): string {
  const value = fieldOf(of, name);
  if (typeof value === "number") return names[value] ?? String(value);
  return typeof value === "string" ? value.toUpperCase() : "";
}

/** Milliseconds since the epoch, of RFC 3339 or of seconds and nanoseconds. Undefined = absent or neither. */
export function timeOf(value: unknown): number | undefined {
  if (typeof value === "string") {
    const ms = Date.parse(value);
    return Number.isNaN(ms) ? undefined : ms;
  }
  const seconds = numberOf(value, "seconds");
  return seconds === undefined ? undefined : seconds * 1000 + (numberOf(value, "nanos") ?? 0) / 1e6;
}
