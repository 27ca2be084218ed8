import { expect, it } from "vitest";
import { FORBIDDEN_PUT } from "../../test/support/access-record.ts";
import { starWarsContext } from "../../test/support/flow-context.ts";
import { accessRecordToFlow } from "./access.ts";
import { DEFAULT_REDACTION, type Redaction, redactRecord, redactUrl } from "./redaction.ts";

const only = (init: Partial<Redaction>): Redaction => ({
  ...{ enabled: true, urlQuery: false, userInfo: false, headersAllow: new Set(), headersDeny: new Set() },
  ...init,
});

it.each([
  ["http://h/p?token=1#x", "http://h/p"],
  ["http://h?a", "http://h"],
  ["http://u:secret@h/p", "http://u:HUBBLE_REDACTED@h/p"],
  ["http://ghp_token@h/p", "http://HUBBLE_REDACTED@h/p"],
  ["http://u:p@q@h:8080/p@x", "http://u:HUBBLE_REDACTED@h:8080/p@x"],
  ["//u:secret@h/p", "//u:HUBBLE_REDACTED@h/p"],
  ["http://h/a@b:c/d", "http://h/a@b:c/d"],
  ["*", "*"],
  ["", ""],
])("hides the query and the user of %s", (url, shown) => {
  expect(redactUrl(url, DEFAULT_REDACTION)).toBe(shown);
});

it("shows passwords only when that is asked for", () => {
  const url = "http://u:secret@h/p?q";
  expect(redactUrl(url, only({}))).toBe(url);
  expect(redactUrl(url, only({ enabled: false }))).toBe("http://u:HUBBLE_REDACTED@h/p?q");
  expect(redactUrl(url, only({ urlQuery: true }))).toBe("http://u:secret@h/p");
});

const SECRETS = [
  "authorization",
  "Cookie",
  "set-cookie",
  "proxy-authorization",
  "X-Api-Key",
  "x-vault-token",
  "x-nobody-knows",
];

it("tells no header's value by default that may be a secret, in any part of a record", () => {
  const headers = SECRETS.map((name) => ({ name, value: "s3cr3t" }));
  const url = "http://u:s3cr3t@h/p?key=s3cr3t";
  const record = { ...FORBIDDEN_PUT, url, headers, missingHeaders: headers, rejectedHeaders: headers };
  expect(JSON.stringify(redactRecord(record, DEFAULT_REDACTION))).not.toContain("s3cr3t");
  const flow = accessRecordToFlow(record, starWarsContext);
  expect(JSON.stringify(flow, (_, value) => (typeof value === "bigint" ? String(value) : value))).not.toContain(
    "s3cr3t",
  );
  expect(flow.Summary).toBe("HTTP/1.1 PUT http://u:HUBBLE_REDACTED@h/p");
});

it("shows what tells nothing, and the trace that a hidden header names", () => {
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const headers = [
    { name: "user-agent", value: "curl/8" },
    { name: "traceparent", value: traceparent },
  ];
  const hidden = { ...starWarsContext, redaction: () => only({}) };
  const record = { ...FORBIDDEN_PUT, headers };
  expect(redactRecord(record, DEFAULT_REDACTION).headers).toEqual(headers);
  const flow = accessRecordToFlow(record, hidden);
  expect(flow.traceContext?.parent?.traceId).toBe("0af7651916cd43dd8448eb211c80319c");
  expect(JSON.stringify(flow.l7?.record.value)).not.toContain(traceparent);
});

it("leaves DNS and TLS as they are", () => {
  const tls = { ...FORBIDDEN_PUT, url: "", tls: { serverName: "a.example", protocols: ["h2"] } };
  expect(redactRecord(tls, DEFAULT_REDACTION)).toBe(tls);
});
