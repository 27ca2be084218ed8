import { fault, fieldValues, type HttpFault, type HttpField, listMembers } from "./http-head.ts";

/** How the end of a body is found. */
export type Framing =
  | { readonly kind: "none" }
  | { readonly kind: "length"; readonly length: number }
  | { readonly kind: "chunked" }
  | { readonly kind: "until-close" };

export const NO_BODY: Framing = { kind: "none" };
const CHUNKED: Framing = { kind: "chunked" };

/**
 * The framing that the fields declare, `undefined` when they declare none. Both lengths at once, differing lengths and
 * every transfer coding but a single `chunked` are refused: that is where request smuggling lives.
 */
export function declaredFraming(fields: readonly HttpField[], version: string): Framing | HttpFault | undefined {
  const codings = fieldValues(fields, "transfer-encoding");
  const lengths = fieldValues(fields, "content-length");
  if (codings.length > 0) return transferCoding(codings, lengths, version);
  if (lengths.length === 0) return undefined;
  const length = contentLength(lengths);
  if (typeof length === "object") return length;
  return length === 0 ? NO_BODY : { kind: "length", length };
}

function transferCoding(codings: readonly string[], lengths: readonly string[], version: string): Framing | HttpFault {
  if (lengths.length > 0) return fault("both Content-Length and Transfer-Encoding");
  if (version !== "HTTP/1.1") return fault("Transfer-Encoding in HTTP/1.0");
  if (codings.length > 1) return fault("more than one Transfer-Encoding");
  if (codings[0]!.toLowerCase() !== "chunked") return fault("transfer coding other than chunked", 501);
  return CHUNKED;
}

function contentLength(values: readonly string[]): number | HttpFault {
  const first = values[0]!;
  if (values.some((value) => value !== first)) return fault("two different lengths");
  if (values.length > 1) return fault("Content-Length more than once");
  if (!/^(?:0|[1-9][0-9]{0,14})$/.test(first)) return fault("Content-Length that is not a number");
  return Number(first);
}

/** Whether the sender keeps the connection after this message. HTTP/1.0 never does here. */
export function keepsAlive(version: string, connection: readonly string[]): boolean {
  return version === "HTTP/1.1" && !connection.includes("close");
}

export function connectionOptions(fields: readonly HttpField[]): string[] {
  return listMembers(fieldValues(fields, "connection"));
}

const DIRECTING =
  /^(?:content-(?:length|encoding|type|range)|transfer-encoding|host|connection|keep-alive|te|trailer|upgrade|expect|authorization|cookie|forwarded|x-forwarded-.*|x-real-ip|proxy-.*|if-.*|range|max-forwards|cache-control)$/;

/** Whether the field of this name (lower case) must not come after a body (RFC 9110, 6.5.1): servers that merge trailers would believe it. */
export function mustNotTrail(name: string): boolean {
  return DIRECTING.test(name);
}
