import { fault, fieldValues, type HttpFault, type HttpField, isFault, isToken, listMembers } from "./http-head.ts";
import { normalizePath } from "./http-path.ts";
import { AUTHORITY, TARGET } from "./http-request.ts";
import { announcedLength, splitSection } from "./http2-fields.ts";

/** A request that has one meaning, from the header section of an HTTP/2 stream. */
export interface Http2Request {
  readonly method: string;
  readonly scheme: string;
  /** Authority, of `:authority` or of a `host` field without one. */
  readonly host: string;
  /** Path and query in normal form (`normalizePath`); `*` for OPTIONS of the whole server. */
  readonly path: string;
  /** The client must ask again for `path` (escaped slashes). */
  readonly redirect: boolean;
  /** Fields without the pseudo-header fields and `host`; the pieces of a cookie are one field (RFC 9113, 8.2.3). */
  readonly fields: readonly HttpField[];
  /** Bytes of the body as announced, -1 = not at all. */
  readonly length: number;
  /** Its content is gRPC's: answers that the proxy gives itself must be so too. */
  readonly isGrpc: boolean;
}

const PSEUDO_NAMES: ReadonlySet<string> = new Set([":method", ":scheme", ":authority", ":path"]);
/** Rules may put such a value into a field; HTTP/2 forbids it (RFC 9113, 8.2.1). */
const AROUND = /^[ \t]+|[ \t]+$/g;

/**
 * Reads the header section of a request (RFC 9113, 8.3.1) strictly: what two servers could understand differently is a
 * fault. `section`: names and values in turn, as decoded, one character a byte. `ended`: there is no body.
 */
export function readHttp2Request(section: readonly string[], ended: boolean): Http2Request | HttpFault {
  const parts = splitSection(section, PSEUDO_NAMES);
  if (isFault(parts)) return parts;
  const { pseudo, fields } = parts;
  const method = pseudo.get(":method");
  if (method === undefined || !isToken(method)) return fault("no :method that is a token");
  if (method === "CONNECT") return fault("CONNECT", 501);
  const scheme = pseudo.get(":scheme");
  if (scheme !== "http" && scheme !== "https") return fault("no :scheme that is http or https");
  const host = requestHost(pseudo.get(":authority"), fields);
  if (typeof host === "object") return host;
  const target = pseudo.get(":path") ?? "";
  if (!TARGET.test(target)) return fault("no :path, or a character that is not allowed in one");
  if (!target.startsWith("/") && !(target === "*" && method === "OPTIONS")) return fault(":path that is not a path");
  const normal = normalizePath(target);
  if (isFault(normal)) return normal;
  const length = requestLength(fields, ended);
  if (typeof length === "object") return length;
  return {
    method,
    scheme,
    host,
    path: normal.path,
    redirect: normal.redirect,
    fields: withWholeCookie(fields.filter(({ name }) => name !== "host")),
    length,
    isGrpc: fieldValues(fields, "content-type").some(isGrpcType),
  };
}

/** The header section that asks for the request with these fields: names and values in turn. */
export function requestSection(request: Http2Request, fields: readonly HttpField[]): string[] {
  const section = [":method", request.method, ":scheme", request.scheme, ":authority", request.host];
  section.push(":path", request.path);
  for (const { name, value } of fields) section.push(name.toLowerCase(), value.replace(AROUND, ""));
  return section;
}

/** `:authority` and `host` must not differ; the server gets `:authority` alone (RFC 9113, 8.3.1). */
function requestHost(authority: string | undefined, fields: readonly HttpField[]): string | HttpFault {
  const hosts = fieldValues(fields, "host");
  if (hosts.length > 1) return fault("more than one host");
  const host = authority ?? hosts[0];
  if (host === undefined) return fault("no :authority");
  if (!AUTHORITY.test(host)) return fault(":authority that is none");
  if (hosts[0] !== undefined && hosts[0].toLowerCase() !== host.toLowerCase()) {
    return fault(":authority and host that differ");
  }
  return host;
}

function requestLength(fields: readonly HttpField[], ended: boolean): number | HttpFault {
  if (fieldValues(fields, "te").some((value) => value.toLowerCase() !== "trailers")) return fault("te but trailers");
  const expected = listMembers(fieldValues(fields, "expect"));
  if (expected.some((one) => one !== "100-continue")) return fault("expectation other than 100-continue");
  const length = announcedLength(fields);
  return ended && typeof length === "number" && length > 0 ? fault("content-length without a body") : length;
}

function withWholeCookie(fields: readonly HttpField[]): readonly HttpField[] {
  const pieces = fieldValues(fields, "cookie");
  if (pieces.length < 2) return fields;
  const others = fields.filter(({ name }) => name !== "cookie");
  return [...others, { name: "cookie", value: pieces.join("; ") }];
}

/** `application/grpc` or with a message format, as Envoy has it: gRPC-Web and parameters are not meant. */
function isGrpcType(value: string): boolean {
  return value === "application/grpc" || value.startsWith("application/grpc+");
}
