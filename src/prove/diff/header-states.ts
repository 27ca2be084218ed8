import { headerChecks, headerDemands, type Secrets } from "../../policy/http-header.ts";
import type { HttpHeader } from "../../policy/http-request.ts";
import type { HttpRule } from "../../policy/l7-rule.ts";

/** What a rule wants of a header, whatever it does where the header is another. */
export interface WantedHeader {
  /** In lower case. */
  readonly name: string;
  /** Empty = any. */
  readonly value: string;
  /** For people, who must not be told secrets. */
  readonly shown: string;
  /** The rule lets nothing pass without it. */
  readonly isDeciding: boolean;
}

/** Headers that a request can have. */
export interface HeaderState {
  readonly headers: readonly HttpHeader[];
  /** As people read them. */
  readonly texts: readonly string[];
}

/** States of all headers together; more are not decided. */
const MOST_STATES = 10_000;

/** All that a rule looks at in headers; of a secret that is not among `secrets` its stand-in. */
export function wantedHeaders(rule: HttpRule, secrets: Secrets): WantedHeader[] {
  const checks = headerChecks(rule).map(({ name, value = "" }) => ({ name, value, shown: value, isDeciding: true }));
  const demands = headerDemands(rule).map(({ name, value, secret, mismatch }) => ({
    name,
    value: (secret === undefined ? undefined : secrets.get(secret)) || value,
    shown: secret === undefined ? value : `secret ${secret}`,
    isDeciding: mismatch === undefined,
  }));
  return [...checks, ...demands];
}

/**
 * For each state that the rules can tell from the others a list of headers: each header not there, as somebody wants it, or with a
 * value that nobody wants. Those that decide which rules match are varied together, each of the others by itself. `unknown` =
 * there are too many, or a name stands for a part of the request.
 */
export function headerStates(wanted: readonly WantedHeader[]): readonly HeaderState[] | "unknown" {
  const byName = Map.groupBy(wanted, ({ name }) => name);
  if ([...byName.keys()].some((name) => name.startsWith(":") || name === "host")) return "unknown";
  let together: HeaderState[] = [{ headers: [], texts: [] }];
  const alone: HeaderState[] = [];
  for (const [name, own] of byName) {
    const present = valuesOf(own).map(([value, shown]) => ({
      headers: [{ name, value }],
      texts: [`header ${name}: ${shown}`],
    }));
    if (own.some(({ isDeciding }) => isDeciding))
      together = together.flatMap((state) => [state, ...present.map((more) => joined(state, more))]);
    else alone.push(...present);
    if (together.length * (alone.length + 1) > MOST_STATES) return "unknown";
  }
  return together.flatMap((state) => [state, ...alone.map((more) => joined(state, more))]);
}

function joined(one: HeaderState, other: HeaderState): HeaderState {
  return { headers: [...one.headers, ...other.headers], texts: [...one.texts, ...other.texts] };
}

/** What is wanted, what becomes it when a rule adds a value, and another. */
function valuesOf(wanted: readonly WantedHeader[]): [value: string, shown: string][] {
  const values = new Map<string, string>();
  for (const { value, shown } of wanted) {
    if (value === "") continue;
    for (let end = value.indexOf(","); end >= 0; end = value.indexOf(",", end + 1)) {
      const start = value.slice(0, end);
      if (!values.has(start)) values.set(start, shown === value ? start : `the beginning of ${shown}`);
    }
    // One secret has a value on each side.
    const isTaken = [...values].some(([other, text]) => other !== value && text === shown);
    values.set(value, isTaken ? `another value of ${shown}` : shown);
  }
  let another = "another-value";
  while (values.has(another)) another += "-";
  return [...values, [another, another]];
}
