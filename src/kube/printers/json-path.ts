import { isFields } from "../object.ts";

/** One step of a path: a key, an index, or a filter on the items of a list. */
type Step =
  | { readonly kind: "key"; readonly key: string }
  | { readonly kind: "index"; readonly index: number }
  | { readonly kind: "all" }
  | { readonly kind: "filter"; readonly path: readonly string[]; readonly operator: string; readonly value: unknown };

/** The path uses a form that printer columns do not serve. */
export class JsonPathError extends Error {
  constructor(path: string, at: string) {
    super(
      `the JSON path \`${path}\` has \`${at}\`, which columns cannot show; use keys, [index], [*] and [?(@.key=="value")]`,
    );
    this.name = "JsonPathError";
  }
}

const KEY = /\.((?:\\.|[^.[\]\\])+)/y;
const QUOTED = /\[(?:'((?:\\.|[^'\\])*)'|"((?:\\.|[^"\\])*)")\]/y;
const INDEX = /\[(-?\d+)\]/y;
const ALL = /(?:\[\*\]|\.\*)/y;
const FILTER =
  /\[\?\(\s*@((?:\.(?:\\.|[^.\s=!<>)\\])+)*)\s*(==|!=|<=|>=|<|>)\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^)\s]+)\s*\)\]/y;

const unescaped = (text: string): string => text.replace(/\\(.)/g, "$1");

function literal(text: string): unknown {
  if (/^["']/.test(text)) return unescaped(text.slice(1, -1));
  if (text === "true" || text === "false") return text === "true";
  return Number.isNaN(Number(text)) ? text : Number(text);
}

function readStep(path: string, at: number): { step: Step; next: number } {
  const read = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    return pattern.exec(path);
  };
  const done = (match: RegExpExecArray, step: Step) => ({ step, next: at + match[0].length });
  let match = read(ALL);
  if (match) return done(match, { kind: "all" });
  match = read(FILTER);
  if (match) {
    const keys = match[1]!
      .split(/(?<!\\)\./)
      .slice(1)
      .map(unescaped);
    return done(match, { kind: "filter", path: keys, operator: match[2]!, value: literal(match[3]!) });
  }
  match = read(INDEX);
  if (match) return done(match, { kind: "index", index: Number(match[1]) });
  match = read(QUOTED) ?? read(KEY);
  if (match) return done(match, { kind: "key", key: unescaped(match[1] ?? match[2]!) });
  throw new JsonPathError(path, path.slice(at));
}

function parse(path: string): Step[] {
  const steps: Step[] = [];
  const start = path.startsWith("$") ? 1 : 0;
  for (let at = start; at < path.length; ) {
    const { step, next } = readStep(path, at);
    steps.push(step);
    at = next;
  }
  return steps;
}

const operators: Readonly<Record<string, (a: unknown, b: unknown) => boolean>> = {
  "==": (a, b) => a === b,
  "!=": (a, b) => a !== b,
  "<": (a, b) => (a as number) < (b as number),
  "<=": (a, b) => (a as number) <= (b as number),
  ">": (a, b) => (a as number) > (b as number),
  ">=": (a, b) => (a as number) >= (b as number),
};

function take(step: Step, value: unknown): unknown[] {
  if (step.kind === "key") return isFields(value) && Object.hasOwn(value, step.key) ? [value[step.key]] : [];
  if (step.kind === "all") return Array.isArray(value) ? value : isFields(value) ? Object.values(value) : [];
  if (!Array.isArray(value)) return [];
  if (step.kind === "index")
    return value.length > 0 && value.at(step.index) !== undefined ? [value.at(step.index)] : [];
  return value.filter((item) => {
    const found = step.path.reduce<unknown>((inner, key) => (isFields(inner) ? inner[key] : undefined), item);
    return operators[step.operator]!(found, step.value);
  });
}

const parsed = new Map<string, readonly Step[]>();

/** All values at a path such as `.status.conditions[?(@.type=='Valid')].status`. Throws JsonPathError. */
export function valuesAt(path: string, object: unknown): unknown[] {
  let steps = parsed.get(path);
  if (!steps) {
    steps = parse(path);
    parsed.set(path, steps);
  }
  return steps.reduce<unknown[]>((values, step) => values.flatMap((value) => take(step, value)), [object]);
}
