import { bareValue, type FlagSpec, isSet, parseArguments, UsageError } from "./flags.ts";
import { helpText, usageText } from "./help.ts";
import type { CommandNode, Tree } from "./node.ts";
import { write } from "./run.ts";

const HELP: FlagSpec = { name: "help", short: "h", kind: "bool", help: "" };
const VERSION: FlagSpec = { name: "version", short: "v", kind: "bool", help: "" };

/** A command was called in a way that it has a word for: its help follows, and the exit code is 1. */
export class HelpError extends Error {}

/** Every flag that a command takes. */
export function acceptedFlags(tree: Tree, command: CommandNode): FlagSpec[] {
  const own = command === tree.root && tree.version !== undefined ? [VERSION] : [];
  return [...namingFlags(tree, command), HELP, ...own];
}

/** The flags that are known while the command is looked for: cobra adds its own only then. */
function namingFlags(tree: Tree, command: CommandNode): FlagSpec[] {
  const all = [...(command.flags ?? []), ...tree.global.flags, ...tree.persistent];
  return all.filter(({ name }, i) => all.findIndex((one) => one.name === name) === i);
}

/** Whether the argument is a flag whose value is the next argument. */
function takesNext(argument: string, specs: readonly FlagSpec[]): boolean {
  if (argument.includes("=") || (!argument.startsWith("--") && argument.length !== 2)) return false;
  const spec = specs.find(({ name, short }) => argument === `--${name}` || argument === `-${short}`);
  return spec === undefined || bareValue(spec) === undefined;
}

/** Where the first word stands that is neither a flag nor the value of one; -1 when there is none. */
function firstWord(args: readonly string[], specs: readonly FlagSpec[]): number {
  for (let at = 0; at < args.length; at++) {
    const argument = args[at] ?? "";
    if (argument === "--") return -1;
    if (!argument.startsWith("-") && argument !== "") return at;
    if (argument.startsWith("-") && takesNext(argument, specs)) at++;
  }
  return -1;
}

export interface Found {
  /** From the root to the command. */
  readonly path: readonly CommandNode[];
  /** The arguments without the command's words. */
  readonly rest: readonly string[];
}

/** The command that the arguments name; the one above it when the next word names none. */
export function findCommand(tree: Tree, args: readonly string[]): Found {
  let path: readonly CommandNode[] = [tree.root];
  let rest = args;
  for (;;) {
    const command = path.at(-1) ?? tree.root;
    const at = firstWord(rest, namingFlags(tree, command));
    const word = at < 0 ? undefined : rest[at];
    const next = command.commands?.find(({ name, aliases }) => name === word || aliases?.includes(word ?? ""));
    if (!next) return { path, rest };
    path = [...path, next];
    rest = rest.toSpliced(at, 1);
  }
}

/** How many letters must change for one word to become the other. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const above = row;
    row = [i];
    for (let j = 1; j <= b.length; j++) {
      const swap = (above[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(swap, (above[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1));
    }
  }
  return row[b.length] ?? 0;
}

/** Furthest that a word may be from a command's name to be taken for it. */
const NEAR = 2;

function unknownCommand(word: string, path: readonly CommandNode[]): UsageError {
  const lower = word.toLowerCase();
  const near = (path.at(-1)?.commands ?? [])
    .filter(({ hidden }) => !hidden)
    .filter(({ name }) => distance(lower, name) <= NEAR || name.startsWith(lower));
  const hint = near.length === 0 ? "" : `\n\nDid you mean this?\n${near.map(({ name }) => `\t${name}\n`).join("")}`;
  const parent = path.map(({ name }) => name).join(" ");
  return new UsageError(`unknown command ${JSON.stringify(word)} for ${JSON.stringify(parent)}${hint}`);
}

/** `help [command]`: the help of the command that the words name. */
export async function showHelp(tree: Tree, words: readonly string[]): Promise<void> {
  const { path, rest } = findCommand(tree, words);
  if (path.length === 1 && rest.length > 0) {
    const topics = words.map((word) => `\`${word}\``).join(" ");
    process.stderr.write(`Unknown help topic [${topics}]\n${usageText(tree, [tree.root])}`);
    return;
  }
  await write(helpText(tree, path));
}

/** Runs the command that the arguments name, or shows its help. Rejects with UsageError as cobra words it. */
export async function runTree(tree: Tree, args: readonly string[], signal: AbortSignal): Promise<void> {
  const { path, rest } = findCommand(tree, args);
  const command = path.at(-1) ?? tree.root;
  if (tree.layout === "plain" && command === tree.root && rest[0] === "help") return showHelp(tree, rest.slice(1));
  if (command.raw) return command.run?.({ flags: [], words: rest, signal });
  const specs = acceptedFlags(tree, command);
  const stray = firstWord(rest, namingFlags(tree, command));
  if (command === tree.root && stray >= 0) throw unknownCommand(rest[stray] ?? "", path);
  const { flags, positional } = parsed(tree, path, rest, specs);
  if (isSet(flags, "help")) return write(helpText(tree, path));
  if (command === tree.root && isSet(flags, "version")) return write(`${command.name} ${tree.version}\r\n`);
  if (!command.run) return write(helpText(tree, path));
  if (command.noWords && positional[0] !== undefined) {
    const { message } = unknownCommand(positional[0], path);
    throw new UsageError(message, tree.layout === "plain" ? usageText(tree, path) : undefined);
  }
  try {
    await command.run({ flags, words: positional, signal });
  } catch (error) {
    if (error instanceof UsageError && tree.layout === "plain")
      throw new UsageError(error.message, usageText(tree, path));
    if (!(error instanceof HelpError)) throw error;
    process.stderr.write(`Error: ${error.message}\n\n`);
    process.exitCode = 1;
    await write(helpText(tree, path));
  }
}

/** Throws UsageError, with how the command is called where cobra shows that. */
function parsed(
  tree: Tree,
  path: readonly CommandNode[],
  rest: readonly string[],
  specs: readonly FlagSpec[],
): ReturnType<typeof parseArguments> {
  try {
    return parseArguments(rest, specs);
  } catch (error) {
    if (tree.layout === "titled" || !(error instanceof UsageError)) throw error;
    throw new UsageError(error.message, usageText(tree, path));
  }
}
