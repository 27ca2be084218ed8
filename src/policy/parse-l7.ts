import { Limits } from "../model/limits.ts";
import type { Field } from "./field.ts";
import { checkRegex } from "./http-rule.ts";
import type { DnsRule, HeaderMatch, HttpRule } from "./l7-rule.ts";
import { parseDnsRule } from "./parse-fqdn.ts";
import { parseSecret } from "./parse-tls.ts";

type Writable<T> = { -readonly [K in keyof T]: T[K] };

export interface L7Rules {
  readonly http?: readonly HttpRule[];
  readonly dns?: readonly DnsRule[];
}

/** Reads `toPorts[].rules`: HTTP or DNS rules; lists without a rule are left out. `namespace`: of the policy, for secrets. */
export function parseL7Rules(value: unknown, at: Field, namespace: string): L7Rules {
  let http: readonly HttpRule[] | undefined;
  let dns: readonly DnsRule[] | undefined;
  at.object(
    value,
    {
      http: (content, field) => {
        http = field.list(content, (each, item) => parseHttpRule(each, item, namespace)) ?? [];
      },
      dns: (content, field) => {
        dns = field.list(content, parseDnsRule) ?? [];
      },
    },
    {
      refused: {
        kafka: "Cilium 1.20 has no Kafka rules; leave them out",
        l7proto: "Cilium 1.20 has no generic L7 rules; leave them out",
        l7: "Cilium 1.20 has no generic L7 rules; leave them out",
      },
    },
  );
  const hasHttp = http !== undefined && http.length > 0;
  const hasDns = dns !== undefined && dns.length > 0;
  if (!hasHttp && !hasDns) at.warn("no rules: every request is allowed");
  else if (http !== undefined && dns !== undefined)
    at.refuse("http and dns exclude each other", "write one element of toPorts for each");
  return { ...(hasHttp ? { http } : {}), ...(hasDns ? { dns } : {}) } as L7Rules;
}

const HTTP_PARTS = { method: warnOfMethod, path: warnOfPath, host: () => {} } as const;

function parseHttpRule(value: unknown, at: Field, namespace: string): HttpRule | undefined {
  const rule: Writable<HttpRule> = {};
  const part = (name: keyof typeof HTTP_PARTS) => (content: unknown, field: Field) => {
    const expression = regex(content, field);
    if (expression === undefined) return;
    rule[name] = expression;
    HTTP_PARTS[name](expression, field);
  };
  const isRead = at.object(value, {
    method: part("method"),
    path: part("path"),
    host: part("host"),
    headers: (content, field) => {
      const headers = field.list(content, parseHeader) ?? [];
      if (headers.length > 0) rule.headers = headers;
    },
    headerMatches: (content, field) => {
      const matches = field.list(content, (each, item) => parseHeaderMatch(each, item, namespace)) ?? [];
      if (matches.length > 0) rule.headerMatches = matches;
    },
  });
  return isRead ? rule : undefined;
}

function regex(value: unknown, at: Field): string | undefined {
  const text = at.text(value);
  if (text === undefined || text === "") return undefined;
  // Once they cost too much together, the rest is not even compiled.
  if (at.addRegexCost(0) > Limits.RegexCostPerPolicy) return undefined;
  try {
    if (at.addRegexCost(checkRegex(text)) > Limits.RegexCostPerPolicy)
      at.refuse("the policy's regular expressions are too large together", "write shorter ones, or several policies");
    return text;
  } catch (error) {
    const mend = "write an RE2 expression for the whole value";
    at.refuse(`not a regular expression: ${(error as Error).message}`, mend, text);
    return undefined;
  }
}

/** Only where the beginning is plain text: what an expression may match otherwise is not for a warning to say. */
function warnOfPath(expression: string, at: Field): void {
  if (/^\^?[A-Za-z0-9_~-](?![?*{])/.test(expression) && !expression.includes("|"))
    at.warn("a request's path begins with '/', so this never matches", "matches-nothing");
}

function warnOfMethod(expression: string, at: Field): void {
  if (/^[a-z]+$/.test(expression)) at.warn("methods are written in capitals, and case counts");
}

function parseHeader(value: unknown, at: Field): string | undefined {
  const text = at.text(value);
  if (text !== "") return text;
  at.refuse("must not be empty", 'write "Name" or "Name: value"');
  return undefined;
}

const MISMATCH_ACTIONS = ["LOG", "ADD", "DELETE", "REPLACE"] as const;

function parseHeaderMatch(value: unknown, at: Field, namespace: string): HeaderMatch | undefined {
  const match: Writable<HeaderMatch> = { name: "" };
  const isRead = at.object(
    value,
    {
      name: (content, field) => {
        match.name = field.text(content) ?? "";
        if (content === "") field.refuse("must not be empty", "name the header");
      },
      value: (content, field) => {
        const text = field.text(content);
        if (text !== undefined && text !== "") match.value = text;
      },
      secret: (content, field) => {
        const secret = parseSecret(content, field, namespace);
        if (secret !== undefined) match.secret = `${secret.namespace}/${secret.name}`;
      },
      mismatch: (content, field) => {
        const action = content === "" ? undefined : field.choice(content, MISMATCH_ACTIONS);
        if (action !== undefined) match.mismatch = action;
      },
    },
    { required: ["name"] },
  );
  return isRead ? match : undefined;
}
