import { connectionOptions, declaredFraming, type Framing, keepsAlive, NO_BODY } from "./http-framing.ts";
import {
  fault,
  fieldValues,
  type HttpFault,
  type HttpField,
  isFault,
  isToken,
  listMembers,
  type RawHead,
} from "./http-head.ts";
import { normalizePath } from "./http-path.ts";

/** A request head that has one meaning. */
export interface HttpRequest {
  readonly method: string;
  /** Path and query in normal form (`normalizePath`); `*` for OPTIONS of the whole server. */
  readonly path: string;
  /** The bytes say something else than `path` and `fields`, which are what the server must get. */
  readonly rewritten: boolean;
  /** The client must ask again for `path` (escaped slashes). */
  readonly redirect: boolean;
  /** Authority as sent, `""` when an HTTP/1.0 request names none. */
  readonly host: string;
  readonly version: "HTTP/1.0" | "HTTP/1.1";
  readonly fields: readonly HttpField[];
  readonly framing: Framing;
  readonly keepAlive: boolean;
  /** The client waits for `100 Continue` before its body. */
  readonly expectsContinue: boolean;
  /** Protocol of the `Upgrade` field, lower case; absent = none asked for, or h2c, which no server needs to take. */
  readonly upgrade?: string;
}

/** A host, IPv4 or bracketed IPv6, with an optional port. */
export const AUTHORITY = /^(?:[A-Za-z0-9._~!$&'()*+,;=%-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?$/;
const ABSOLUTE = /^http:\/\/([^/?#]*)(.*)$/i;
/** Printable ASCII without space and `#`: a fragment never belongs in a request. */
export const TARGET = /^[\x21\x22\x24-\x7e]+$/;

/** Reads a request head strictly: what two servers could understand differently is a fault. */
export function readRequest(head: RawHead): HttpRequest | HttpFault {
  const line = requestLine(head.startLine);
  if (isFault(line)) return line;
  const host = requestHost(line, head.fields);
  if (isFault(host)) return host;
  const normal = normalizePath(host.target);
  if (isFault(normal)) return normal;
  const framing = declaredFraming(head.fields, line.version) ?? NO_BODY;
  if (isFault(framing)) return framing;
  const options = connectionOptions(head.fields);
  const expect = expectation(head.fields);
  if (isFault(expect)) return expect;
  const foreign = options.find((option) => !CONNECTION_OPTIONS.has(option));
  if (foreign !== undefined) return fault("Connection that names another field");
  const upgrade = listMembers(fieldValues(head.fields, "upgrade")).join(",");
  const isIgnored = upgrade === "h2c";
  return {
    method: line.method,
    path: normal.path,
    rewritten: isIgnored || normal.path !== line.target,
    redirect: normal.redirect,
    host: host.host,
    version: line.version,
    fields: isIgnored ? head.fields.flatMap(withoutUpgrade) : head.fields,
    framing,
    keepAlive: keepsAlive(line.version, options),
    expectsContinue: expect.expectsContinue,
    ...(upgrade === "" || isIgnored ? {} : { upgrade }),
  };
}

/** What `Connection` may name: a server that passes requests on would take away any other field, unseen by the policy. */
const CONNECTION_OPTIONS: ReadonlySet<string> = new Set(["close", "keep-alive", "upgrade", "te", "http2-settings"]);

/** Who does not take an upgrade goes on as if it had not been asked for (RFC 9110, 7.8). */
function withoutUpgrade(field: HttpField): HttpField[] {
  const name = field.name.toLowerCase();
  if (name === "upgrade" || name === "http2-settings") return [];
  if (name !== "connection") return [field];
  const kept = listMembers([field.value]).filter((option) => option !== "upgrade" && option !== "http2-settings");
  return kept.length === 0 ? [] : [{ name: field.name, value: kept.join(", ") }];
}

interface RequestLine {
  readonly method: string;
  readonly target: string;
  readonly version: HttpRequest["version"];
}

function requestLine(line: string): RequestLine | HttpFault {
  const parts = line.split(" ");
  if (parts.length !== 3) return fault("request line that is not three words");
  const [method, target, version] = parts as [string, string, string];
  if (!isToken(method)) return fault("character that is not allowed in a method");
  if (!TARGET.test(target)) return fault("character that is not allowed in a target");
  if (version !== "HTTP/1.1" && version !== "HTTP/1.0") {
    return /^HTTP\/[0-9]\.[0-9]$/.test(version) ? fault("HTTP version", 505) : fault("HTTP version that is none");
  }
  if (method === "CONNECT") return fault("CONNECT", 501);
  return { method, target, version };
}

/** Host and origin-form target. An absolute target must name the host that the Host field names. */
function requestHost(line: RequestLine, fields: readonly HttpField[]): { host: string; target: string } | HttpFault {
  const hosts = fieldValues(fields, "host");
  if (hosts.length > 1) return fault("more than one Host");
  const host = hosts[0];
  if (host === undefined && line.version === "HTTP/1.1") return fault("no Host");
  if (host !== undefined && host !== "" && !AUTHORITY.test(host)) return fault("Host that is not an authority");
  if (line.target.startsWith("/")) return { host: host ?? "", target: line.target };
  if (line.target === "*" && line.method === "OPTIONS") return { host: host ?? "", target: "*" };
  const absolute = ABSOLUTE.exec(line.target);
  if (absolute === null) return fault("target that is neither a path nor an http URL");
  const authority = absolute[1]!;
  if (!AUTHORITY.test(authority)) return fault("target with an authority that is none");
  if (authority.toLowerCase() !== host?.toLowerCase()) return fault("target and Host that differ");
  const path = absolute[2]!;
  return { host: host!, target: path.startsWith("/") ? path : `/${path}` };
}

function expectation(fields: readonly HttpField[]): { expectsContinue: boolean } | HttpFault {
  const expected = listMembers(fieldValues(fields, "expect"));
  if (expected.length === 0) return { expectsContinue: false };
  if (expected.length === 1 && expected[0] === "100-continue") return { expectsContinue: true };
  return fault("expectation other than 100-continue");
}
