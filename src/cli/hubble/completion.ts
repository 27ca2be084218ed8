import { bareValue } from "../cobra/flags.ts";
import type { CommandNode, Tree } from "../cobra/node.ts";
import { CommandError, write } from "../cobra/run.ts";
import { acceptedFlags, findCommand } from "../cobra/tree.ts";

/** What the shell is to do with the words, as cobra numbers it: its own way, or files are no candidates. */
const OWN_WAY = 0;
const NO_FILES = 4;

const SCRIPTS: Readonly<Record<string, string>> = {
  bash: `_hubble() {
  local out line
  COMPREPLY=()
  out=$(hubble __completeNoDesc "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null) || return
  while IFS= read -r line; do
    [[ $line == :* || $line != "\${COMP_WORDS[COMP_CWORD]}"* ]] || COMPREPLY+=("$line")
  done <<<"$out"
}
complete -o default -F _hubble hubble
`,
  zsh: `#compdef hubble
_hubble() {
  local -a found
  found=("\${(@f)$(hubble __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  found=("\${(@)found:#:*}")
  _describe hubble "\${(@)found/$'\\t'/:}" || _files
}
compdef _hubble hubble
`,
  fish: `function __hubble_words
  set -l words (commandline -opc) (commandline -ct)
  hubble __complete $words[2..-1] 2>/dev/null | string match -v -r '^:'
end
complete -c hubble -a '(__hubble_words)'
`,
  powershell: `Register-ArgumentCompleter -Native -CommandName hubble -ScriptBlock {
  param($word, $ast, $position)
  $words = @($ast.CommandElements | Select-Object -Skip 1 | ForEach-Object { "$_" })
  if ($word -eq '') { $words += '' }
  hubble __complete @words 2>$null | Where-Object { $_ -notmatch '^:' } | ForEach-Object {
    $name, $about = $_ -split "\`t", 2
    [System.Management.Automation.CompletionResult]::new($name, $name, 'ParameterValue', "$(if ($about) { $about } else { $name })")
  }
}
`,
};

/** `completion SHELL`: scripts that ask `hubble __complete` for words. */
export function completionCommand(): CommandNode {
  const noDescriptions = {
    name: "no-descriptions",
    kind: "bool",
    help: "Words without what they mean",
  } as const;
  return {
    name: "completion",
    short: "Generate the autocompletion script for the specified shell",
    long: "Writes a script that lets a shell complete hubble's commands and flags.",
    noWords: true,
    commands: Object.entries(SCRIPTS).map(([name, script]) => ({
      name,
      short: `Generate the autocompletion script for ${name}`,
      long: `Writes the script for ${name}. The shell must read it to complete hubble's commands and flags.`,
      noWords: true,
      bareUsage: name === "bash",
      flags: [noDescriptions],
      run: ({ flags }) => {
        const bare = flags.some((flag) => flag.name === "no-descriptions" && flag.value === "true");
        return write(bare ? script.replace("__complete ", "__completeNoDesc ") : script);
      },
    })),
  };
}

type Word = readonly [word: string, about: string];

function flagWords(tree: Tree, command: CommandNode, typed: string): Word[] {
  return acceptedFlags(tree, command)
    .filter(({ name }) => `--${name}`.startsWith(typed))
    .map(({ name, help }): Word => [`--${name}`, help.split("\n")[0] ?? ""])
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
}

/** The words that may stand where the last of the arguments is being typed, and what the shell is to do with them. */
export function completions(
  tree: Tree,
  args: readonly string[],
): { readonly words: Word[]; readonly directive: number } {
  const typed = args.at(-1) ?? "";
  const { path } = findCommand(tree, args.slice(0, -1));
  const command = path.at(-1) ?? tree.root;
  const specs = acceptedFlags(tree, command);
  const [assigned = "", inline] = /^(--[^=]+)=(.*)$/.exec(typed)?.slice(1) ?? [];
  const before = inline === undefined ? (args.at(-2) ?? "") : assigned;
  const spec = specs.find(({ name, short }) => before === `--${name}` || before === `-${short}`);
  if (spec && (inline !== undefined || bareValue(spec) === undefined)) {
    const start = inline ?? typed;
    const words = (spec.words ?? []).filter((word) => word.startsWith(start));
    return { words: words.map((word): Word => [word, ""]), directive: OWN_WAY };
  }
  if (typed.startsWith("-")) return { words: flagWords(tree, command, typed), directive: NO_FILES };
  const listed = (command.commands ?? []).filter(({ hidden, name }) => !hidden && name.startsWith(typed));
  const words = listed.map(({ name, short }): Word => [name, short]).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return { words, directive: command.commands ? NO_FILES : OWN_WAY };
}

/** `__complete` and `__completeNoDesc`, which the scripts call. */
export async function printCompletions(tree: Tree, args: readonly string[], described: boolean): Promise<void> {
  if (args.length === 0) throw new CommandError("__complete needs the words of the command line");
  const { words, directive } = completions(tree, args);
  const lines = words.map(([word, about]) => (described && about !== "" ? `${word}\t${about}` : word));
  await write(`${[...lines, `:${directive}`].join("\n")}\n`);
  const name = directive === OWN_WAY ? "ShellCompDirectiveDefault" : "ShellCompDirectiveNoFileComp";
  process.stderr.write(`Completion ended with directive: ${name}\n`);
}
