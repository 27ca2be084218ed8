import { Aggregation } from "../../datapath/port.ts";
import { quoteGo } from "../../flow/print/index.ts";
import { CommandError } from "../cobra/run.ts";

/** What can be changed while the agent runs, by name. */
type Library = Readonly<Record<string, string>>;

const AGGREGATION = "MonitorAggregationLevel";

/** Options of an endpoint that Cilium knows; the agent says which of them it does not have. */
export const ENDPOINT_OPTIONS: Library = {
  Debug: "Enable debugging trace statements",
  DebugLB: "Enable debugging trace statements for load balancer",
  DebugPolicy: "Enable debugging trace statements for policy enforcement",
  DropNotification: "Enable drop notifications",
  [AGGREGATION]: "Set the level of aggregation for monitor events in the datapath",
  PolicyAuditMode: "Enable audit mode for policies",
  PolicyVerdictNotification: "Enable policy verdict notifications",
  SourceIPVerification: "Enable the check of the source IP on pod egress",
  TraceNotification: "Enable trace notifications",
};

/** The same of the agent as a whole. */
export const DAEMON_OPTIONS: Library = {
  ...ENDPOINT_OPTIONS,
  DebugTagged: "Enable debugging trace statements for tagged packets",
};

const ON = ["true", "on", "enable", "enabled", "1"];
const OFF = ["false", "off", "disable", "disabled", "0"];
/** Other words for a level. */
const LEVELS: Readonly<Record<string, number>> = {
  "": Aggregation.None,
  disabled: Aggregation.None,
  maximum: Aggregation.Max,
};

/** On, off, or undefined for what is no switch. */
export function switchOf(value: string): boolean | undefined {
  const word = value.toLowerCase();
  return ON.includes(word) ? true : OFF.includes(word) ? false : undefined;
}

function levelOf(value: string): number {
  const wanted = value.toLowerCase();
  const named = Object.entries(Aggregation).find(([name]) => name.toLowerCase() === wanted)?.[1] ?? LEVELS[wanted];
  if (named !== undefined) return named;
  if (!/^[-+]?\d+$/.test(value)) throw new Error(`invalid monitor aggregation level ${quoteGo(value)}`);
  const number = Number(value);
  if (number >= Aggregation.None && number <= Aggregation.Max) return number;
  throw new Error(`monitor aggregation level must be between ${Aggregation.None} and ${Aggregation.Max}`);
}

function numberOf(name: string, value: string): number {
  if (name === AGGREGATION) return levelOf(value);
  const isOn = switchOf(value);
  if (isOn === undefined) throw new Error(`invalid option value ${value}`);
  return Number(isOn);
}

export interface Option {
  readonly name: string;
  readonly number: number;
  /** As it was written. */
  readonly value: string;
}

/** Reads `Name=value`. Throws an Error in upstream's words. */
export function readOption(text: string, library: Library): Option {
  const isNegated = text.startsWith("!");
  const bare = isNegated ? text.slice(1) : text;
  const at = bare.indexOf("=");
  if (at < 0) throw new Error("invalid option format");
  if (isNegated) throw new Error("invalid boolean format");
  const wanted = bare.slice(0, at);
  const value = bare.slice(at + 1);
  const name = Object.keys(library).find((known) => known.toLowerCase() === wanted.toLowerCase());
  if (name === undefined) throw new Error(`unknown option ${quoteGo(wanted)}`);
  return { name, number: numberOf(name, value), value };
}

/** The same for an endpoint. Throws CommandError. */
export function parseOption(text: string, library: Library): Option {
  try {
    return readOption(text, library);
  } catch (error) {
    throw new CommandError(`Cannot parse option ${text}: ${(error as Error).message}`);
  }
}

const WIDTH = 34;

/** A line of a list of options. */
export function optionLine(name: string, value: string): string {
  return `${name.padEnd(WIDTH)}: ${value}\n`;
}

/** Options by name; switches as `Enabled` and `Disabled`. `indented` = below a title. */
export function optionsText(options: Readonly<Record<string, string>> | null | undefined, isIndented = false): string {
  const line = (name: string, value: string) =>
    isIndented ? `\t${name.padEnd(26)}: ${value}\n` : optionLine(name, value);
  return Object.entries(options ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => {
      const isOn = switchOf(value);
      return line(name, isOn === undefined ? value : isOn ? "Enabled" : "Disabled");
    })
    .join("");
}

/** `--list-options` */
export function optionList(library: Library): string {
  const rows = Object.entries(library).sort(([a], [b]) => (a < b ? -1 : 1));
  return rows.map(([name, help]) => `${name.padEnd(24)} ${help}\n`).join("");
}
