/** One flag as `--name`, perhaps also `-x`. */
export interface FlagSpec {
  readonly name: string;
  readonly short?: string;
  /** `count` may be repeated without a value, as in `-v -v`. */
  readonly kind: "bool" | "string" | "uint" | "count";
  /** Placeholder and text for `--help`. */
  readonly help: string;
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
  constructor(message: string) {
    super(message);
    this.name = "UsageError";
  }
}

const TRUE = new Set(["1", "t", "T", "true", "TRUE", "True"]);
const FALSE = new Set(["0", "f", "F", "false", "FALSE", "False"]);

function flagText(spec: FlagSpec): string {
  return spec.short ? `-${spec.short}, --${spec.name}` : `--${spec.name}`;
}

function checked(spec: FlagSpec, value: string): GivenFlag {
  const refuse = (reason: string) =>
    new UsageError(`invalid argument ${JSON.stringify(value)} for "${flagText(spec)}" flag: ${reason}`);
  if (spec.kind === "uint" && !/^\d{1,19}$/.test(value)) {
    throw refuse(`strconv.ParseUint: parsing ${JSON.stringify(value)}: invalid syntax`);
  }
  if (spec.kind === "bool") {
    if (TRUE.has(value)) return { name: spec.name, value: "true" };
    if (FALSE.has(value)) return { name: spec.name, value: "false" };
    throw refuse(`strconv.ParseBool: parsing ${JSON.stringify(value)}: invalid syntax`);
  }
  return { name: spec.name, value };
}

const takesValue = (spec: FlagSpec) => spec.kind === "string" || spec.kind === "uint";

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
      else if (argument.startsWith("-") && argument.length > 1) this.short(argument.slice(1), argument);
      else this.positional.push(argument);
    }
    return { flags: this.flags, positional: this.positional };
  }

  private long(text: string): void {
    const equals = text.indexOf("=");
    const name = equals < 0 ? text : text.slice(0, equals);
    const spec = this.specs.find((one) => one.name === name);
    if (!spec) throw new UsageError(`unknown flag: --${name}`);
    if (equals >= 0) this.flags.push(checked(spec, text.slice(equals + 1)));
    else if (takesValue(spec)) this.flags.push(checked(spec, this.value(`flag needs an argument: --${name}`)));
    else this.flags.push({ name, value: "true" });
  }

  private short(letters: string, whole: string): void {
    for (let i = 0; i < letters.length; i++) {
      const letter = letters[i] ?? "";
      const spec = this.specs.find((one) => one.short === letter);
      if (!spec) throw new UsageError(`unknown shorthand flag: '${letter}' in ${whole}`);
      if (!takesValue(spec)) {
        this.flags.push({ name: spec.name, value: "true" });
        continue;
      }
      const attached = letters.slice(i + 1).replace(/^=/, "");
      const missing = `flag needs an argument: '${letter}' in ${whole}`;
      this.flags.push(checked(spec, attached === "" ? this.value(missing) : attached));
      return;
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

export function isSet(flags: readonly GivenFlag[], name: string): boolean {
  return lastValue(flags, name) === "true";
}

/** The flags' part of a help text. */
export function flagHelp(specs: readonly FlagSpec[]): string {
  const rows = specs.map((spec) => {
    const type = spec.kind === "string" ? " string" : spec.kind === "uint" ? " uint" : "";
    return [`${spec.short ? `  -${spec.short}, ` : "      "}--${spec.name}${type}`, spec.help] as const;
  });
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, help]) => `${left.padEnd(width)}   ${help}\n`).join("");
}
