import { fault, type HttpFault, type HttpField, isFault } from "./http-head.ts";
import { announcedLength, splitSection } from "./http2-fields.ts";

export interface Http2Response {
  /** 1xx: another one follows. */
  readonly status: number;
  readonly fields: readonly HttpField[];
  /** Bytes of the body as announced or ruled out by the status, -1 = nothing is known. */
  readonly length: number;
}

const PSEUDO_NAMES: ReadonlySet<string> = new Set([":status"]);

/** Reads the header section of an answer to a request of `method` (RFC 9113, 8.3.2), names and values in turn. */
export function readHttp2Response(section: readonly string[], method: string): Http2Response | HttpFault {
  const parts = splitSection(section, PSEUDO_NAMES);
  if (isFault(parts)) return parts;
  const status = parts.pseudo.get(":status") ?? "";
  // 101 cannot be in HTTP/2 (RFC 9113, 8.6)
  if (!/^[1-5][0-9]{2}$/.test(status) || status === "101") return fault("no :status that is one");
  const announced = announcedLength(parts.fields);
  if (typeof announced === "object") return announced;
  const length = method === "HEAD" || status === "204" || status === "304" ? 0 : announced;
  return { status: Number(status), fields: parts.fields, length };
}
