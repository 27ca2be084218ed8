import type { AccessRecord } from "../model/access-record.ts";
import { applyHeaderAction } from "../policy/http-header.ts";
import { headerValue } from "../policy/http-request.ts";
import type { HeaderAction, HttpRequestFacts } from "../policy/http-rule.ts";

type Fields = AccessRecord["headers"];

/** What rules did to the headers of an allowed request. */
export interface HeaderEdits {
  /** The fields as the server gets them; the same object when nothing changed. */
  readonly fields: Fields;
  /** What rules wanted and did not find. */
  readonly missing: Fields;
  /** What was found in place of it and taken away. */
  readonly rejected: Fields;
}

/** Stands in records where a secret would. */
const REDACTED = "[redacted]";

export function editHeaders(request: HttpRequestFacts, actions: readonly HeaderAction[]): HeaderEdits {
  if (actions.length === 0) return { fields: request.headers, missing: [], rejected: [] };
  const missing: { name: string; value: string }[] = [];
  const rejected: { name: string; value: string }[] = [];
  let fields = request.headers;
  for (const action of actions) {
    const { name, kind, value = "", isSecret } = action;
    const found = headerValue({ ...request, headers: fields }, name);
    const isTakenAway = kind === "delete" || kind === "replace";
    if (isTakenAway && found !== undefined) rejected.push({ name, value: isSecret ? REDACTED : found });
    if (kind !== "delete") missing.push({ name, value: isSecret ? REDACTED : value });
    fields = applyHeaderAction(fields, action);
  }
  return { fields, missing, rejected };
}

/** The fields as records may show them. `secretNames`: in lower case, of fields that rules compare with secrets. */
export function shownFields(fields: Fields, secretNames: ReadonlySet<string> | undefined): Fields {
  if (secretNames === undefined || secretNames.size === 0) return fields;
  return fields.map((field) => (secretNames.has(field.name.toLowerCase()) ? { ...field, value: REDACTED } : field));
}
