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
  // braces are ours: a path that has them itself is none of the kinds above
  { shown: "{brace}", pattern: "\\{[^/?]*", matches: /^\{/ },
] as const;

/** Stands for any one part of a path. */
const ANY_PART = "{any}";
const PATTERNS = new Map<string, string>([
  ...KINDS.map(({ shown, pattern }) => [shown, pattern] as const),
  [ANY_PART, "[^/?]*"],
]);

const QUERY = "?{query}";

/** `/orders/17?x=1` as `/orders/{number}?{query}`: what names one thing of many gives way to its kind. */
export function pathTemplate(path: string): string {
  const end = path.indexOf("?");
  const plain = end < 0 ? path : path.slice(0, end);
  const parts = plain.split("/").map((part) => KINDS.find(({ matches }) => matches.test(part))?.shown ?? part);
  return `${parts.join("/")}${end < 0 ? "" : QUERY}`;
}

/** The RE2 expression that matches every path of a template, and no path of another form. */
export function templatePattern(template: string): string {
  const hasQuery = template.endsWith(QUERY);
  const plain = hasQuery ? template.slice(0, -QUERY.length) : template;
  const parts = plain.split("/").map((part) => PATTERNS.get(part) ?? part.replace(/[\\^$.|?*+()[\]{}]/g, "\\$&"));
  return `${parts.join("/")}${hasQuery ? "\\?.*" : ""}`;
}

/**
 * Few templates for many: while there are more than `most`, paths of the form that most have (as many parts, with or without a query) lose
 * the part in which they differ most to `{any}`.
 */
export function mergeTemplates(templates: readonly string[], most: number): string[] {
  let merged = [...new Set(templates)].sort();
  while (merged.length > most) {
    const forms = Map.groupBy(merged, (template) => `${template.split("/").length} ${template.endsWith(QUERY)}`);
    const group = [...forms.values()].reduce((best, each) => (each.length > best.length ? each : best));
    if (group.length === 1) break;
    const others = merged.filter((template) => !group.includes(template));
    merged = [...new Set([...others, ...blurred(group)])].sort();
  }
  return merged;
}

function blurred(group: readonly string[]): string[] {
  const rows = group.map((template) => template.replace(QUERY, "").split("/"));
  const variety = rows[0]!.map((_, place) => new Set(rows.map((row) => row[place])).size);
  const place = variety.indexOf(Math.max(...variety));
  const query = group[0]!.endsWith(QUERY) ? QUERY : "";
  return rows.map((row) => `${row.with(place, ANY_PART).join("/")}${query}`);
}
