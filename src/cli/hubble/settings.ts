import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { type FlagSpec, type GivenFlag, lastValue, parseBool } from "../cobra/flags.ts";
import { csvFields } from "../cobra/values.ts";

type Environment = Readonly<Record<string, string | undefined>>;
export type FileSettings = Readonly<Record<string, unknown>>;

/** Where hubble's configuration file lies when nobody says otherwise; `config.yaml` here when there is no home. */
export function defaultConfigFile(env: Environment): string {
  const base = env["XDG_CONFIG_HOME"] || (env["HOME"] ? `${env["HOME"]}/.config` : undefined);
  return base === undefined ? "config.yaml" : `${base}/hubble/config.yaml`;
}

const variableOf = (key: string) => `HUBBLE_${key.replaceAll("-", "_").toUpperCase()}`;

/** A YAML file's top level; undefined when it cannot be read or is no mapping. */
function readSettings(path: string): FileSettings | undefined {
  try {
    const value: unknown = parse(readFileSync(path, "utf8"));
    const whole = value !== null && typeof value === "object" && !Array.isArray(value);
    return whole ? Object.fromEntries(Object.entries(value).map(([key, one]) => [key.toLowerCase(), one])) : undefined;
  } catch {
    return undefined;
  }
}

const isList = ({ kind }: FlagSpec) => kind === "strings" || kind === "stringArray";

/** What flags, the environment, the configuration file and defaults say together, the earlier before the later. */
export class Settings {
  /** The configuration file that is in force. */
  readonly path: string;
  /** Whether it was there. */
  readonly found: boolean;
  readonly file: FileSettings;
  private readonly flags: readonly GivenFlag[];
  private readonly env: Environment;
  private readonly specs: readonly FlagSpec[];

  constructor(flags: readonly GivenFlag[], env: Environment, specs: readonly FlagSpec[]) {
    this.flags = flags;
    this.env = env;
    this.specs = specs;
    this.path = lastValue(flags, "config") ?? (env[variableOf("config")] || defaultConfigFile(env));
    const file = readSettings(this.path);
    this.found = file !== undefined;
    this.file = file ?? {};
  }

  /** The value as it was given; undefined when nothing but the default says it. */
  private given(key: string): unknown {
    return lastValue(this.flags, key) ?? (this.env[variableOf(key)] || this.file[key]);
  }

  string(key: string): string {
    const value = this.given(key) ?? this.specs.find(({ name }) => name === key)?.default ?? "";
    return typeof value === "string" ? value : String(value);
  }

  /** False also of a value that is no boolean. */
  boolean(key: string): boolean {
    const value = this.given(key);
    if (typeof value !== "string") return value === true;
    try {
      return parseBool(value);
    } catch {
      return false;
    }
  }

  list(key: string): string[] {
    const spec = this.specs.find(({ name }) => name === key);
    const given = this.flags.filter(({ name }) => name === key);
    if (given.length > 0) return given.flatMap(({ value }) => (spec?.kind === "strings" ? csvFields(value) : [value]));
    const value = this.given(key) ?? [];
    return Array.isArray(value) ? value.map(String) : String(value).split(/\s+/).filter(Boolean);
  }

  /** Every key with its value as `config view` shows it. */
  all(): Record<string, unknown> {
    const keys = new Set([...this.specs.map(({ name }) => name), ...Object.keys(this.file)]);
    return Object.fromEntries([...keys].toSorted().map((key) => [key, this.shown(key)]));
  }

  private shown(key: string): unknown {
    const spec = this.specs.find(({ name }) => name === key);
    const flag = lastValue(this.flags, key);
    const outside = this.env[variableOf(key)] || this.file[key];
    if (key === "config") return this.string(key);
    if (!spec || (flag === undefined && outside !== undefined)) return outside;
    if (isList(spec)) return this.list(key);
    return spec.kind === "bool" ? this.boolean(key) : this.string(key);
  }
}
