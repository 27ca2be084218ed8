import type { EndpointModel, EndpointOptions, IdentityModel, PolicyModel } from "../agent/api.ts";
import type { ConnectionRow, EndpointConfig, PolicyRow, ServiceFrontend } from "../datapath/port.ts";
import { getJson, sendJson } from "./cilium/agent-client.ts";
import { endpointJson, endpointTable, findEndpoint } from "./cilium/endpoint.ts";
import { connectionsText, kernelEndpointsText, loadBalancerText, policyMapText } from "./cilium/maps.ts";
import { MONITOR_FLAGS, monitor } from "./cilium/monitor.ts";
import { optionsText, parseOption } from "./cilium/options.ts";
import {
  type HealthModel,
  type IpModel,
  identityTable,
  ipcacheTable,
  ipTable,
  policyText,
  serviceTable,
  statusText,
} from "./cilium/tables.ts";
import {
  type FlagSpec,
  flagHelp,
  type GivenFlag,
  isSet,
  lastValue,
  parseArguments,
  UsageError,
} from "./cobra/flags.ts";
import { CommandError, runMain, unknownCommand, write } from "./cobra/run.ts";

const VERSION = "v1.20.2+shieldgate";

const OUTPUT: FlagSpec = { name: "output", short: "o", kind: "string", help: "json" };
const HELP: FlagSpec = { name: "help", short: "h", kind: "bool", help: "Show help" };

interface Call {
  readonly flags: readonly GivenFlag[];
  /** Words after the command. */
  readonly words: readonly string[];
  readonly signal: AbortSignal;
}

interface Command {
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

function wantsJson(flags: readonly GivenFlag[]): boolean {
  const output = lastValue(flags, "output");
  if (output !== undefined && output !== "json") throw new UsageError(`invalid output format: ${output} (only json)`);
  return output === "json";
}

const json = (value: unknown) => `${JSON.stringify(value, undefined, 2)}\n`;

/** A command that prints one answer of the agent as a table, or as JSON. */
function show<T>(
  path: string,
  help: string,
  url: string,
  table: (value: T) => string,
  shape: (value: T) => unknown = (value) => value,
): Command {
  return {
    path,
    help,
    flags: [OUTPUT],
    async run({ flags, signal }) {
      const asJson = wantsJson(flags);
      const value = await getJson<T>(url, signal);
      await write(asJson ? json(shape(value)) : table(value));
    },
  };
}

async function endpointGet({ words, signal }: Call): Promise<void> {
  const endpoints = await getJson<readonly EndpointModel[]>("/v1/endpoint", signal);
  await write(json([endpointJson(findEndpoint(endpoints, words[0] ?? ""))]));
}

async function identityGet({ flags, words, signal }: Call): Promise<void> {
  const asJson = wantsJson(flags);
  const identities = await getJson<readonly IdentityModel[]>("/v1/identity", signal);
  const found = identities.filter(({ id }) => String(id) === words[0]);
  if (found.length === 0)
    throw new CommandError(
      `Cannot get identity for given ID ${words[0]}: no such identity: \`cilium identity list\` shows them`,
    );
  await write(asJson ? json(found) : identityTable(found));
}

async function bpfPolicyGet({ flags, words, signal }: Call): Promise<void> {
  const asJson = wantsJson(flags);
  const rows = await getJson<readonly PolicyRow[]>(`/v1/endpoint/${encodeURIComponent(words[0] ?? "")}/policy`, signal);
  if (asJson) return write(json(rows));
  const isNumeric = isSet(flags, "numeric");
  const identities = isNumeric ? undefined : await getJson<readonly IdentityModel[]>("/v1/identity", signal);
  await write(policyMapText(rows, identities));
}

const AGENT_CONFIG = "/v1/config";

/** Shows the options at the path, or changes one of them. */
async function configure(path: string, what: string, option: string | undefined, signal: AbortSignal): Promise<void> {
  if (option === undefined) return write(optionsText(await getJson<EndpointOptions>(path, signal)));
  await sendJson("PATCH", path, signal, parseOption(option, path === AGENT_CONFIG));
  await write(`${what} configuration updated successfully\n`);
}

async function endpointConfig({ words, signal }: Call): Promise<void> {
  const [id = "", option] = words;
  await configure(`/v1/endpoint/${encodeURIComponent(id)}/config`, `Endpoint ${id}`, option, signal);
}

/** The word `global` may be there or not: there is no other map of connections. */
function mustBeGlobal(words: readonly string[]): void {
  if (words[0] !== undefined && words[0] !== "global") throw new UsageError(`unknown type ${words[0]}`);
}

async function bpfCtList({ flags, words, signal }: Call): Promise<void> {
  mustBeGlobal(words);
  const asJson = wantsJson(flags);
  const rows = await getJson<readonly ConnectionRow[]>("/v1/bpf/ct", signal);
  await write(asJson ? json(rows) : connectionsText(rows));
}

async function bpfCtFlush({ words, signal }: Call): Promise<void> {
  mustBeGlobal(words);
  const { flushed } = await sendJson<{ flushed: number }>("DELETE", "/v1/bpf/ct", signal);
  await write(`Flushed ${flushed} entries\n`);
}

const COMMANDS: readonly Command[] = [
  show<readonly EndpointModel[]>("endpoint list", "List all endpoints", "/v1/endpoint", endpointTable, (all) =>
    all.map(endpointJson),
  ),
  {
    path: "endpoint get",
    argument: "<endpoint identifier>",
    help: "Display endpoint information",
    flags: [OUTPUT],
    run: endpointGet,
  },
  {
    path: "endpoint config",
    argument: "<endpoint id> [<option>=(enable|disable)]",
    count: { least: 1, most: 2 },
    help: "View & modify endpoint configuration",
    flags: [],
    run: endpointConfig,
  },
  {
    path: "config",
    argument: "[<option>=(enable|disable)]",
    count: { least: 0, most: 1 },
    help: "Cilium configuration options",
    flags: [],
    run: ({ words, signal }) => configure(AGENT_CONFIG, "Daemon", words[0], signal),
  },
  show<PolicyModel>("policy get", "Display policy node information", "/v1/policy", policyText),
  show<readonly IdentityModel[]>("identity list", "List identities", "/v1/identity", identityTable),
  {
    path: "identity get",
    argument: "<identity>",
    help: "Retrieve information about an identity",
    flags: [OUTPUT],
    run: identityGet,
  },
  show<readonly IpModel[]>("ip list", "List IP addresses of the cluster", "/v1/ip", ipTable),
  show<readonly IpModel[]>(
    "bpf ipcache list",
    "List endpoint IPs (local and remote) and their identities",
    "/v1/ip",
    ipcacheTable,
  ),
  {
    path: "bpf policy get",
    argument: "<endpoint id>",
    help: "List contents of a policy BPF map",
    flags: [OUTPUT, { name: "numeric", short: "n", kind: "bool", help: "Do not resolve IDs" }],
    run: bpfPolicyGet,
  },
  {
    path: "bpf ct list",
    argument: "[global]",
    count: { least: 0, most: 1 },
    help: "List connection tracking entries",
    flags: [OUTPUT],
    run: bpfCtList,
  },
  {
    path: "bpf ct flush",
    argument: "[global]",
    count: { least: 0, most: 1 },
    help: "Flush all connection tracking entries",
    flags: [],
    run: bpfCtFlush,
  },
  show<readonly EndpointConfig[]>(
    "bpf endpoint list",
    "List local endpoint entries",
    "/v1/bpf/endpoint",
    kernelEndpointsText,
  ),
  show<readonly ServiceFrontend[]>("bpf lb list", "List load-balancing configuration", "/v1/bpf/lb", loadBalancerText),
  show<readonly ServiceFrontend[]>("service list", "List services & associated backends", "/v1/service", serviceTable),
  show<HealthModel>("status", "Display status of daemon", "/v1/healthz", statusText),
  {
    path: "monitor",
    help: "Display BPF program events",
    flags: MONITOR_FLAGS,
    run: ({ flags, signal }) => monitor(flags, signal),
  },
  {
    path: "version",
    help: "Print version information",
    flags: [],
    run: () => write(`Client: ${VERSION}\n`),
  },
];

/** The command that the first words name, and the words after it. */
function findCommand(words: readonly string[]): { command: Command; rest: readonly string[] } | undefined {
  for (let length = 3; length > 0; length--) {
    const path = words.slice(0, length).join(" ");
    const command = words.length >= length ? COMMANDS.find((one) => one.path === path) : undefined;
    if (command) return { command, rest: words.slice(length) };
  }
  return undefined;
}

function helpText(): string {
  const rows = COMMANDS.map(({ path, argument, help }) => `  ${`${path} ${argument ?? ""}`.padEnd(36)}${help}\n`);
  return `CLI for interacting with the local Cilium Agent\n\nUsage:\n  cilium [command]\n\nAvailable Commands:\n${rows.join("")}`;
}

/** How far the words name a group of commands, for the error. */
function unknown(words: readonly string[]): Error {
  let known = 0;
  while (
    known < words.length &&
    COMMANDS.some(({ path }) => `${path} `.startsWith(`${words.slice(0, known + 1).join(" ")} `))
  )
    known++;
  const parent = ["cilium", ...words.slice(0, known)].join(" ");
  if (known < words.length) return unknownCommand(words[known] ?? "", parent);
  return new UsageError(
    `"${parent}" needs a command: ${COMMANDS.filter(({ path }) => path.startsWith(words.join(" ")))
      .map(({ path }) => `cilium ${path}`)
      .join(", ")}`,
  );
}

async function main(signal: AbortSignal): Promise<void> {
  const args = process.argv.slice(2);
  if (args.length === 0 || args[0] === "help" || args[0] === "--help" || args[0] === "-h") return write(helpText());
  const words = args.filter((argument) => !argument.startsWith("-"));
  const found = findCommand(words);
  if (!found) {
    if (args[0]?.startsWith("-")) parseArguments(args, [HELP]);
    throw unknown(words);
  }
  const { command } = found;
  const specs = [...command.flags, HELP];
  const { flags, positional } = parseArguments(args, specs);
  const rest = positional.slice(command.path.split(" ").length);
  if (isSet(flags, "help"))
    return write(
      `${command.help}\n\nUsage:\n  cilium ${command.path} ${command.argument ?? ""} [flags]\n\nFlags:\n${flagHelp(specs)}`,
    );
  const exactly = command.argument === undefined ? 0 : 1;
  const { least, most } = command.count ?? { least: exactly, most: exactly };
  if (rest.length < least || rest.length > most)
    throw new UsageError(
      `cilium ${command.path}: accepts ${least === most ? least : `${least} to ${most}`} arg(s)${command.argument ? ` ${command.argument}` : ""}, received ${rest.length}`,
    );
  await command.run({ flags, words: rest, signal });
}

await runMain("cilium", main);
