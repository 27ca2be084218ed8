import type { FieldError } from "../status.ts";

/** How a value is shown in an error: as JSON. */
export function shown(value: unknown): string {
  return value === undefined ? "null" : JSON.stringify(value);
}

/** The value breaks a rule, which `why` says. */
export function invalid(field: string, value: unknown, why: string): FieldError {
  return { field, reason: "FieldValueInvalid", message: `Invalid value: ${shown(value)}: ${why}` };
}

/** The field has no value and must have one. */
export function requiredValue(field: string, why = ""): FieldError {
  return { field, reason: "FieldValueRequired", message: why === "" ? "Required value" : `Required value: ${why}` };
}

/** The value is none of the few that are allowed. */
export function unsupported(field: string, value: unknown, allowed: readonly unknown[]): FieldError {
  const values = allowed.map((item) => JSON.stringify(item)).join(", ");
  const message = `Unsupported value: ${shown(value)}: supported values: ${values}`;
  return { field, reason: "FieldValueNotSupported", message };
}

/** The value stands there twice. */
export function duplicate(field: string, value: unknown): FieldError {
  return { field, reason: "FieldValueDuplicate", message: `Duplicate value: ${shown(value)}` };
}

/** The field must not be set, or not in this way. */
export function forbiddenValue(field: string, why: string): FieldError {
  return { field, reason: "FieldValueForbidden", message: `Forbidden: ${why}` };
}

/** Something that the field names does not exist. */
export function notFoundValue(field: string, value: unknown): FieldError {
  return { field, reason: "FieldValueNotFound", message: `Not found: ${shown(value)}` };
}

/** The text has more bytes than allowed. */
export function tooLong(field: string, maximum: number): FieldError {
  return {
    field,
    reason: "FieldValueTooLong",
    message: `Too long: may not be more than ${maximum} byte${maximum === 1 ? "" : "s"}`,
  };
}

/** The list has more items than allowed. */
export function tooMany(field: string, actual: number, maximum: number): FieldError {
  const message = `Too many: ${actual}: must have at most ${maximum} item${maximum === 1 ? "" : "s"}`;
  return { field, reason: "FieldValueTooMany", message };
}
