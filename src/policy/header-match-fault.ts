import type { HeaderMatch } from "./l7-rule.ts";

/** Why a header match cannot be carried out, and what to write instead. */
export interface HeaderMatchFault {
  readonly message: string;
  readonly mend: string;
}

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const CONTROL = /[^\t\x20-\x7e\u0080-\uffff]/;
/** What says where a message ends, for whom it is or what comes after it. */
const FRAMING =
  /^(?:content-length|transfer-encoding|connection|keep-alive|proxy-connection|host|te|trailer|upgrade|expect|http2-settings)$/i;
const REWRITING = new Set(["ADD", "DELETE", "REPLACE"]);

/** True for what may stand as the value of a field: a control character could end the field and begin another. */
function isFieldValue(text: string): boolean {
  return !CONTROL.test(text);
}

/** The item that holds the value where a secret has several. */
const GENERIC = "generic";

/**
 * The value of a secret that headers are compared with: its only item, or `generic`. Undefined = it has none that can stand in a
 * header, and counts as missing.
 */
export function secretValue(items: Readonly<Record<string, string>>): string | undefined {
  const values = Object.values(items);
  const value = items[GENERIC] || (values.length === 1 ? values[0] : undefined);
  return value !== undefined && isFieldValue(value) ? value : undefined;
}

/**
 * What keeps a header match from being carried out, undefined = nothing does. A field that frames the message must not be
 * rewritten, or proxy and server could disagree about where it ends; a secret must not be where records show it.
 */
export function headerMatchFault({ name, value = "", secret, mismatch }: HeaderMatch): HeaderMatchFault | undefined {
  const isPart = name.startsWith(":") || name.toLowerCase() === "host";
  if (secret !== undefined && isPart) return { message: `a secret for "${name}" would show`, mend: "name a field" };
  if (mismatch === undefined || !REWRITING.has(mismatch)) return undefined;
  if (!TOKEN.test(name)) return { message: `"${name}" is no name of a field`, mend: "write the name of a field" };
  if (FRAMING.test(name))
    return { message: `${mismatch} of "${name}" would change what the server takes for the request`, mend: "use LOG" };
  if (!isFieldValue(value)) return { message: "the value has a control character", mend: "write printable characters" };
  return undefined;
}
