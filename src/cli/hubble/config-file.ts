import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { parse, stringify } from "yaml";
import { type FlagSpec, parseBool } from "../cobra/flags.ts";
import { CommandError } from "../cobra/run.ts";
import { csvFields, durationText, parseDuration, parseUint } from "../cobra/values.ts";

const OPTIONS = { indent: 4, lineWidth: 0, version: "1.1" } as const;
/** A text that is quoted only because it would be read back as something else. */
const WORDLIKE = /^[\w.+:~-]*$/;

/** A text in the quotes that Go's yaml package gives it: none, double for what looks like no text, else single. */
function yamlText(text: string): string {
  if (stringify(text, OPTIONS).trimEnd() === text) return text;
  if (WORDLIKE.test(text) || /\p{Cc}/u.test(text)) return JSON.stringify(text);
  return `'${text.replaceAll("'", "''")}'`;
}

/** A value as YAML in the form of Go's yaml package: keys sorted, lists four spaces in. */
export function goYaml(value: unknown): string {
  if (typeof value === "string") return `${yamlText(value)}\n`;
  if (Array.isArray(value)) return value.length === 0 ? "[]\n" : value.map((one) => `- ${goYaml(one)}`).join("");
  if (value === null || typeof value !== "object") return stringify(value, OPTIONS);
  const rows = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  if (rows.length === 0) return "{}\n";
  return rows.map(([key, one]) => `${yamlText(key)}:${nested(goYaml(one), one)}`).join("");
}

function nested(yaml: string, value: unknown): string {
  const block = value !== null && typeof value === "object" && Object.keys(value).length > 0;
  return block ? `\n${yaml.replace(/^(?=.)/gm, "    ")}` : ` ${yaml}`;
}

/** The value to be written for a flag. Throws with the reason when the text is none of its type. */
function typedValue(spec: FlagSpec, text: string): unknown {
  switch (spec.kind) {
    case "bool":
      return parseBool(text);
    case "duration":
      return durationText(BigInt(Math.round(parseDuration(/[nsu\u00b5mh]/.test(text) ? text : `${text}ns`))));
    case "strings":
      return csvFields(text.replace(/^\[/, "").replace(/\]$/, ""));
    case "uint16":
      return Number(parseUint(text, 16));
    default:
      return text;
  }
}

const TYPE_NAMES: Readonly<Partial<Record<FlagSpec["kind"], string>>> = { strings: "stringSlice" };

const defaultOf = (spec: FlagSpec) => spec.default ?? (spec.kind === "bool" ? "false" : "");

function readFile(path: string): Record<string, unknown> {
  try {
    const value: unknown = parse(readFileSync(path, "utf8"));
    return value !== null && typeof value === "object" ? { ...value } : {};
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return {};
    throw new CommandError(`While parsing config: ${(error as Error).message}`);
  }
}

/**
 * Writes values into the configuration file, which is made with its folder when it is missing; an empty text is the
 * default. Throws CommandError when a value is none of its flag's type.
 */
export function writeSettings(path: string, changes: readonly (readonly [FlagSpec, string])[]): void {
  const typed = changes.map(([spec, text]) => {
    try {
      return [spec.name, typedValue(spec, text === "" ? defaultOf(spec) : text)] as const;
    } catch (error) {
      const type = TYPE_NAMES[spec.kind] ?? spec.kind;
      throw new CommandError(
        `cannot assign value=${text} for key=${spec.name}, expected type=${type}: ${(error as Error).message}`,
      );
    }
  });
  mkdirSync(dirname(path), { recursive: true, mode: 0o750 });
  writeFileSync(path, goYaml({ ...readFile(path), ...Object.fromEntries(typed) }), { mode: 0o644 });
}
