import { lineOf, type Source, type Violation } from "./sources.ts";

interface Rule {
  readonly pattern: RegExp;
  readonly message: string;
  readonly files: RegExp;
}

const CODE = /^(src|bpf|test|bench|scripts|examples)\/.*\.(ts|mjs|c|h|sh)$/;
const ALL = /./;

const RULES: readonly Rule[] = [
  {
    pattern: /(?:^|\/)[\w-]*(?:\butils?\b|\bhelpers?\b|\bcommon\b|manager|impl\b)[\w-]*\.(?:ts|c|h)$/i,
    message: "a file is named after what it is about, not utils, helpers, common, Manager or Impl",
    files: CODE,
  },
];

const TEXT_RULES: readonly Rule[] = [
  {
    pattern: /\b(?:class|interface|type|function|const)\s+\w*(?:Utils?|Helpers?|(?<!Field)Manager|Impl)\b/g,
    message: "a name says what it is",
    files: CODE,
  },
  { pattern: /\b(?:TODO|FIXME|XXX|HACK)\b/g, message: "do it, or say in the README what is missing", files: CODE },
  { pattern: /\.only\(/g, message: "a focused test hides the others", files: /\.test\.ts$/ },
  {
    pattern: /(?:^|[^\w])\.\.\/shared\/|\/work\/(?:main|shared|contracts)/g,
    message: "names a place outside the project",
    files: ALL,
  },
  {
    pattern: /"resolved": "http/g,
    message: "a lockfile names packages, not where they were downloaded",
    files: /package-lock\.json$/,
  },
  {
    pattern: /: any\b|<any>|\bas any\b/g,
    message: "`any` switches the checker off",
    files: /^(src|test|bench|scripts)\/.*\.ts$/,
  },
];

/** Words and names that must not stand in the project. This file and its canary spell them, so they are left out. */
export function checkWords(sources: readonly Source[]): Violation[] {
  return sources
    .filter((source) => !/^test\/(?:tidy\/words|canary\/)/.test(source.path))
    .flatMap((source) => [...nameViolations(source), ...textViolations(source)]);
}

function nameViolations(source: Source): Violation[] {
  return RULES.filter((rule) => rule.files.test(source.path) && rule.pattern.test(source.path)).map((rule) => ({
    path: source.path,
    line: 1,
    message: rule.message,
  }));
}

function textViolations(source: Source): Violation[] {
  return TEXT_RULES.filter((rule) => rule.files.test(source.path)).flatMap((rule) =>
    [...source.text.matchAll(rule.pattern)].map((match) => ({
      path: source.path,
      line: lineOf(source.text, match.index + 1),
      message: `${JSON.stringify(match[0].trim())}: ${rule.message}`,
    })),
  );
}
