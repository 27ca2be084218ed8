import type { Inventory } from "../../prove/inventory.ts";

/** Places that are written out. */
const MOST_PLACES = 5;

/** Where the errors are: what stands there is no part of the answer. */
export function leftOutOf(inventories: readonly Inventory[]): string[] {
  const errors = inventories.flatMap(({ problems }) => problems.filter(({ severity }) => severity === "error"));
  return [...new Set(errors.map(({ file, line }) => `${file}:${line}`))];
}

/** Whether something is left to answer with: an error and nothing beside it is no answer. */
export function hasAnswer(inventories: readonly Inventory[]): boolean {
  return inventories.every(
    (each) => each.workloads.length + each.policies.length > 0 || leftOutOf([each]).length === 0,
  );
}

/** `the answer leaves out what cannot be read: a.yaml:3`. */
export function leftOutText(places: readonly string[]): string {
  const more = places.length - MOST_PLACES;
  return `the answer leaves out what cannot be read: ${places.slice(0, MOST_PLACES).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}

/** Formats whose first line must be their own, and which have comments. */
const AT_END: Readonly<Record<string, (text: string) => string>> = {
  svg: (text) => `<!-- ${text.replaceAll("--", "- -")} -->`,
  junit: (text) => `<!-- ${text.replaceAll("--", "- -")} -->`,
  tap: (text) => `# ${text}`,
  mermaid: (text) => `%% ${text}`,
};
const AT_BEGIN: Readonly<Record<string, (text: string) => string>> = {
  text: (text) => `INCOMPLETE: ${text}`,
  table: (text) => `INCOMPLETE: ${text}`,
  markdown: (text) => `**Incomplete**: ${text.replace(/[|<&`[\]*_@#]/g, (sign) => `&#${sign.charCodeAt(0)};`)}\n`,
  yaml: (text) => `# INCOMPLETE: ${text}`,
  dot: (text) => `// ${text}`,
};

/**
 * An answer in one of the formats, marked as one that some of the input is no part of; JSON by a list `leftOut`. CSV and the annotations of
 * GitHub have no place for it: the errors and the exit code say it there.
 */
export function marked(answer: string, format: string, places: readonly string[]): string {
  if (places.length === 0) return answer;
  if (format === "json")
    return `${JSON.stringify({ leftOut: places, ...(JSON.parse(answer) as object) }, undefined, 2)}\n`;
  // a name may hold anything
  const text = leftOutText(places).replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, "\ufffd");
  const begin = AT_BEGIN[format]?.(text);
  const end = AT_END[format]?.(text);
  return `${begin === undefined ? "" : `${begin}\n`}${answer}${end === undefined ? "" : `${end}\n`}`;
}
