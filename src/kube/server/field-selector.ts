import type { KubeObject } from "../object.ts";
import { badRequest } from "../status.ts";
import type { ResourceKind } from "./kind.ts";

export type ObjectFilter = (object: KubeObject) => boolean;

interface Term {
  readonly field: string;
  readonly value: string;
  readonly equal: boolean;
}

function unescaped(value: string): string {
  return value.replace(/\\([\s\S]?)|([,=])/g, (sequence, escaped?: string, bare?: string) => {
    if (bare) throw badRequest(`invalid field selector: unescaped character in value: ${bare.charCodeAt(0)}`);
    if (/^[\\,=]$/.test(escaped ?? "")) return escaped!;
    throw badRequest(`invalid field selector: invalid escape sequence: ${sequence}`);
  });
}

function parseTerm(text: string, whole: string): Term {
  const [, field = "", operator, value = ""] = /^([\s\S]*?)(!=|==|=)([\s\S]*)$/.exec(text) ?? [];
  if (operator === undefined) throw badRequest(`invalid selector: '${whole}'; can't understand '${text}'`);
  return { field, value: unescaped(value), equal: operator !== "!=" };
}

/** The fields of an object that selectors may name. */
function selectableFields(kind: ResourceKind, object: KubeObject): Record<string, string> {
  return {
    "metadata.name": object.metadata.name,
    ...(kind.namespaced ? { "metadata.namespace": object.metadata.namespace ?? "" } : {}),
    ...kind.strategy.selectable?.(object),
  };
}

/** An empty object of the kind: its selectable fields are the kind's. */
function blank(kind: ResourceKind): KubeObject {
  return { apiVersion: "", kind: kind.kind, metadata: { name: "" } };
}

function unsupported(kind: ResourceKind, field: string): string {
  const shown = JSON.stringify(field);
  if (kind.kind === "Job") return `field label ${shown} not supported for Job`;
  if (kind.strategy.selectable || kind.definition) return `field label not supported: ${field}`;
  return `${shown} is not a known field selector: only "metadata.name", "metadata.namespace"`;
}

/**
 * A field selector from its text, as in `status.phase=Running,spec.nodeName!=a`. Throws 400, in Kubernetes' words, for what
 * cannot be read and for fields that the kind does not index.
 */
export function parseFieldSelector(text: string | null | undefined, kind: ResourceKind): ObjectFilter {
  if (!text) return () => true;
  const parts = text.match(/(?:\\[\s\S]|[^,\\]|\\$)+/g) ?? [];
  const terms = parts.sort().map((part) => parseTerm(part, text));
  const known = selectableFields(kind, blank(kind));
  for (const { field } of terms) if (!(field in known)) throw badRequest(unsupported(kind, field));
  return (object) => {
    const fields = selectableFields(kind, object);
    return terms.every((term) => (fields[term.field] === term.value) === term.equal);
  };
}
