import { compileNamePatterns, dnsPatternProblem, hasNameCharacters, isWholeName } from "./dns-pattern.ts";

/** What is wrong with an element of `serverNames`, or undefined. What this accepts, Cilium's proxy accepts too. */
export function serverNameProblem(pattern: string): string | undefined {
  return dnsPatternProblem(pattern);
}

/**
 * Prepares `serverNames`. The matcher takes the name that a TLS client asks for, in any case; it refuses a client that asks
 * for none. A dot at the end counts in the client's name, not in the pattern. `*` alone (also `**`) is every proper name.
 */
export function compileServerNames(patterns: readonly string[]): (serverName: string | undefined) => boolean {
  const folded = patterns.map((pattern) => pattern.toLowerCase().replace(/\.$/, ""));
  const isAnyAllowed = folded.some((pattern) => /^\*+$/.test(pattern));
  const matches = compileNamePatterns(folded.filter((pattern) => pattern !== ""));
  return (serverName) => {
    if (!serverName || !hasNameCharacters(serverName)) return false;
    const name = serverName.toLowerCase();
    return (isAnyAllowed && isWholeName(name)) || matches(name);
  };
}

/**
 * The proper names (`isWholeName`) that one element of `serverNames` takes, in lower case, as an expression (RE2) for whole
 * names. Names with empty labels, which no client sends, are left out.
 */
export function serverNameExpression(pattern: string): string {
  const folded = pattern.toLowerCase().replace(/\.$/, "");
  if (/^\*+$/.test(folded)) return `${LETTER}+(\\.${LETTER}+)*`;
  const rest = folded.replace(/^\*{2,}\./, "");
  const labels = rest
    .split(".")
    .map((label) => (/^\*+$/.test(label) ? `${LETTER}+` : label.replace(/\*+/g, `${LETTER}*`)));
  return `${rest === folded ? "" : `(${LETTER}+\\.)+`}${labels.join("\\.")}`;
}

const LETTER = "[-a-z0-9_]";
