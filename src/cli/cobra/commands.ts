import { type FlagSpec, flagHelp, type GivenFlag, isSet, lastValue, parseArguments, UsageError } from "./flags.ts";
import { unknownCommand, write } from "./run.ts";

export const OUTPUT: FlagSpec = { name: "output", short: "o", kind: "string", help: "json" };
const HELP: FlagSpec = { name: "help", short: "h", kind: "bool", help: "Show help" };
/** A command is named by at most so many words. */
const DEEPEST = 3;

export interface Call {
  readonly flags: readonly GivenFlag[];
  /** Words after the command. */
  readonly words: readonly string[];
  readonly signal: AbortSignal;
}

export interface Command {
  /** Words that name it, e.g. `bpf ipcache list`. */
  readonly path: string;
  /** Placeholders of its arguments; absent = it takes none. */
  readonly argument?: string;
  /** How many arguments there may be; absent = exactly one where there is a placeholder. */
  readonly count?: { readonly least: number; readonly most: number };
  readonly help: string;
  readonly flags: readonly FlagSpec[];
  run(call: Call): Promise<void>;
}

export interface Program {
  readonly name: string;
  readonly help: string;
  readonly commands: readonly Command[];
}

/** Whether `-o json` was given. Throws UsageError for another format. */
export function wantsJson(flags: readonly GivenFlag[]): boolean {
  const output = lastValue(flags, "output");
  if (output !== undefined && output !== "json") throw new UsageError(`invalid output format: ${output} (only json)`);
  return output === "json";
}

export const json = (value: unknown) => `${JSON.stringify(value, undefined, 2)}\n`;

/** The command that the first words name, and the words after it. */
function findCommand({ commands }: Program, words: readonly string[]): Command | undefined {
  for (let length = DEEPEST; length > 0; length--) {
    const path = words.slice(0, length).join(" ");
    const command = words.length >= length ? commands.find((one) => one.path === path) : undefined;
    if (command) return command;
  }
  return undefined;
}

function helpText({ name, help, commands }: Program): string {
  const rows = commands.map(({ path, argument, help: own }) => `  ${`${path} ${argument ?? ""}`.padEnd(36)}${own}\n`);
  return `${help}\n\nUsage:\n  ${name} [command]\n\nAvailable Commands:\n${rows.join("")}`;
}

/** How far the words name a group of commands, for the error. */
function unknown({ name, commands }: Program, words: readonly string[]): Error {
  let known = 0;
  while (
    known < words.length &&
    commands.some(({ path }) => `${path} `.startsWith(`${words.slice(0, known + 1).join(" ")} `))
  )
    known++;
  const parent = [name, ...words.slice(0, known)].join(" ");
  if (known < words.length) return unknownCommand(words[known] ?? "", parent);
  const inside = commands.filter(({ path }) => path.startsWith(words.join(" ")));
  return new UsageError(`"${parent}" needs a command: ${inside.map(({ path }) => `${name} ${path}`).join(", ")}`);
}

/** Runs the command that the arguments name, or shows help. Rejects with UsageError as cobra words it. */
export async function runProgram(program: Program, args: readonly string[], signal: AbortSignal): Promise<void> {
  const { name } = program;
  if (args.length === 0 || args[0] === "help" || args[0] === "--help" || args[0] === "-h")
    return write(helpText(program));
  const words = args.filter((argument) => !argument.startsWith("-"));
  const command = findCommand(program, words);
  if (!command) {
    if (args[0]?.startsWith("-")) parseArguments(args, [HELP]);
    throw unknown(program, words);
  }
  const specs = [...command.flags, HELP];
  const { flags, positional } = parseArguments(args, specs);
  const rest = positional.slice(command.path.split(" ").length);
  if (isSet(flags, "help"))
    return write(
      `${command.help}\n\nUsage:\n  ${name} ${command.path} ${command.argument ?? ""} [flags]\n\nFlags:\n${flagHelp(specs)}`,
    );
  const exactly = command.argument === undefined ? 0 : 1;
  const { least, most } = command.count ?? { least: exactly, most: exactly };
  if (rest.length < least || rest.length > most)
    throw new UsageError(
      `${name} ${command.path}: accepts ${least === most ? least : `${least} to ${most}`} arg(s)${command.argument ? ` ${command.argument}` : ""}, received ${rest.length}`,
    );
  await command.run({ flags, words: rest, signal });
}
