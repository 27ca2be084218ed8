import { arch } from "node:process";
import type { Call } from "../cobra/commands.ts";
import type { FlagSpec } from "../cobra/flags.ts";
import type { CommandNode, FlagSet, Tree } from "../cobra/node.ts";
import { write } from "../cobra/run.ts";
import { showHelp } from "../cobra/tree.ts";
import { completionCommand, printCompletions } from "./completion.ts";
import { configCommand } from "./config.ts";
import { FlowFilters } from "./filters.ts";
import {
  FLOW_FORMAT_FLAGS,
  FORMATTING_FLAGS,
  filterFlags,
  globalFlags,
  OTHER_FLAGS,
  RAW_FILTER_FLAGS,
  SELECTOR_FLAGS,
  SERVER_FLAGS,
} from "./flags.ts";
import { log } from "./log.ts";
import { defaultConfigFile, Settings } from "./settings.ts";

/** What `hubble version` prints; the flow API follows this release of Cilium. */
const VERSION = "v1.20.2+shieldgate";

const SERVER: FlagSet = { title: "Server", flags: SERVER_FLAGS };

type Environment = Readonly<Record<string, string | undefined>>;

/** Makes the settings of a call, and says what cannot be. */
type Prepare = (call: Call, more?: readonly FlagSpec[]) => Promise<Settings>;

const allFlags = (sets: readonly FlagSet[]) => sets.flatMap(({ flags }) => flags);

function observation({ flags, signal }: Call, settings: Settings, env: Environment) {
  const environment = { env, terminal: process.stdout.isTTY === true, nowMs: Date.now() };
  return { flags, signal, settings, environment };
}

const FLOWS_LONG = `Shows what happened on the network and in the requests of applications, for the
flows that all filters select.

A filter that is given several times takes each of its values. A filter after
"--not" takes the flows that it does not select.`;

const FLOWS_EXAMPLE = `* Keeping flows and looking at them later

    hubble observe -o jsonpb --last 1000 > flows.json
    hubble observe --input-file flows.json --verdict DROPPED

  From a file or from standard input ("-") flows come in the order of the file;
  --follow and the flags of the server have no meaning there.

* Requests of one of two methods, to one namespace

    hubble observe --http-method put --http-method get --to-namespace foo

* Everything but DNS

    hubble observe --not --protocol dns
`;

function observeCommand(prepare: Prepare, env: Environment): CommandNode {
  const filters = new FlowFilters();
  const shown: readonly FlagSet[] = [
    { title: "Selectors", flags: SELECTOR_FLAGS },
    { title: "Filters", flags: filterFlags(filters) },
    { title: "Raw-Filters", flags: RAW_FILTER_FLAGS },
    { title: "Formatting", flags: FORMATTING_FLAGS },
    { title: "Flow Format", flags: FLOW_FORMAT_FLAGS },
    SERVER,
    { title: "Other", flags: OTHER_FLAGS },
  ];
  const flows = {
    shown,
    flags: allFlags(shown),
    async run(call: Call) {
      const settings = await prepare(call, RAW_FILTER_FLAGS);
      const { observeFlows } = await import("./observe.ts");
      await observeFlows(filters, observation(call, settings, env));
    },
  };
  const ofEvents = shown.filter(({ title }) => ["Selectors", "Formatting", "Server", "Other"].includes(title));
  const events = (kind: "agent" | "debug"): CommandNode => ({
    name: `${kind}-events`,
    short: `Observe Cilium ${kind} events`,
    shown: ofEvents,
    flags: allFlags(ofEvents),
    async run(call) {
      const settings = await prepare(call);
      const { observeEvents } = await import("./observe.ts");
      await observeEvents(kind, observation(call, settings, env));
    },
  });
  return {
    name: "observe",
    short: "Observe flows and events of a Hubble server",
    ...flows,
    commands: [
      events("agent"),
      events("debug"),
      {
        name: "flows",
        short: "Observe flows of a Hubble server",
        long: FLOWS_LONG,
        example: FLOWS_EXAMPLE,
        ...flows,
      },
    ],
  };
}

const outputFlag = (help: string, ...words: readonly string[]): FlagSpec => ({
  name: "output",
  short: "o",
  kind: "string",
  default: words[0] ?? "",
  words,
  help: `Specify the output format, one of:\n${help}`,
});

const outputOf = ({ flags }: Call, otherwise: string) =>
  flags.findLast(({ name }) => name === "output")?.value ?? otherwise;

function listCommand(prepare: Prepare): CommandNode {
  const output = outputFlag(
    " json:     JSON encoding\n table:    Tab-aligned columns\n wide:     Tab-aligned columns with more of them",
    "table",
    "wide",
    "json",
  );
  const one = (name: "nodes" | "namespaces", short: string, aliases?: readonly string[]): CommandNode => ({
    name,
    short,
    ...(aliases && { aliases }),
    flags: [output],
    shown: [{ title: "Formatting", flags: [output] }, SERVER],
    async run(call) {
      const settings = await prepare(call);
      const [{ openConnection }, { list }] = await Promise.all([import("./connection.ts"), import("./list.ts")]);
      await list(name, outputOf(call, "table"), openConnection(settings), call.signal);
    },
  });
  return {
    name: "list",
    short: "List Hubble objects",
    shown: [SERVER],
    commands: [one("nodes", "List Hubble nodes", ["node"]), one("namespaces", "List namespaces with recent flows")],
  };
}

function statusCommand(prepare: Prepare): CommandNode {
  const output = outputFlag(
    " compact:  Some lines\n dict:     Status is shown as KEY:VALUE pair\n json:     JSON encoding\n table:    Tab-aligned columns",
    "compact",
    "dict",
    "json",
    "table",
  );
  return {
    name: "status",
    short: "Display status of Hubble server",
    long: "Asks a Hubble server whether it is well, how many flows it holds and which nodes it reaches.",
    flags: [output],
    shown: [SERVER],
    async run(call) {
      const settings = await prepare(call);
      const [{ openConnection }, { printStatus }] = await Promise.all([
        import("./connection.ts"),
        import("./status.ts"),
      ]);
      await printStatus(outputOf(call, "compact"), openConnection(settings), call.signal);
    },
  };
}

function watchCommand(prepare: Prepare): CommandNode {
  return {
    name: "watch",
    aliases: ["w"],
    short: "Watch Hubble objects",
    hidden: true,
    shown: [SERVER],
    commands: [
      {
        name: "peers",
        aliases: ["peer"],
        short: "Watch for Hubble peers updates",
        shown: [SERVER],
        async run(call) {
          const settings = await prepare(call);
          const [{ openConnection }, { watchPeers }] = await Promise.all([
            import("./connection.ts"),
            import("./watch.ts"),
          ]);
          await watchPeers(openConnection(settings), call.signal);
        },
      },
    ],
  };
}

const versionCommand: CommandNode = {
  name: "version",
  short: "Display detailed version information",
  long: "Displays the version of hubble and of what runs it.",
  run: () =>
    write(`hubble ${VERSION} compiled with node${process.versions.node} on linux/${arch === "x64" ? "amd64" : arch}\n`),
};

function reflectCommand(prepare: Prepare): CommandNode {
  return {
    name: "reflect",
    short: "Use gRPC reflection to explore Hubble's API",
    hidden: true,
    shown: [SERVER],
    async run(call) {
      const settings = await prepare(call);
      const [{ openConnection }, { reflect }] = await Promise.all([import("./connection.ts"), import("./reflect.ts")]);
      await reflect(openConnection(settings), call.signal);
    },
  };
}

/** The whole hubble command. */
export function hubbleTree(env: Environment): Tree {
  const global: FlagSet = { title: "Global", flags: globalFlags(defaultConfigFile(env)) };
  const specs = [...global.flags, ...SERVER_FLAGS];
  const settingsOf = ({ flags }: Pick<Call, "flags">, more: readonly FlagSpec[] = []) => {
    const settings = new Settings(flags, env, [...specs, ...more]);
    if (settings.found && settings.boolean("debug"))
      log("DEBUG", "Using config file", { "config-file": settings.path });
    return settings;
  };
  const prepare: Prepare = async (call, more) => {
    const settings = settingsOf(call, more);
    const { checkSettings } = await import("./connection.ts");
    checkSettings(settings);
    return settings;
  };
  const help: CommandNode = {
    name: "help",
    argument: "[command]",
    short: "Help about any command",
    long: "Shows what a command is for and which flags it takes: hubble help observe flows.",
    run: ({ words }) => showHelp(tree, words),
  };
  const complete = (name: string, described: boolean): CommandNode => ({
    name,
    short: "Words that may come next",
    hidden: true,
    raw: true,
    run: ({ words }) => printCompletions(tree, words, described),
  });
  const tree: Tree = {
    layout: "titled",
    version: VERSION,
    global,
    persistent: SERVER_FLAGS,
    root: {
      name: "hubble",
      short: "CLI",
      long: "Hubble shows who talks to whom on the cluster's network, and what became of it.",
      commands: [
        completionCommand(),
        configCommand({
          specs,
          settings: (flags) => settingsOf({ flags }),
          help: () => showHelp(tree, ["config"]),
        }),
        help,
        listCommand(prepare),
        observeCommand(prepare, env),
        reflectCommand(prepare),
        statusCommand(prepare),
        versionCommand,
        watchCommand(prepare),
        complete("__complete", true),
        complete("__completeNoDesc", false),
      ],
    },
  };
  return tree;
}
