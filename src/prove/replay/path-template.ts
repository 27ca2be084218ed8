/** Kinds of parts that name one thing of many: how they are shown, and the RE2 expression of all of them. */
const KINDS = [
  { shown: "{number}", pattern: "[0-9]+", matches: /^\d+$/ },
  {
    shown: "{uuid}",
    pattern: "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}",
    matches: /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i,
  },
  { shown: "{hash}", pattern: "[0-9a-fA-F]{12,}", matches: /^(?=.*\d)[0-9a-f]{12,}$/i },
  // long, and letters and digits mixed: keys, tokens, ids of the kind that counts upwards in base 62
  { shown: "{id}", pattern: "[A-Za-z0-9_-]{16,}", matches: /^(?=(?:[^0-9]*[0-9]){3})[A-Za-z0-9_-]{16,}$/ },
] as const;

/** Stands for any one part of a path. */
export const ANY_PART = "{any}";
const SHOWN = new Map<string, string>([
  ...KINDS.map(({ shown, pattern }) => [shown, pattern] as const),
  [ANY_PART, "[^/?]+"],
]);

/** `/orders/17?x=1` as `/orders/{number}`: parts that name one thing of many give way to their kind, and the query goes. */
export function pathTemplate(path: string): string {
  const end = path.search(/[?#]/);
  const plain = end < 0 ? path : path.slice(0, end);
  return plain
    .split("/")
    .map((part) => KINDS.find(({ matches }) => matches.test(part))?.shown ?? part)
    .join("/");
}

/** The RE2 expression that matches what the template stands for; `hasQuery` = with a query behind it, or without. */
export function templatePattern(template: string, hasQuery: boolean): string {
  const parts = template.split("/").map((part) => SHOWN.get(part) ?? part.replace(/[\\^$.|?*+()[\]{}]/g, "\\$&"));
  return `${parts.join("/")}${hasQuery ? "(\\?.*)?" : ""}`;
}

/**
 * Few templates for many: while there are more than `most`, parts at the place where paths differ most give way to `{any}`, among paths
 * of the same length. What stays too much is one `/{any}` for each length.
 */
export function mergeTemplates(templates: readonly string[], most: number): string[] {
  let merged = [...new Set(templates)].sort();
  while (merged.length > most) {
    const next = mergeOnce(merged);
    if (next.length === merged.length) break;
    merged = next;
  }
  return merged;
}

function mergeOnce(templates: readonly string[]): string[] {
  const rows = templates.map((template) => template.split("/"));
  const length = mostFrequent(rows.map((row) => row.length));
  const group = rows.filter((row) => row.length === length);
  const variety = Array.from({ length }, (_, place) => new Set(group.map((row) => row[place])).size);
  const place = variety.indexOf(Math.max(...variety));
  const blurred = rows.map((row) => (row.length === length ? row.with(place, ANY_PART) : row).join("/"));
  return [...new Set(blurred)].sort();
}

function mostFrequent(values: readonly number[]): number {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1])[0]![0];
}
