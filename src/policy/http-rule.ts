import { RE2JS } from "re2js";
import { Limits } from "../model/limits.ts";
import type { HttpRule } from "./policy-map.ts";

/** What an HTTP rule can look at. */
export interface HttpRequestFacts {
  readonly method: string;
  /** The request target with its query string. */
  readonly path: string;
  /** The authority, with its port when it has one. */
  readonly host: string;
  readonly headers: readonly { readonly name: string; readonly value: string }[];
}

type TextMatcher = (text: string) => boolean;
export type HttpMatcher = (request: HttpRequestFacts) => boolean;

const META = /[\\^$.|?*+()[\]{}]/;

/** Throws an Error with RE2's words when the expression is not RE2's or too long. */
export function checkRegex(expression: string): void {
  if (expression.length > Limits.RegexLength) throw new Error(`longer than ${Limits.RegexLength} characters`);
  RE2JS.compile(expression);
}

/** Whole-value match in time linear in the value. The common `literal` and `literal.*` need no automaton. */
function textMatcher(expression: string): TextMatcher {
  if (!META.test(expression)) return (text) => text === expression;
  const literal = expression.endsWith(".*") ? expression.slice(0, -2) : undefined;
  if (literal !== undefined && !META.test(literal)) {
    return (text) => text.startsWith(literal) && !text.includes("\n", literal.length);
  }
  const compiled = RE2JS.compile(expression);
  return (text) => compiled.testExact(text);
}

/**
 * `Name: value` wants the header with exactly this value, `Name` its presence. The name ends at the first space; several
 * headers of one name count as one, their values joined by commas. Names do not care for case.
 */
function headerMatcher(written: string): HttpMatcher {
  const space = written.indexOf(" ");
  const name = (space === -1 ? written : written.slice(0, space).replace(/:+$/, "")).toLowerCase();
  const wanted = space === -1 ? undefined : written.slice(space + 1);
  return ({ headers }) => {
    const values = headers.filter((header) => header.name.toLowerCase() === name).map((header) => header.value);
    return values.length > 0 && (wanted === undefined || values.join(",") === wanted);
  };
}

/** The request must meet all of the rule's fields. Throws on an expression that `checkRegex` refuses. */
export function compileHttpRule(rule: HttpRule): HttpMatcher {
  const checks: HttpMatcher[] = [];
  if (rule.method) {
    const method = textMatcher(rule.method);
    checks.push((request) => method(request.method));
  }
  if (rule.path) {
    const path = textMatcher(rule.path);
    checks.push((request) => path(request.path));
  }
  if (rule.host) {
    const host = textMatcher(rule.host);
    checks.push((request) => host(request.host));
  }
  checks.push(...(rule.headers ?? []).map(headerMatcher));
  return (request) => checks.every((check) => check(request));
}

/** True for a request that any of the rules allows. */
export function compileHttpRules(rules: readonly HttpRule[]): HttpMatcher {
  const matchers = rules.map(compileHttpRule);
  return (request) => matchers.some((matches) => matches(request));
}
