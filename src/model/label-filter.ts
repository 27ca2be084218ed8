import { RE2JS } from "re2js";
import type { Label } from "./label.ts";

/** One expression of a filter. */
interface LabelPattern {
  /** Empty = labels of every source. */
  readonly source: string;
  readonly isExclude: boolean;
  /** How much of the key it matches from the key's start; NO_MATCH when it does not match there. May be 0. */
  readonly matchedLength: (key: string) => number;
}

/** Which labels make an identity. */
export interface LabelFilter {
  readonly patterns: readonly LabelPattern[];
  /** Only what a pattern includes counts. */
  readonly isWhitelist: boolean;
}

const NO_MATCH = -1;
/** Characters of one pattern. Longer than any key; with RE2's own limit on repeats it bounds what compiling costs. */
const PATTERN_LENGTH = 1_024;
/** Instructions of its program, which bound the time that a match may take for each character of a key. */
const PROGRAM_SIZE = 5_000;

function startsWith(prefix: string): LabelPattern["matchedLength"] {
  return (key) => (key.startsWith(prefix) ? prefix.length : NO_MATCH);
}

/** For expressions that take linear time without RE2 too. */
function matches(expression: RegExp): LabelPattern["matchedLength"] {
  return (key) => expression.exec(key)?.[0].length ?? NO_MATCH;
}

const INCLUDED = [
  "io.kubernetes.pod.namespace",
  "io.cilium.k8s.namespace.labels",
  "app.kubernetes.io",
  "io.cilium.k8s.policy.cluster",
  "io.cilium.k8s.policy.serviceaccount",
].map(startsWith);

const EXCLUDED = [
  ...[
    "io.kubernetes",
    "kubernetes.io",
    "statefulset.kubernetes.io/pod-name",
    "apps.kubernetes.io/pod-index",
    "batch.kubernetes.io/job-completion-index",
    "batch.kubernetes.io/controller-uid",
    "k8s.io",
    "pod-template-generation",
    "pod-template-hash",
    "controller-revision-hash",
    "controller-uid",
    "etcd_node",
    "topology.kubernetes.io",
  ].map(startsWith),
  matches(/^[^\n]*beta\.kubernetes\.io/),
  matches(/^annotation[^\n]*/),
];

/** Cilium's filter when nobody gives patterns. Written out, not compiled: it runs for every label of every pod. */
const DEFAULT_FILTER: LabelFilter = {
  patterns: [
    { source: "reserved", isExclude: false, matchedLength: (key) => key.length },
    ...INCLUDED.map((matchedLength) => ({ source: "", isExclude: false, matchedLength })),
    ...EXCLUDED.map((matchedLength) => ({ source: "", isExclude: true, matchedLength })),
  ],
  isWhitelist: false,
};

/**
 * Reads the patterns of Cilium's `labels` option and puts them behind the default ones. A pattern is
 * `[source:][!]expression`: RE2, matched from the start of the key; `!` excludes. One pattern that includes makes the
 * filter a whitelist: then only what a pattern (or a default) includes counts. Empty patterns are skipped, as in Cilium.
 * Throws an Error that names the pattern and the mend; other than Cilium also for a source that no label can have.
 */
export function parseLabelFilter(patterns: readonly string[]): LabelFilter {
  const own = patterns.filter((pattern) => pattern !== "").map(parsePattern);
  return {
    patterns: [...DEFAULT_FILTER.patterns, ...own],
    isWhitelist: own.some(({ isExclude }) => !isExclude),
  };
}

function parsePattern(pattern: string): LabelPattern {
  const complain = (problem: string) => new Error(`label pattern ${JSON.stringify(pattern)}: ${problem}`);
  const colon = pattern.indexOf(":");
  const source = pattern.slice(0, Math.max(0, colon));
  const rest = pattern.slice(colon + 1);
  if (/^![\w.-]+$/.test(source)) throw complain(`"!" stands behind the source; write ${source.slice(1)}:!${rest}`);
  if (!/^[\w.-]*$/.test(source))
    throw complain(`${JSON.stringify(source)} is no source; write :${pattern} if the colon is part of the expression`);
  const isExclude = rest.startsWith("!");
  const expression = isExclude ? rest.slice(1) : rest;
  if (expression === "") throw complain("no expression; write how the keys begin, such as k8s:app");
  return { source, isExclude, matchedLength: compile(expression, complain) };
}

function compile(expression: string, complain: (problem: string) => Error): LabelPattern["matchedLength"] {
  if (expression.length > PATTERN_LENGTH)
    throw complain(`longer than ${PATTERN_LENGTH} characters; write several patterns`);
  const compiled = re2(expression, complain);
  if (compiled.programSize() > PROGRAM_SIZE)
    throw complain(`counted repeats make it larger than ${PROGRAM_SIZE} instructions; write smaller counts`);
  return (key) => {
    const matcher = compiled.matcher(key);
    return matcher.lookingAt() ? matcher.end() : NO_MATCH;
  };
}

function re2(expression: string, complain: (problem: string) => Error): RE2JS {
  try {
    return RE2JS.compile(expression);
  } catch (error) {
    throw complain(`${error instanceof Error ? error.message : String(error)}; write an RE2 expression`);
  }
}

/**
 * True when the label is part of the identity; policy cannot see any other. The longest included match must beat the
 * shortest excluded one; a label that nothing excludes counts, unless the filter is a whitelist. Cilium's rule.
 */
export function isSecurityRelevant({ source, key }: Label, filter: LabelFilter = DEFAULT_FILTER): boolean {
  let included = 0;
  let excluded = 0;
  for (const pattern of filter.patterns) {
    if (pattern.source !== "" && pattern.source !== source) continue;
    const length = pattern.matchedLength(key);
    if (length === NO_MATCH) continue;
    if (!pattern.isExclude) included = Math.max(included, length);
    // No plain minimum: an excluding match of nothing undoes the ones before it, and the next one replaces it.
    else if (excluded === 0 || length < excluded) excluded = length;
  }
  return included > excluded || (excluded === 0 && !filter.isWhitelist);
}
