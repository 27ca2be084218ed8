import { type FlagSpec, flagHelp } from "./flags.ts";
import { type CommandNode, type FlagSet, listedCommands, type Tree } from "./node.ts";

const NAME_WIDTH = 11;

function commandRows(command: CommandNode): string {
  const all = (command.commands ?? []).filter(({ raw }) => !raw);
  const width = Math.max(NAME_WIDTH, ...all.map(({ name }) => name.length));
  const listed = all.filter(({ hidden }) => !hidden).toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return listed.map(({ name, short }) => `\n  ${name.padEnd(width)} ${short}`).join("");
}

const byName = (a: FlagSpec, b: FlagSpec) => (a.name < b.name ? -1 : 1);

const flagSetText = ({ title, flags }: FlagSet) => `${title} Flags:\n${flagHelp(flags.toSorted(byName))}\n`;

const HELP_FLAG = (name: string): FlagSpec => ({ name: "help", short: "h", kind: "bool", help: `help for ${name}` });

/** How a command is called and what flags it has. */
export function usageText(tree: Tree, path: readonly CommandNode[]): string {
  return tree.layout === "plain" ? plainUsage(tree, path) : titledUsage(tree, path);
}

/** As cobra lays it out by itself. */
function plainUsage(tree: Tree, path: readonly CommandNode[]): string {
  const command = path.at(-1) ?? tree.root;
  const name = path.map((one) => one.name).join(" ");
  const listed = listedCommands(tree, command).toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const width = Math.max(NAME_WIDTH, ...listed.map((one) => one.name.length));
  // the root's own are those of every command
  const everyCommands = tree.global.flags.toSorted(byName);
  const own = [...(command.flags ?? []), HELP_FLAG(command.name)];
  const flags = (command === tree.root ? [...own, ...everyCommands] : own).toSorted(byName);
  return [
    "Usage:",
    command.run || command.showsHelp
      ? `\n  ${name}${command.argument === undefined ? "" : ` ${command.argument}`} [flags]`
      : "",
    listed.length > 0 ? `\n  ${name} [command]` : "",
    command.aliases ? `\n\nAliases:\n  ${[command.name, ...command.aliases].join(", ")}` : "",
    command.example === undefined ? "" : `\n\nExamples:\n${command.example}`,
    listed.length > 0 ? "\n\nAvailable Commands:" : "",
    ...listed.map((one) => `\n  ${one.name.padEnd(width)} ${one.short}`),
    `\n\nFlags:\n${flagHelp(flags).trimEnd()}`,
    command !== tree.root && everyCommands.length > 0 ? `\n\nGlobal Flags:\n${flagHelp(everyCommands).trimEnd()}` : "",
    listed.length > 0 ? `\n\nUse "${name} [command] --help" for more information about a command.` : "",
    "\n",
  ].join("");
}

/** As hubble's. */
function titledUsage(tree: Tree, path: readonly CommandNode[]): string {
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
