import type { KubeObject } from "../object.ts";
import { badRequest } from "../status.ts";
import type { ResourceKind } from "./kind.ts";

export type ObjectFilter = (object: KubeObject) => boolean;

interface Term {
  readonly field: string;
  readonly value: string;
  readonly equal: boolean;
}

function parseTerm(text: string): Term {
  const match = /^([^=!]+)(==|!=|=)(.*)$/.exec(text);
  if (!match) throw badRequest(`invalid selector: '${text}'; can't understand '${text}'`);
  const value = match[3]!.replace(/\\([\\,=])/g, "$1");
  return { field: match[1]!.trim(), value, equal: match[2] !== "!=" };
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

/** A field selector from its text, as in `status.phase=Running,spec.nodeName!=a`. Throws 400 for fields the kind does not index. */
export function parseFieldSelector(text: string | null | undefined, kind: ResourceKind): ObjectFilter {
  if (!text || text.trim() === "") return () => true;
  const terms = text
    .split(/(?<!\\),/)
    .filter((part) => part !== "")
    .map(parseTerm);
  const known = selectableFields(kind, blank(kind));
  for (const { field } of terms) {
    if (!(field in known)) throw badRequest(`field label not supported: ${field}`);
  }
  return (object) => {
    const fields = selectableFields(kind, object);
    return terms.every((term) => (fields[term.field] === term.value) === term.equal);
  };
}
