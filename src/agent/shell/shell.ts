import type { Registry } from "../../metrics/index.ts";
import { quotedWords, ShellError, shellWords } from "./line.ts";
import { metricsCommand } from "./metrics.ts";

interface ShellCommand {
  readonly usage: string;
  readonly summary: string;
  run(args: readonly string[]): string;
}

/** Commands of upstream's shell that are not here, with what there is instead. */
const MISSING: Readonly<Record<string, string>> = {
  "metrics/plot": "no samples of metrics are kept here: let a Prometheus read them",
  "metrics/html": "no samples of metrics are kept here: let a Prometheus read them",
  "bgp/peers": "there is no BGP control plane here",
  "bgp/routes": "there is no BGP control plane here",
  "bgp/route-policies": "there is no BGP control plane here",
  db: "the agent's tables are shown by `endpoint`, `identity`, `ip`, `service` and `node`",
  "db/show": "the agent's tables are shown by `endpoint`, `identity`, `ip`, `service` and `node`",
  cat: "the shell reads no files here",
  exec: "the shell starts no programs here",
};

function helpOf(commands: Readonly<Record<string, ShellCommand>>, args: readonly string[]): string {
  const [first, second = ""] = args;
  const names = Object.keys(commands).sort();
  // who completes a line wants the names alone
  if (first === "-a")
    return names
      .filter((name) => name.startsWith(second))
      .map((name) => `${name}\n`)
      .join("");
  const wanted = (first === "-v" ? second : first) ?? "";
  const shown = names.filter((name) => name.includes(wanted));
  const title = args.length === 0 ? "\ncommands:\n\n" : "";
  return title + shown.map((name) => `${name} ${commands[name]!.usage}\n\t${commands[name]!.summary}\n`).join("");
}

function runOne(command: ShellCommand, name: string, args: readonly string[]): string {
  // nothing but names of commands is completed
  if (args.some((word) => word.startsWith("--autocomplete"))) return "";
  if (args.includes("-h") || args.includes("--help")) return `${name} ${command.usage}\n\t${command.summary}\n`;
  return command.run(args);
}

/** The commands of the agent's shell. `run` gives what a line's command prints and throws ShellError where it fails. */
export class Shell {
  private readonly commands: Readonly<Record<string, ShellCommand>>;

  constructor(registry: Registry) {
    this.commands = {
      help: { usage: "[-v] [name]", summary: "List commands", run: (args) => helpOf(this.commands, args) },
      metrics: {
        usage: "[--format=table|json|yaml] [match regex]",
        summary: "List registered metrics",
        run: (args) => metricsCommand(registry, args),
      },
    };
  }

  run(line: string): string {
    const [name, ...args] = shellWords(line);
    if (name === undefined) return "";
    const command = Object.hasOwn(this.commands, name) ? this.commands[name] : undefined;
    const missing = Object.hasOwn(MISSING, name) ? MISSING[name] : undefined;
    if (missing !== undefined) throw new ShellError(`${name} is not here: ${missing}`);
    try {
      if (command === undefined) throw new ShellError("unknown command");
      return runOne(command, name, args);
    } catch (error) {
      if (!(error instanceof ShellError)) throw error;
      const words = error.words ?? args;
      throw new ShellError(`<stdin>:0: ${name}${words.length === 0 ? "" : ` ${quotedWords(words)}`}: ${error.message}`);
    }
  }
}
