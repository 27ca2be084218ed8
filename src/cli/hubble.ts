import { type FlagSpec, flagHelp, isSet, parseArguments } from "./cobra/flags.ts";
import { CommandError, runMain, unknownCommand, write } from "./cobra/run.ts";
import { GLOBAL_FLAGS, OBSERVE_FLAGS, SERVER_FLAGS } from "./hubble/flags.ts";

/** Version that `hubble version` prints; the flow API follows this release of Cilium. */
const VERSION = "v1.20.2+shieldgate";

const OUTPUT_FLAG: FlagSpec = { name: "output", short: "o", kind: "string", help: "Output format" };
const SIMPLE_FLAGS: readonly FlagSpec[] = [OUTPUT_FLAG, ...SERVER_FLAGS, ...GLOBAL_FLAGS];

const ROOT_HELP = `Hubble shows the flows of the cluster's network.

Usage:
  hubble [command]

Available Commands:
  list        List Hubble objects (nodes, namespaces)
  observe     Observe flows of a Hubble server
  status      Display status of Hubble server
  version     Display detailed version information

Use "hubble [command] --help" for more information about a command.
`;

function help(usage: string, specs: readonly FlagSpec[]): Promise<void> {
  return write(`Usage:\n  ${usage}\n\nFlags:\n${flagHelp(specs)}`);
}

async function runObserve(args: readonly string[], signal: AbortSignal): Promise<void> {
  const { flags, positional } = parseArguments(args, OBSERVE_FLAGS);
  if (isSet(flags, "help")) return help("hubble observe [flags]", OBSERVE_FLAGS);
  const [kind] = positional;
  if (kind === "agent-events" || kind === "debug-events") {
    throw new CommandError(
      `observe ${kind} is not built: \`cilium monitor\` in a node's agent shows what the agent does`,
    );
  }
  if (kind !== undefined && kind !== "flows") throw unknownCommand(kind, "hubble observe");
  const { observe } = await import("./hubble/observe.ts");
  await observe(flags, { env: process.env, terminal: process.stdout.isTTY === true, nowMs: Date.now() }, signal);
}

async function runStatus(args: readonly string[], signal: AbortSignal): Promise<void> {
  const { flags, positional } = parseArguments(args, SIMPLE_FLAGS);
  if (isSet(flags, "help")) return help("hubble status [flags]", SIMPLE_FLAGS);
  if (positional[0] !== undefined) throw unknownCommand(positional[0], "hubble status");
  const [{ openConnection }, { printStatus }] = await Promise.all([
    import("./hubble/connection.ts"),
    import("./hubble/status.ts"),
  ]);
  await printStatus(flags, openConnection(flags, process.env), signal);
}

async function runList(args: readonly string[], signal: AbortSignal): Promise<void> {
  const { flags, positional } = parseArguments(args, SIMPLE_FLAGS);
  if (isSet(flags, "help")) return help("hubble list nodes|namespaces [flags]", SIMPLE_FLAGS);
  const what = { nodes: "nodes", node: "nodes", namespaces: "namespaces", namespace: "namespaces", ns: "namespaces" }[
    positional[0] ?? ""
  ] as "nodes" | "namespaces" | undefined;
  if (what === undefined) throw unknownCommand(positional[0] ?? "", "hubble list");
  const [{ openConnection }, { list }] = await Promise.all([
    import("./hubble/connection.ts"),
    import("./hubble/list.ts"),
  ]);
  await list(what, flags, openConnection(flags, process.env), signal);
}

/** Flags of the server may stand before the command. */
function splitCommand(args: readonly string[]): { command: string | undefined; rest: string[] } {
  let at = 0;
  for (let argument = args[at]; argument?.startsWith("-"); argument = args[at]) {
    const takesNext = SERVER_FLAGS.some(({ name }) => argument === `--${name}`);
    if (!takesNext && !SERVER_FLAGS.some(({ name }) => argument?.startsWith(`--${name}=`)) && argument !== "-D") break;
    at += takesNext ? 2 : 1;
  }
  return { command: args[at], rest: [...args.slice(0, at), ...args.slice(at + 1)] };
}

async function main(signal: AbortSignal): Promise<void> {
  const { command, rest } = splitCommand(process.argv.slice(2));
  switch (command) {
    case "observe":
      return runObserve(rest, signal);
    case "status":
      return runStatus(rest, signal);
    case "list":
      return runList(rest, signal);
    case "version":
    case "--version":
      return write(`hubble ${VERSION}\n`);
    case undefined:
    case "help":
    case "--help":
    case "-h":
      return write(ROOT_HELP);
    default:
      if (command.startsWith("-")) parseArguments([command], GLOBAL_FLAGS);
      throw unknownCommand(command, "hubble");
  }
}

await runMain("hubble", main);
