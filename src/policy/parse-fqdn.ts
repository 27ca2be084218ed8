import { type FqdnSelector, fqdnSelector } from "../model/selector.ts";
import { dnsNameProblem, dnsPatternProblem } from "./dns-pattern.ts";
import type { Field } from "./field.ts";
import type { DnsRule } from "./l7-rule.ts";

/** A text that has no problem; empty counts as absent. */
function sound(value: unknown, at: Field, problem: (text: string) => string | undefined): string | undefined {
  const text = at.text(value);
  if (text === undefined || text === "") return undefined;
  const wrong = problem(text);
  if (wrong === undefined) return text;
  at.refuse(wrong, "write a DNS name such as www.example.com", text);
  return undefined;
}

/** Reads one element of `rules.dns`, where both fields may stand. Undefined when it is no object. */
export function parseDnsRule(value: unknown, at: Field): DnsRule | undefined {
  const found: { matchName?: string; matchPattern?: string } = {};
  const isRead = at.object(value, {
    matchName: (content, field) => {
      const name = sound(content, field, dnsNameProblem);
      if (name !== undefined) found.matchName = name;
    },
    matchPattern: (content, field) => {
      const pattern = sound(content, field, dnsPatternProblem);
      if (pattern !== undefined) found.matchPattern = pattern;
    },
  });
  if (!isRead) return undefined;
  if (!["matchName", "matchPattern"].some((name) => (value[name] ?? "") !== ""))
    at.warn("neither matchName nor matchPattern: no name matches", "matches-nothing");
  return found;
}

/** Reads one element of `toFQDNs`: a name or a pattern, not both. */
export function parseFqdn(value: unknown, at: Field): FqdnSelector[] {
  const match = parseDnsRule(value, at);
  if (match === undefined) return [];
  if (match.matchName !== undefined && match.matchPattern !== undefined)
    at.refuse("matchName and matchPattern exclude each other", "write one element for each");
  return [fqdnSelector(match)];
}
