import { mustNotTrail } from "./http-framing.ts";
import { fault, type HttpFault, type HttpField, isToken } from "./http-head.ts";

/** Fields that speak of one connection only (RFC 9113, 8.2.2). */
const CONNECTION_FIELDS: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
]);
const EDGE = /^[ \t]|[ \t]$/;
const CAPITAL = /[A-Z]/;

/** A header section in two parts. */
export interface SplitSection {
  readonly pseudo: ReadonlyMap<string, string>;
  readonly fields: readonly HttpField[];
}

/**
 * Parts a header section (names and values in turn, one character a byte) into pseudo-header fields, of which only
 * `allowed` ones may come, each once and before all others (RFC 9113, 8.3), and fields that are ones (8.2).
 */
export function splitSection(section: readonly string[], allowed: ReadonlySet<string>): SplitSection | HttpFault {
  const pseudo = new Map<string, string>();
  const fields: HttpField[] = [];
  for (let at = 0; at < section.length; at += 2) {
    const name = section[at]!;
    const value = section[at + 1]!;
    if (!name.startsWith(":")) {
      const problem = fieldFault(name, value);
      if (problem !== undefined) return fault(problem);
      fields.push({ name, value });
      continue;
    }
    if (name === ":protocol") return fault("extended CONNECT", 501);
    if (!allowed.has(name)) return fault("pseudo-header field that is none here");
    if (fields.length > 0) return fault("pseudo-header field after others");
    if (pseudo.has(name)) return fault("pseudo-header field more than once");
    pseudo.set(name, value);
  }
  return { pseudo, fields };
}

/**
 * Why a trailer section must not be passed on; undefined when it may. `isJudged`: of a request, whose fields must direct nothing,
 * nor be ones that decided about it.
 */
export function trailerFault(section: readonly string[], isJudged?: (name: string) => boolean): string | undefined {
  for (let at = 0; at < section.length; at += 2) {
    const name = section[at]!;
    const problem = fieldFault(name, section[at + 1]!);
    if (problem !== undefined) return problem;
    if (isJudged === undefined) continue;
    if (mustNotTrail(name)) return "trailer that would frame or direct a message";
    if (isJudged(name)) return "trailer that rules look at as a header";
  }
  return undefined;
}

/** Bytes of the body as announced, -1 = not at all. */
export function announcedLength(fields: readonly HttpField[]): number | HttpFault {
  const lengths = fields.filter(({ name }) => name === "content-length");
  if (lengths.length > 1) return fault("content-length more than once");
  const length = lengths[0]?.value;
  if (length === undefined) return -1;
  return /^(?:0|[1-9][0-9]{0,14})$/.test(length) ? Number(length) : fault("content-length that is not a number");
}

/** RFC 9113, 8.2.1 and 8.2.2. */
function fieldFault(name: string, value: string): string | undefined {
  if (!isToken(name)) return "character that is not allowed in a field name";
  if (CAPITAL.test(name)) return "capital letter in a field name";
  if (CONNECTION_FIELDS.has(name)) return "field of one connection";
  for (let index = 0; index < value.length; index++) {
    const code = value.charCodeAt(index);
    if ((code < 32 && code !== 9) || code === 127) return "control character in a field value";
  }
  return EDGE.test(value) ? "space around a field value" : undefined;
}
