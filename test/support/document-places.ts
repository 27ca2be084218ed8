/** A step into a document: a key of an object, or the number of an element. */
export type Step = string | number;

/** Somewhere in a document. */
export interface Place {
  readonly steps: readonly Step[];
  readonly value: unknown;
}

/** Maps whose keys are the user's own words. */
const MAPS = new Set(["matchLabels", "labels", "annotations"]);

export function isMapPlace({ steps, value }: Place): boolean {
  return MAPS.has(String(steps.at(-1))) && !Array.isArray(value);
}

/** An object whose fields have names of their own. */
export function isObjectPlace(place: Place): boolean {
  const { value } = place;
  return typeof value === "object" && value !== null && !Array.isArray(value) && !isMapPlace(place);
}

/** Every value inside, the document itself first; `leaveOut`: names below which nothing is looked at. */
export function placesIn(value: unknown, leaveOut: readonly string[] = [], steps: readonly Step[] = []): Place[] {
  if (typeof value !== "object" || value === null) return [{ steps, value }];
  const entries: [Step, unknown][] = Array.isArray(value) ? [...value.entries()] : Object.entries(value);
  const inner = entries.filter(([step]) => !leaveOut.includes(String(step)));
  return [{ steps, value }, ...inner.flatMap(([step, each]) => placesIn(each, leaveOut, [...steps, step]))];
}

/** A copy of the document with another value at a place; undefined takes it away. */
export function withValue(document: unknown, steps: readonly Step[], value: unknown): unknown {
  const [step, ...rest] = steps;
  if (step === undefined) return value;
  if (Array.isArray(document)) {
    const inner = withValue(document[step as number], rest, value);
    return document.flatMap((each, index) => (index !== step ? [each] : inner === undefined ? [] : [inner]));
  }
  const map = document as Record<string, unknown>;
  const inner = withValue(Object.hasOwn(map, step) ? map[step] : undefined, rest, value);
  const others = Object.entries(map).filter(([name]) => name !== step || inner !== undefined);
  const changed = others.map(([name, each]) => [name, name === step ? inner : each] as const);
  // fromEntries makes own properties, whatever they are called.
  return Object.fromEntries(Object.hasOwn(map, step) || inner === undefined ? changed : [...changed, [step, inner]]);
}

/** As the parser writes paths: `spec.ingress[0].fromEndpoints[0].matchLabels["a.b/c"]`. */
export function pathOf(steps: readonly Step[]): string {
  let path = "";
  for (const [index, step] of steps.entries()) {
    const isKey = typeof step === "string" && (MAPS.has(String(steps[index - 1])) || !/^\w+$/.test(step));
    if (typeof step === "number") path += `[${step}]`;
    else if (isKey) path += `[${JSON.stringify(step)}]`;
    else path += path === "" ? step : `.${step}`;
  }
  return path;
}

/** The same without the numbers of elements. */
export function shapeOf(steps: readonly Step[]): string {
  return steps.map((step) => (typeof step === "number" ? "[]" : `.${step}`)).join("");
}

/**
 * Whether a path leads to something in the document, or to a name that is missing from what is there; the number of an
 * element that is not there leads nowhere.
 */
export function leadsSomewhere(document: unknown, path: string): boolean {
  const steps = path.match(/\[\d+\]|\["(?:[^"\\]|\\.)*"\]|(?:^|\.)[^.[\]]+/g) ?? [];
  if (steps.join("") !== path) return false;
  let value = document;
  for (const [index, text] of steps.entries()) {
    const step = text.startsWith("[") ? String(JSON.parse(text.slice(1, -1))) : text.replace(/^\./, "");
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, step))
      return index === steps.length - 1 && !/^\[\d/.test(text) && !Array.isArray(value);
    value = (value as Record<string, unknown>)[step];
  }
  return true;
}
