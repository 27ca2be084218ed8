import { compileNamePatterns, hasNameCharacters, isEveryName, isWholeName, type NameMatcher } from "./dns-pattern.ts";
import type { DnsRule } from "./l7-rule.ts";

/** The name in lower case with a dot at its end. Only ASCII is folded: other letters never become a permitted name. */
export function absolute(name: string): string {
  const folded = hasNameCharacters(name) ? name.toLowerCase() : name;
  return folded.endsWith(".") ? folded : `${folded}.`;
}

/**
 * Prepares the DNS rules of one peer set; the matcher says whether a name may be asked for, in any case, with or without its
 * last dot. A rule with both fields permits what either permits. `*` alone (also `**` and `*.`) permits every name, even
 * one with characters that no other pattern matches. No rules = nothing is permitted.
 */
export function compileDnsRules(rules: readonly DnsRule[]): NameMatcher {
  const patterns: string[] = [];
  for (const { matchName, matchPattern } of rules) {
    if (matchName) patterns.push(absolute(matchName));
    if (!matchPattern) continue;
    if (isEveryName(matchPattern)) return () => true;
    patterns.push(absolutePattern(matchPattern));
  }
  const matches = compileNamePatterns(patterns);
  return (name) => matches(absolute(name));
}

function absolutePattern(pattern: string): string {
  return pattern.endsWith(".") ? pattern.toLowerCase() : `${pattern.toLowerCase()}.`;
}

/**
 * Prepares one `toFQDNs` element: whether an answer for the name, in any case, with or without its last dot, gives the
 * element addresses. `matchName` goes before `matchPattern`. Unlike in a DNS rule, `*` wants every label to be a proper
 * one (or the root's name); with neither field only the root's name matches, as in Cilium's `FQDNSelector.ToRegex`.
 */
export function compileFqdn({ matchName, matchPattern }: DnsRule): NameMatcher {
  if (!matchName && matchPattern && isEveryName(matchPattern)) return isAnyName;
  const pattern = matchName ? absolute(matchName) : absolutePattern(matchPattern ?? "");
  const matches = compileNamePatterns([pattern]);
  return (name) => matches(absolute(name));
}

function isAnyName(name: string): boolean {
  if (!hasNameCharacters(name)) return false;
  const whole = absolute(name);
  return whole === "." || isWholeName(whole.slice(0, -1));
}
