import { type FlagSpec, flagHelp } from "./flags.ts";
import type { CommandNode, FlagSet, Tree } from "./tree.ts";

const NAME_WIDTH = 11;

function commandRows(command: CommandNode): string {
  const all = (command.commands ?? []).filter(({ raw }) => !raw);
  const width = Math.max(NAME_WIDTH, ...all.map(({ name }) => name.length));
  const listed = all.filter(({ hidden }) => !hidden).toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return listed.map(({ name, short }) => `\n  ${name.padEnd(width)} ${short}`).join("");
}

const byName = (a: FlagSpec, b: FlagSpec) => (a.name < b.name ? -1 : 1);

const flagSetText = ({ title, flags }: FlagSet) => `${title} Flags:\n${flagHelp(flags.toSorted(byName))}\n`;

/** How a command is called and what flags it has, laid out as hubble's. */
export function usageText(tree: Tree, path: readonly CommandNode[]): string {
  const command = path.at(-1) ?? tree.root;
  const name = path.map((one) => one.name).join(" ");
  const line = command.argument === undefined ? name : `${name} ${command.argument}`;
  const listed = command.commands?.some(({ hidden }) => !hidden) === true;
  return [
    "Usage:",
    command.run ? `\n  ${line}${command.bareUsage ? "" : " [flags]"}` : "",
    listed ? `\n  ${name} [command]` : "",
    command.aliases ? `\n\nAliases:\n  ${[command.name, ...command.aliases].join(", ")}` : "",
    command.example === undefined ? "" : `\n\nExamples:\n${command.example}`,
    listed ? `\n\nAvailable Commands:${commandRows(command)}` : "",
    "\n\n",
    ...[...(command.shown ?? []), tree.global].map(flagSetText),
    "Get help:\n  -h, --help\tHelp for any command or subcommand",
    listed ? `\n\nUse "${name} [command] --help" for more information about a command.` : "",
    "\n",
  ].join("");
}

/** What a command is for and how it is called. */
export function helpText(tree: Tree, path: readonly CommandNode[]): string {
  const command = path.at(-1) ?? tree.root;
  return `${(command.long ?? command.short).trimEnd()}\n\n${usageText(tree, path)}`;
}
