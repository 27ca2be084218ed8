import type { AccessRecord } from "../model/access-record.ts";

/** Stands for what is hidden. */
export const REDACTED = "HUBBLE_REDACTED";

/** What L7 flows must not tell. Names of headers in lower case. */
export interface Redaction {
  /** False = headers and queries show; passwords are hidden all the same unless `userInfo` says no. */
  readonly enabled: boolean;
  /** The query and the fragment of a URL go. */
  readonly urlQuery: boolean;
  /** The password in a URL is hidden, and a user's name without one, which is a token more often than not. */
  readonly userInfo: boolean;
  /** Headers that show. When there are any, no others do. */
  readonly headersAllow: ReadonlySet<string>;
  /** Headers that are hidden. With both lists empty all are. */
  readonly headersDeny: ReadonlySet<string>;
}

/** Headers whose values are no secret by what they are for; a header that nobody knows may carry a key. */
export const HARMLESS_HEADERS: readonly string[] = [
  ...[
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "accept-ranges",
    "age",
    "allow",
    "cache-control",
  ],
  ...["connection", "content-encoding", "content-language", "content-length", "content-range", "content-type", "date"],
  ...[
    "expect",
    "expires",
    "grpc-accept-encoding",
    "grpc-encoding",
    "grpc-status",
    "grpc-timeout",
    "host",
    "keep-alive",
  ],
  ...["last-modified", "max-forwards", "range", "retry-after", "server", "te", "traceparent", "trailer"],
  ...["transfer-encoding", "upgrade", "user-agent", "vary", "via", "x-envoy-upstream-service-time", "x-forwarded-for"],
  ...["x-forwarded-proto", "x-request-id"],
];

/** What holds when nobody says otherwise: no secret leaves. */
export const DEFAULT_REDACTION: Redaction = {
  enabled: true,
  urlQuery: true,
  userInfo: true,
  headersAllow: new Set(HARMLESS_HEADERS),
  headersDeny: new Set(),
};

const AUTHORITY = /^([a-zA-Z][a-zA-Z0-9+.-]*:)?\/\/[^/?#]*/;

function withoutUserInfo(url: string): string {
  const authority = AUTHORITY.exec(url)?.[0];
  const at = authority?.lastIndexOf("@") ?? -1;
  if (authority === undefined || at < 0) return url;
  const start = authority.indexOf("//") + 2;
  const user = authority.slice(start, at);
  const colon = user.indexOf(":");
  const shown = colon < 0 ? REDACTED : `${user.slice(0, colon)}:${REDACTED}`;
  return `${url.slice(0, start)}${shown}${url.slice(at)}`;
}

/** A URL as it may be told. */
export function redactUrl(url: string, { enabled, urlQuery, userInfo }: Redaction): string {
  const shown = userInfo || !enabled ? withoutUserInfo(url) : url;
  return enabled && urlQuery ? shown.replace(/[?#].*$/s, "") : shown;
}

function isHidden(name: string, { enabled, headersAllow, headersDeny }: Redaction): boolean {
  if (!enabled) return false;
  if (headersAllow.size === 0 && headersDeny.size === 0) return true;
  const key = name.toLowerCase();
  if (headersAllow.has(key)) return false;
  return headersDeny.has(key) || headersAllow.size > 0;
}

function redactHeaders(headers: AccessRecord["headers"], redaction: Redaction): AccessRecord["headers"] {
  return headers.map((header) => (isHidden(header.name, redaction) ? { ...header, value: REDACTED } : header));
}

/** A record as it may be told, for flows and for who monitors. */
export function redactRecord(record: AccessRecord, redaction: Redaction): AccessRecord {
  if (record.dns !== undefined || record.tls !== undefined) return record;
  const { missingHeaders, rejectedHeaders } = record;
  return {
    ...record,
    url: redactUrl(record.url, redaction),
    headers: redactHeaders(record.headers, redaction),
    ...(missingHeaders && { missingHeaders: redactHeaders(missingHeaders, redaction) }),
    ...(rejectedHeaders && { rejectedHeaders: redactHeaders(rejectedHeaders, redaction) }),
  };
}
