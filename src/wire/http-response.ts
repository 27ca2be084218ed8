import { connectionOptions, declaredFraming, type Framing, keepsAlive, NO_BODY } from "./http-framing.ts";
import { fault, type HttpFault, type HttpField, isFault, type RawHead } from "./http-head.ts";

export interface HttpResponse {
  readonly status: number;
  readonly version: "HTTP/1.0" | "HTTP/1.1";
  readonly fields: readonly HttpField[];
  readonly framing: Framing;
  readonly keepAlive: boolean;
}

const STATUS_LINE = /^(HTTP\/1\.[01]) ([1-5][0-9]{2})(?: [\t\x20-\x7e\x80-\xff]*)?$/;
const UNTIL_CLOSE: Framing = { kind: "until-close" };

/** Reads the head of the answer to a request of `method`, which decides whether a body follows (RFC 9112, 6.3). */
export function readResponse(head: RawHead, method: string): HttpResponse | HttpFault {
  const line = STATUS_LINE.exec(head.startLine);
  if (line === null) return fault("status line that is none");
  const version = line[1] as HttpResponse["version"];
  const status = Number(line[2]);
  const declared = declaredFraming(head.fields, version);
  if (declared !== undefined && isFault(declared)) return declared;
  // RFC 9112, 6.1 and 6.2 forbid it: a client that believed it would take what follows for a body
  if ((status < 200 || status === 204) && declared !== undefined && declared.kind !== "none")
    return fault("body of an answer that has none");
  const framing = hasNoBody(status, method) ? NO_BODY : (declared ?? UNTIL_CLOSE);
  const keepAlive = framing.kind !== "until-close" && keepsAlive(version, connectionOptions(head.fields));
  return { status, version, fields: head.fields, framing, keepAlive };
}

function hasNoBody(status: number, method: string): boolean {
  return method === "HEAD" || status < 200 || status === 204 || status === 304;
}
