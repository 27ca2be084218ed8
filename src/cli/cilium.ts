import { createInterface } from "node:readline";
import type { EndpointModel, EndpointOptions, IdentityModel, PolicyModel } from "../agent/api.ts";
import type { ConnectionRow, EndpointConfig, MetricsRow, PolicyRow, ServiceFrontend } from "../datapath/port.ts";
import type { SelectorReport } from "../policy/selector-report.ts";
import { getJson, sendJson } from "./cilium/agent-client.ts";
import { endpointJson, endpointTable, findEndpoint } from "./cilium/endpoint.ts";
import { cleanFqdnCache, FQDN_CLEAN_FLAGS, FQDN_LIST_FLAGS, fqdnCache, fqdnCacheText } from "./cilium/fqdn.ts";
import {
  connectionsText,
  endpointPolicyText,
  kernelEndpointsText,
  loadBalancerText,
  metricsJson,
  metricsText,
  policyMapText,
} from "./cilium/maps.ts";
import { MONITOR_FLAGS, monitor } from "./cilium/monitor.ts";
import { optionsText, parseOption } from "./cilium/options.ts";
import { STATUS_FLAGS, status } from "./cilium/status.ts";
import {
  type IpModel,
  identityTable,
  ipcacheTable,
  ipTable,
  policyText,
  selectorsText,
  serviceTable,
} from "./cilium/tables.ts";
import { type Call, type Command, json, OUTPUT, runProgram, wantsJson } from "./cobra/commands.ts";
import { isSet, UsageError } from "./cobra/flags.ts";
import { CommandError, runMain, write } from "./cobra/run.ts";

const VERSION = "v1.20.2+shieldgate";

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

/** Whom numbers stand for; undefined with `-n`. */
async function shownIdentities(
  flags: Call["flags"],
  signal: AbortSignal,
): Promise<readonly IdentityModel[] | undefined> {
  return isSet(flags, "numeric") ? undefined : getJson<readonly IdentityModel[]>("/v1/identity", signal);
}

/** The policy map of each endpoint, and of the node where a policy is about it. */
async function everyPolicy({ flags, signal }: Call): Promise<void> {
  const asJson = wantsJson(flags);
  const endpoints = await getJson<readonly EndpointModel[]>("/v1/endpoint", signal);
  const ids = endpoints.map(({ id }) => id).sort((a, b) => a - b);
  const maps = await Promise.all(
    ids.map(async (id) => [id, await getJson<readonly PolicyRow[]>(`/v1/endpoint/${id}/policy`, signal)] as const),
  );
  const there = maps.filter(([, rows]) => rows.length > 0);
  if (asJson) return write(json(there.map(([id, rows]) => ({ EndpointID: String(id), Content: rows }))));
  const identities = await shownIdentities(flags, signal);
  for (const [id, rows] of there) await write(endpointPolicyText(id, rows, identities));
}

async function bpfPolicyGet(call: Call): Promise<void> {
  const { flags, words, signal } = call;
  if (isSet(flags, "all")) return everyPolicy(call);
  const [id] = words;
  if (id === undefined) throw new UsageError("cilium bpf policy get: name an endpoint id, or give --all");
  const asJson = wantsJson(flags);
  const rows = await getJson<readonly PolicyRow[]>(`/v1/endpoint/${encodeURIComponent(id)}/policy`, signal);
  if (asJson) return write(json(rows));
  const identities = await shownIdentities(flags, signal);
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

/** One line from standard input; empty at its end. */
async function ask(question: string): Promise<string> {
  await write(question);
  for await (const line of createInterface({ input: process.stdin })) return line;
  return "";
}

/** A command named like its path in the API. */
function selectors(path: string, help: string): Command {
  return {
    path,
    help,
    flags: [OUTPUT, { name: "verbose", short: "v", kind: "bool", help: "Show the full labels" }],
    async run({ flags, signal }) {
      const asJson = wantsJson(flags);
      const reports = await getJson<readonly SelectorReport[]>(`/v1/${path.replace(" ", "/")}`, signal);
      await write(asJson ? json(reports) : selectorsText(reports, isSet(flags, "verbose")));
    },
  };
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
  selectors("policy selectors", "Display cached information about selectors"),
  selectors("policy subject-selectors", "Display cached information about subject selectors"),
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
    argument: "[<endpoint id>]",
    count: { least: 0, most: 1 },
    help: "List contents of a policy BPF map",
    flags: [
      OUTPUT,
      { name: "all", kind: "bool", help: "Dump all policy maps" },
      { name: "numeric", short: "n", kind: "bool", help: "Do not resolve IDs" },
    ],
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
  show<readonly MetricsRow[]>(
    "bpf metrics list",
    "List BPF datapath traffic metrics",
    "/v1/bpf/metrics",
    metricsText,
    metricsJson,
  ),
  show<readonly ServiceFrontend[]>("bpf lb list", "List load-balancing configuration", "/v1/bpf/lb", loadBalancerText),
  show<readonly ServiceFrontend[]>("service list", "List services & associated backends", "/v1/service", serviceTable),
  {
    path: "fqdn cache list",
    help: "List FQDN cache contents",
    flags: [...FQDN_LIST_FLAGS, OUTPUT],
    async run({ flags, signal }) {
      const asJson = wantsJson(flags);
      const lookups = await fqdnCache(flags, signal);
      await write(asJson ? json(lookups) : fqdnCacheText(lookups));
    },
  },
  {
    path: "fqdn cache clean",
    help: "Clean FQDN cache",
    flags: FQDN_CLEAN_FLAGS,
    run: async ({ flags, signal }) => write(await cleanFqdnCache(flags, signal, ask)),
  },
  { path: "status", help: "Display status of daemon", flags: STATUS_FLAGS, run: status },
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

await runMain("cilium", (signal) =>
  runProgram(
    { name: "cilium", help: "CLI for interacting with the local Cilium Agent", commands: COMMANDS },
    process.argv.slice(2),
    signal,
  ),
);
