import type { DaemonConfiguration } from "../../agent/api-models.ts";
import type { Call } from "../cobra/commands.ts";
import { type FlagSpec, isSet } from "../cobra/flags.ts";
import type { CommandNode } from "../cobra/node.ts";
import { CommandError, write } from "../cobra/run.ts";
import { HelpError } from "../cobra/tree.ts";
import { answerOf } from "./command.ts";
import { refused } from "./global-flags.ts";
import { DAEMON_OPTIONS, optionLine, optionList, optionsText, readOption } from "./options.ts";
import { goText } from "./output/go-text.ts";
import { OUTPUT, OutputError, outputOf, printOutput } from "./output/print.ts";
import { untyped } from "./output/value.ts";

type Configuration = DaemonConfiguration["status"] & { readonly "k8s-configuration"?: string };

interface Answer {
  readonly spec: DaemonConfiguration["spec"];
  readonly status: Configuration;
}

async function configuration(signal: AbortSignal): Promise<Answer> {
  const say = (reason: string) => `Error while retrieving configuration: ${reason}`;
  const answer = await answerOf<Answer>({ path: "/config" }, signal, say);
  if (!answer.status) throw new CommandError("Empty configuration status returned");
  return answer;
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** What cannot be changed. */
function fixedText(status: Configuration): string {
  const entries = Object.entries(status.daemonConfigurationMap ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  const lines = entries.map(([name, value]) => {
    if (!isObject(value)) return optionLine(name, goText(untyped(value)));
    const inner = Object.entries(value).map(([key, part]) => [key, goText(untyped(part))] as const);
    return `${name}\n${optionsText(Object.fromEntries(inner), true)}`;
  });
  const file = optionLine("k8s-configuration", status["k8s-configuration"] ?? "");
  return `#### Read-only configurations ####\n${lines.join("")}${file}${optionsText(status.immutable)}`;
}

function changeableText({ realized, nodeMonitor }: Configuration): string {
  const pages = nodeMonitor ? optionLine("MonitorNumPages", String(nodeMonitor.npages ?? 0)) : "";
  const enforcement = optionLine("PolicyEnforcement", realized["policy-enforcement"] ?? "");
  return `##### Read-write configurations #####\n${optionsText(realized.options)}${pages}${enforcement}`;
}

/** All that is fixed, with what can be changed beside. */
function merged({ daemonConfigurationMap, realized }: Configuration): unknown {
  return { ...realized, ...daemonConfigurationMap };
}

async function show({ flags }: Call, status: Configuration): Promise<void> {
  const [isFixed, isAll] = [isSet(flags, "read-only"), isSet(flags, "all")];
  const output = outputOf(flags);
  if (output === undefined)
    return write((isFixed || isAll ? fixedText(status) : "") + (isFixed ? "" : changeableText(status)));
  try {
    if (isFixed) await printOutput(status.daemonConfigurationMap, "map:any", output);
    else if (isAll) await printOutput(merged(status), "floats", output);
    else await printOutput(status.realized.options, "map:string", output);
  } catch (error) {
    if (!(error instanceof OutputError)) throw error;
    throw new CommandError(`Cannot show configurations: ${error.message}`);
  }
}

/** The configuration with what the words ask to change. Writes the reason to standard output and returns undefined when one cannot be read. */
async function changed(spec: Answer["spec"], words: readonly string[]): Promise<object | undefined> {
  const options: Record<string, string> = { ...spec.options };
  let enforcement = {};
  for (const word of words) {
    const [name = "", ...rest] = word.split("=");
    if (rest.length === 0) throw new CommandError("Improper configuration format provided");
    if (name === "PolicyEnforcement") enforcement = { "policy-enforcement": rest.join("=") };
    else
      try {
        const option = readOption(word, DAEMON_OPTIONS);
        const isLevel = option.name === "MonitorAggregationLevel";
        options[option.name] = isLevel ? option.value : option.number === 0 ? "Disabled" : "Enabled";
      } catch (error) {
        await write(`${(error as Error).message}\n`);
        process.exitCode = 1;
        return undefined;
      }
  }
  return { ...spec, options, ...enforcement };
}

async function config(call: Call): Promise<void> {
  const { flags, words, signal } = call;
  if (isSet(flags, "list-options")) return write(optionList(DAEMON_OPTIONS));
  const { spec, status } = await configuration(signal);
  if (words.length === 0) return show(call, status);
  const body = await changed(spec, words);
  if (body === undefined) return;
  const say = (reason: string) => `Unable to change agent configuration: ${reason}\n`;
  await answerOf({ method: "PATCH", path: "/config", body }, signal, say);
}

/** Names as they are compared: in small letters, those inside another beside it. */
function flattened(map: Readonly<Record<string, unknown>>): Map<string, unknown> {
  const found = new Map<string, unknown>();
  for (const [name, value] of Object.entries(map)) {
    if (isObject(value)) for (const [inner, part] of Object.entries(value)) found.set(inner.toLowerCase(), part);
    found.set(name.toLowerCase(), value);
  }
  return found;
}

async function get({ words: [name], signal }: Call): Promise<void> {
  if (name === undefined) throw new HelpError("Missing config name argument");
  if (name === "") throw new HelpError("Empty config argument");
  const { daemonConfigurationMap = {}, realized } = (await configuration(signal)).status;
  const changeable = { ...realized.options, PolicyEnforcement: realized["policy-enforcement"] };
  const values = new Map([...flattened(daemonConfigurationMap), ...flattened(changeable)]);
  const wanted = name.toLowerCase().replace(/[^\w]/g, "");
  if (!values.has(wanted)) throw new CommandError("Configuration does not exist");
  await write(`${goText(untyped(values.get(wanted)))}\n`);
}

const ONE_RING = "all events of a node come over one ring, whose size is fixed";

const flag = (name: string, short: string, help: string): FlagSpec => ({ name, short, kind: "bool", help });

/** `config …` */
export const CONFIG: CommandNode = {
  name: "config",
  argument: "[<option>=(enable|disable) ...]",
  short: "Cilium configuration options",
  flags: [
    { name: "list-options", kind: "bool", help: "List available options" },
    flag("read-only", "r", "Display read only configurations"),
    flag("all", "a", "Display all cilium configurations"),
    {
      ...refused("num-pages", "int", "Number of pages for perf ring buffer. New values have to be > 0", ONE_RING),
      short: "n",
    },
    OUTPUT,
  ],
  run: config,
  commands: [
    { name: "get", argument: "<config name>", short: "Retrieve cilium configuration", flags: [OUTPUT], run: get },
  ],
};
