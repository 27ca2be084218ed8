/**
 * Patterns of DNS names, as DNS rules, `toFQDNs` and server names share them: `*` stands for any number of letters, digits,
 * `-` and `_` within a label, `**.` at the beginning for one or more whole labels. Matching takes time linear in the name.
 */

/** Says whether a name, already in lower case, matches. */
export type NameMatcher = (name: string) => boolean;

const NAME_CHARACTERS = /^[-a-zA-Z0-9_.]*$/;
const DEEP_PREFIX = /^\*{2,}\./;
const NAME = /^[-a-zA-Z0-9_]+(?:\.[-a-zA-Z0-9_]+)*\.?$/;
const PATTERN = /^[-a-zA-Z0-9_*]+(?:\.[-a-zA-Z0-9_*]+)*\.?$/;
const MAX_LENGTH = 255;
const DOT = 46;

/** True when a name has only the characters that a pattern can match; with others only "every name" matches it. */
export function hasNameCharacters(name: string): boolean {
  return NAME_CHARACTERS.test(name);
}

/** True for `*`, `**.` and the like: a pattern with a meaning of its own. */
export function isEveryName(pattern: string): boolean {
  return /^\*+\.?$/.test(pattern);
}

/** What is wrong with a `matchName`, or undefined. The rule is the CRD's and, less strict, that of Cilium's API. */
export function dnsNameProblem(name: string): string | undefined {
  return problem(name, NAME, "may only have letters, digits, -, _ and single dots between labels");
}

/** What is wrong with a `matchPattern` or a server name, or undefined. */
export function dnsPatternProblem(pattern: string): string | undefined {
  return problem(pattern, PATTERN, "may only have letters, digits, -, _, * and single dots between labels");
}

function problem(text: string, form: RegExp, rule: string): string | undefined {
  if (text === "") return "must not be empty";
  if (text.length > MAX_LENGTH) return `must not be longer than ${MAX_LENGTH} characters`;
  return form.test(text) ? undefined : rule;
}

/** True for one or more labels, none of them empty, with no dot at the end. */
export function isWholeName(name: string): boolean {
  return name !== "" && !name.startsWith(".") && !name.endsWith(".") && !name.includes("..");
}

/** One label against a pattern that may have stars. All characters are known to be of the allowed set. */
function labelMatcher(pattern: string): NameMatcher {
  const [first = "", ...others] = pattern.split(/\*+/);
  const last = others.pop();
  if (last === undefined) return (label) => label === first;
  const least = pattern.replaceAll("*", "").length;
  return (label) => {
    if (label.length < least || !label.startsWith(first) || !label.endsWith(last)) return false;
    const end = label.length - last.length;
    let at = first.length;
    for (const piece of others) {
      const found = label.indexOf(piece, at);
      if (found === -1) return false;
      at = found + piece.length;
    }
    return at <= end;
  };
}

/** A pattern with stars in any place. A star never stands for a dot, so labels are compared one to one from the end. */
function generalMatcher(pattern: string): NameMatcher {
  const isDeep = DEEP_PREFIX.test(pattern);
  const labels = pattern.replace(DEEP_PREFIX, "").split(".").map(labelMatcher);
  return (name) => {
    const parts = name.split(".");
    const extra = parts.length - labels.length;
    if (isDeep ? extra < 1 : extra !== 0) return false;
    for (let i = 0; i < extra; i++) if (parts[i] === "") return false;
    return labels.every((matches, i) => matches(parts[extra + i] ?? ""));
  };
}

/**
 * A matcher for names in lower case that match any of the patterns, which are valid and in lower case too. Patterns without
 * stars and those whose only star is the whole first label cost a look-up however many there are.
 */
export function compileNamePatterns(patterns: readonly string[]): NameMatcher {
  const exact = new Set<string>();
  const below = new Set<string>();
  const deepBelow = new Set<string>();
  const general: NameMatcher[] = [];
  for (const pattern of new Set(patterns)) {
    const parent = pattern.replace(/^\*+\./, "");
    if (parent.includes("*")) general.push(generalMatcher(pattern));
    else if (parent === pattern) exact.add(pattern);
    else if (DEEP_PREFIX.test(pattern)) deepBelow.add(parent);
    else below.add(parent);
  }
  const isDeepBelow = (name: string) => {
    for (let dot = name.indexOf("."); dot > 0; dot = name.indexOf(".", dot + 1)) {
      if (name.charCodeAt(dot - 1) === DOT) return false;
      if (deepBelow.has(name.slice(dot + 1))) return true;
    }
    return false;
  };
  return (name) => {
    if (exact.has(name)) return true;
    if (!hasNameCharacters(name)) return false;
    const dot = name.indexOf(".");
    if (dot >= 0 && below.size > 0 && below.has(name.slice(dot + 1))) return true;
    return (deepBelow.size > 0 && isDeepBelow(name)) || general.some((matches) => matches(name));
  };
}
