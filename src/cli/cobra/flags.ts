import { quoteGo } from "../../flow/print/index.ts";
import { csvFields, durationText, parseDuration, parseInt64, parseUint } from "./values.ts";

/** One flag as `--name`, perhaps also `-x`. */
export interface FlagSpec {
  readonly name: string;
  readonly short?: string;
  /** `count` may be repeated without a value, as in `-v -v`; `strings` takes commas, `stringArray` does not. */
  readonly kind:
    | "bool"
    | "string"
    | "int"
    | "uint"
    | "uint16"
    | "duration"
    | "strings"
    | "stringArray"
    | "filter"
    | "count";
  /** Its type as help names it, where that is not its kind's. */
  readonly type?: string;
  /** Text for `--help`. */
  readonly help: string;
  /** Value when it is not given, as `--help` shows it. */
  readonly default?: string;
  /** Value when it is given without one; such a flag takes a value only after `=`. */
  readonly bare?: string;
  /** Words that a shell may complete its value with. */
  readonly words?: readonly string[];
  /** Takes each value as it is parsed; what it throws is what is wrong with the value. */
  set?(value: string): void;
}

/** A flag as it was given, in order. */
export interface GivenFlag {
  readonly name: string;
  readonly value: string;
}

export interface ParsedArguments {
  readonly flags: readonly GivenFlag[];
  readonly positional: readonly string[];
}

/** Wrong use of a command; the text is what Go's cobra would say. */
export class UsageError extends Error {
  /** How the command is called, when it is known which one was meant. */
  readonly usage: string | undefined;
  constructor(message: string, usage?: string) {
    super(message);
    this.name = "UsageError";
    this.usage = usage;
  }
}

const TRUE = new Set(["1", "t", "T", "true", "TRUE", "True"]);
const FALSE = new Set(["0", "f", "F", "false", "FALSE", "False"]);

/** A boolean as Go's strconv.ParseBool reads it. Throws with Go's words. */
export function parseBool(text: string): boolean {
  if (TRUE.has(text)) return true;
  if (FALSE.has(text)) return false;
  throw new UsageError(`strconv.ParseBool: parsing ${quoteGo(text)}: invalid syntax`);
}

function flagText(spec: FlagSpec): string {
  return spec.short ? `-${spec.short}, --${spec.name}` : `--${spec.name}`;
}

/** The value in its canonical text. Throws when it is none of the flag's kind. */
function canonical(spec: FlagSpec, value: string): string {
  switch (spec.kind) {
    case "int":
      return String(parseInt64(value));
    case "uint":
      return String(parseUint(value, 64));
    case "uint16":
      return String(parseUint(value, 16));
    case "bool":
      return String(parseBool(value));
    case "duration":
      return durationText(BigInt(Math.round(parseDuration(value))));
    default:
      return value;
  }
}

function checked(spec: FlagSpec, value: string): GivenFlag {
  try {
    const given = { name: spec.name, value: canonical(spec, value) };
    spec.set?.(value);
    return given;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UsageError(`invalid argument ${quoteGo(value)} for "${flagText(spec)}" flag: ${reason}`);
  }
}

/** What a flag means without a value; undefined when it needs one. */
export function bareValue(spec: FlagSpec): string | undefined {
  return spec.bare ?? (spec.kind === "bool" || spec.kind === "count" ? "true" : undefined);
}

class Parser {
  readonly flags: GivenFlag[] = [];
  readonly positional: string[] = [];
  private readonly rest: string[];
  private readonly specs: readonly FlagSpec[];

  constructor(rest: string[], specs: readonly FlagSpec[]) {
    this.rest = rest;
    this.specs = specs;
  }

  run(): ParsedArguments {
    for (let argument = this.rest.shift(); argument !== undefined; argument = this.rest.shift()) {
      if (argument === "--") {
        this.positional.push(...this.rest.splice(0));
      } else if (argument.startsWith("--")) this.long(argument.slice(2));
      else if (argument.startsWith("-") && argument.length > 1) this.short(argument.slice(1));
      else this.positional.push(argument);
    }
    return { flags: this.flags, positional: this.positional };
  }

  private long(text: string): void {
    if (text === "" || text.startsWith("-") || text.startsWith("=")) throw new UsageError(`bad flag syntax: --${text}`);
    const equals = text.indexOf("=");
    const name = equals < 0 ? text : text.slice(0, equals);
    const spec = this.specs.find((one) => one.name === name);
    if (!spec) throw new UsageError(`unknown flag: --${name}`);
    const value = equals < 0 ? bareValue(spec) : text.slice(equals + 1);
    this.flags.push(checked(spec, value ?? this.value(`flag needs an argument: --${name}`)));
  }

  private short(letters: string): void {
    for (let rest = letters; rest !== ""; rest = rest.slice(1)) {
      const letter = rest[0] ?? "";
      const spec = this.specs.find((one) => one.short === letter);
      if (!spec) throw new UsageError(`unknown shorthand flag: '${letter}' in -${rest}`);
      const bare = bareValue(spec);
      if (rest.length > 2 && rest[1] === "=") return void this.flags.push(checked(spec, rest.slice(2)));
      if (bare === undefined) {
        const value = rest.length > 1 ? rest.slice(1) : this.value(`flag needs an argument: '${letter}' in -${rest}`);
        return void this.flags.push(checked(spec, value));
      }
      this.flags.push(checked(spec, bare));
    }
  }

  private value(missing: string): string {
    const value = this.rest.shift();
    if (value === undefined) throw new UsageError(missing);
    return value;
  }
}

/** Splits arguments into flags, in order, and the rest. Throws UsageError as cobra words it. */
export function parseArguments(args: readonly string[], specs: readonly FlagSpec[]): ParsedArguments {
  return new Parser([...args], specs).run();
}

/** The last value of a flag; undefined when it was not given. */
export function lastValue(flags: readonly GivenFlag[], name: string): string | undefined {
  return flags.findLast((flag) => flag.name === name)?.value;
}

export function allValues(flags: readonly GivenFlag[], name: string): string[] {
  return flags.filter((flag) => flag.name === name).map(({ value }) => value);
}

/** All values of a flag that takes lists, in which commas part them. */
export function listValues(flags: readonly GivenFlag[], name: string): string[] {
  return allValues(flags, name).flatMap(csvFields);
}

export function isSet(flags: readonly GivenFlag[], name: string): boolean {
  return lastValue(flags, name) === "true";
}

/** A flag's type as help names it. */
const TYPE_NAMES: Readonly<Record<FlagSpec["kind"], string>> = {
  bool: "",
  string: " string",
  int: " int",
  uint: " uint",
  uint16: " uint16",
  duration: " duration",
  strings: " strings",
  stringArray: " stringArray",
  filter: " filter",
  count: " count",
};

function defaultText({ default: value, kind }: FlagSpec): string {
  if (value === undefined) return "";
  return ` (default ${kind === "string" ? quoteGo(value) : value})`;
}

/** The flags' part of a help text, laid out as pflag does. */
export function flagHelp(specs: readonly FlagSpec[]): string {
  const rows = specs.map((spec) => {
    const bare = spec.bare === undefined ? "" : `[=${spec.bare}]`;
    const left = `${spec.short ? `  -${spec.short}, ` : "      "}--${spec.name}${spec.type ?? TYPE_NAMES[spec.kind]}${bare}`;
    return [left, spec.help + defaultText(spec)] as const;
  });
  const width = Math.max(...rows.map(([left]) => left.length));
  const indent = `\n${" ".repeat(width + 3)}`;
  return rows.map(([left, help]) => `${left.padEnd(width)}   ${help.replaceAll("\n", indent)}\n`).join("");
}
