import type { Field } from "./field.ts";
import { checkRegex } from "./http-rule.ts";
import type { HttpRule } from "./policy-map.ts";

type Writable<T> = { -readonly [K in keyof T]: T[K] };

function regex(value: unknown, at: Field): string | undefined {
  const text = at.text(value);
  if (text === undefined || text === "") return undefined;
  try {
    checkRegex(text);
    return text;
  } catch (error) {
    at.refuse(
      `not a regular expression: ${(error as Error).message}`,
      "write an RE2 expression for the whole value",
      text,
    );
    return undefined;
  }
}

function parseHttpRule(value: unknown, at: Field): HttpRule | undefined {
  const rule: Writable<HttpRule> = {};
  const part = (name: "method" | "path" | "host") => (content: unknown, field: Field) => {
    const expression = regex(content, field);
    if (expression !== undefined) rule[name] = expression;
  };
  const isRead = at.object(
    value,
    {
      method: part("method"),
      path: part("path"),
      host: part("host"),
      headers: (content, field) => {
        const headers = field.list(content, parseHeader) ?? [];
        if (headers.length > 0) rule.headers = headers;
      },
    },
    { headerMatches: 'write the header under `headers` as "Name: value"' },
  );
  return isRead ? rule : undefined;
}

function parseHeader(value: unknown, at: Field): string | undefined {
  const text = at.text(value);
  if (text !== "") return text;
  at.refuse("must not be empty", 'write "Name" or "Name: value"');
  return undefined;
}

/** Reads `toPorts[].rules`; undefined when it holds no rule. */
export function parseL7Rules(value: unknown, at: Field): readonly HttpRule[] | undefined {
  let http: readonly HttpRule[] = [];
  at.object(
    value,
    {
      http: (content, field) => {
        http = field.list(content, parseHttpRule) ?? [];
      },
    },
    {
      dns: "allow port 53 without `rules`",
      kafka: "Cilium 1.20 has no Kafka rules; leave them out",
      l7proto: "Cilium 1.20 has no generic L7 rules; leave them out",
      l7: "Cilium 1.20 has no generic L7 rules; leave them out",
    },
  );
  return http.length > 0 ? http : undefined;
}
