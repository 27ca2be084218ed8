import { serverNameIn } from "../../flow/summary.ts";
import { isObject } from "../../policy/field.ts";
import type { HttpRequestFacts } from "../../policy/http-rule.ts";
import type { L7Facts } from "../../policy/judge-l7.ts";
import { type Fields, fieldOf, numberOf, objectsOf, textOf, textsOf } from "./record-fields.ts";

/** What Hubble writes for what it must not tell. */
const REDACTED = "HUBBLE_REDACTED";

/** A request as it was recorded. */
export interface RecordedRequest {
  readonly parser: "http" | "dns" | "tls" | "other";
  readonly facts: L7Facts;
  /** Parts that the recording does not have, though the request may have had them. */
  readonly hidden: readonly HiddenPart[];
}

/** `headers`: some were hidden, or none were recorded; `header x-token`: its value was hidden. */
export type HiddenPart = "host" | "headers" | `header ${string}`;

/** Reads `l7` of a flow; what a TLS client asked for stands in its summary alone. */
export function readRequest(
  l7: unknown,
  summary: string,
): {
  readonly request?: RecordedRequest;
  readonly resolved?: { readonly name: string; readonly addresses: readonly string[] };
} {
  const record = isObject(fieldOf(l7, "record")) ? fieldOf(l7, "record") : l7;
  const http = fieldOf(record, "http");
  if (isObject(http)) return { request: httpRequest(http) };
  const dns = fieldOf(record, "dns");
  if (isObject(dns)) {
    const name = textOf(dns, "query").toLowerCase();
    const addresses = textsOf(dns, "ips");
    const request: RecordedRequest = { parser: "dns", facts: { dns: name }, hidden: [] };
    const isAnswer = addresses.length > 0 && (numberOf(dns, "rcode") ?? 0) === 0;
    return { request, ...(isAnswer && { resolved: { name: name.replace(/\.$/, ""), addresses } }) };
  }
  const sni = serverNameIn(summary);
  if (sni !== undefined) return { request: { parser: "tls", facts: { sni }, hidden: [] } };
  return { request: { parser: "other", facts: {}, hidden: [] } };
}

function httpRequest(http: Fields): RecordedRequest {
  const headers = objectsOf(http, "headers").map((each) => ({
    name: textOf(each, "key"),
    value: textOf(each, "value"),
  }));
  const [, authority, path] = /^(?:[a-zA-Z][\w+.-]*:)?(?:\/\/([^/?#]*))?(.*)$/s.exec(textOf(http, "url")) ?? [];
  const named = headers.find(({ name }) => /^(:authority|host)$/i.test(name))?.value;
  const host = (authority ?? "").replace(/^.*@/, "") || named;
  const facts: HttpRequestFacts = {
    method: textOf(http, "method"),
    path: path === undefined || path === "" ? "/" : path,
    host: host ?? "",
    headers: headers.filter(({ value }) => value !== REDACTED),
  };
  const hidden: HiddenPart[] = headers
    .filter(({ value }) => value === REDACTED)
    .map(({ name }): HiddenPart => `header ${name.toLowerCase()}`);
  // every client sends some header: none at all means that they were not recorded
  if (headers.length === 0) hidden.push("headers");
  if (host === undefined) hidden.push("host");
  return { parser: "http", facts: { http: facts }, hidden };
}
