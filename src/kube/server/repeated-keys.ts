/** Keys that a body gives twice: whoever parses it keeps the last, and does not say so. */
import { childPath } from "../schema/node.ts";

/** What is said of a body's repeated keys: as warnings, and in a refusal. */
export interface Repetition {
  readonly warned: readonly string[];
  readonly refused: readonly string[];
}

export const NO_REPETITION: Repetition = { warned: [], refused: [] };

const TOKEN = /"(?:[^"\\]|\\.)*"|[^\s:"]/g;

function keysIn(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  let keys = 0;
  if (Array.isArray(value)) for (const item of value) keys += keysIn(item);
  else for (const key of Object.keys(value)) keys += 1 + keysIn((value as Record<string, unknown>)[key]);
  return keys;
}

const [QUOTE, BACKSLASH, COLON, SPACE] = [0x22, 0x5c, 0x3a, 0x20];

/** How many strings of a JSON text stand before a colon. */
function keysWritten(text: string): number {
  let keys = 0;
  for (let at = text.indexOf('"'); at !== -1; at = text.indexOf('"', at)) {
    for (at++; text.charCodeAt(at) !== QUOTE; at++) if (text.charCodeAt(at) === BACKSLASH) at++;
    for (at++; text.charCodeAt(at) <= SPACE; ) at++;
    if (text.charCodeAt(at) === COLON) keys++;
  }
  return keys;
}

/** An object or a list that the scan is in. */
interface Level {
  readonly path: string;
  /** The keys so far; a list has none. */
  readonly keys: Set<string> | undefined;
  index: number;
}

const placeIn = (level: Level | undefined, key: string): string => {
  if (level === undefined) return "";
  return level.keys ? childPath(level.path, key) : `${level.path}[${level.index}]`;
};

function repeatedPaths(text: string): Set<string> {
  const found = new Set<string>();
  const levels: Level[] = [];
  let key: string | undefined;
  for (const [token] of text.matchAll(TOKEN)) {
    const level = levels.at(-1);
    if (token === "{" || token === "[") {
      levels.push({ path: placeIn(level, key ?? ""), keys: token === "{" ? new Set() : undefined, index: 0 });
      key = undefined;
    } else if (token === "}" || token === "]") levels.pop();
    else if (token === ",") {
      if (level) level.index++;
      key = undefined;
    } else if (level?.keys && key === undefined) {
      key = JSON.parse(token) as string;
      if (level.keys.has(key)) found.add(placeIn(level, key));
      level.keys.add(key);
    }
  }
  return found;
}

/** The keys that are twice in a JSON text of this value. What only counts them is quick: nearly every text has none. */
export function repeatedKeys(text: string, value: unknown): Repetition {
  if (keysWritten(text) === keysIn(value)) return NO_REPETITION;
  const prefix = Array.isArray(value) ? "json patch " : "";
  const said = [...repeatedPaths(text)].map((path) => `${prefix}duplicate field ${JSON.stringify(path)}`);
  return { warned: said, refused: said };
}

/** The keys that are twice in a YAML text, by where the second begins: offsets into the text. */
export function repeatedYamlKeys(text: string, offsets: readonly number[]): Repetition {
  if (offsets.length === 0) return NO_REPETITION;
  const lines = offsets.map((offset) => {
    const [key = ""] = /^(?:"(?:[^"\\]|\\.)*"|'[^']*'|[^\s:,]+)/.exec(text.slice(offset)) ?? [];
    const line = text.slice(0, offset).split("\n").length;
    return `line ${line}: key ${JSON.stringify(key.replace(/^(["'])(.*)\1$/, "$2"))} already set in map`;
  });
  return { warned: lines, refused: [`yaml: unmarshal errors:\n  ${lines.join("\n  ")}`] };
}
