import type { DaemonConfiguration, EndpointModel, IdentityModel } from "../../agent/api-models.ts";
import type { ConnectionRow, MetricsRow, PolicyRow, ServiceFrontend } from "../../datapath/port.ts";
import type { Call } from "../cobra/commands.ts";
import { type FlagSpec, isSet, lastValue } from "../cobra/flags.ts";
import type { CommandNode } from "../cobra/node.ts";
import { CommandError, write } from "../cobra/run.ts";
import { HelpError } from "../cobra/tree.ts";
import { ask } from "./agent-client.ts";
import { mapTable } from "./command.ts";
import { connectionServices, connectionsForm, connectionsText } from "./connections.ts";
import { IPCACHE_LOOKUPS } from "./ipcache.ts";
import { BPF_FS } from "./machine.ts";
import { policyForm, tableForm } from "./map-forms.ts";
import {
  byKey,
  endpointPolicyText,
  type IpcacheRow,
  ipcacheCells,
  ipcacheText,
  type KernelEndpoint,
  kernelEndpointCells,
  kernelEndpointsText,
  metricsJson,
  metricsText,
  policyMapText,
  policyPath,
} from "./maps.ts";
import { MISSING_MAPS, missingIn, readOnly } from "./missing.ts";
import { OUTPUT, outputOf, printOrExit, printValueOrExit } from "./output/print.ts";
import { backendCells, frontendCells, loadBalancerCells, revNatCells } from "./service-maps.ts";

/** A list of a map of the kernel, whose JSON has the form of the maps here. */
function list<T>(
  map: string,
  short: string,
  text: (rows: readonly T[]) => string,
  shape: (rows: readonly T[]) => unknown,
  type = "any",
): CommandNode {
  return {
    ...{ name: "list", aliases: ["ls"], short, flags: [OUTPUT] },
    async run({ flags, signal }) {
      const rows = await ask<readonly T[]>({ path: `/bpf/${map}` }, signal);
      const output = outputOf(flags);
      if (output !== undefined) return printOrExit(shape(rows), type, output);
      await write(text(rows));
    },
  };
}

async function listConnections({ flags, words, signal }: Call): Promise<void> {
  if (isNoMap(words)) return;
  const withDifference = isSet(flags, "time-diff");
  if (withDifference) mustBeMonotonic(lastValue(flags, "time-diff-clocksource-mode") ?? "");
  const [rows, services, { status }] = await Promise.all([
    ask<readonly ConnectionRow[]>({ path: "/bpf/ct" }, signal),
    ask<readonly ServiceFrontend[]>({ path: "/bpf/lb" }, signal).then(connectionServices),
    ask<DaemonConfiguration>({ path: "/config" }, signal),
  ]);
  const output = outputOf(flags);
  if (output !== undefined) return printValueOrExit(connectionsForm(rows, services), output);
  const isDual = status.addressing.ipv6?.enabled === true;
  await write(connectionsText(rows, services, { withDifference, isDual }));
}

/** The parts of the services' map that upstream shows by themselves. */
async function listServices({ flags, signal }: Call): Promise<void> {
  const services = await ask<readonly ServiceFrontend[]>({ path: "/bpf/lb" }, signal);
  const output = outputOf(flags);
  if (isSet(flags, "source-ranges"))
    return output === undefined ? write(mapTable("SOURCE RANGE (REVNAT_ID)", "", [])) : printOrExit({}, "any", output);
  const { title, beside, cells } = PARTS.find(({ flag }) => flag === "" || isSet(flags, flag))!;
  if (output !== undefined) return printOrExit(tableForm(cells(services)), "any", output);
  await write(mapTable(title, beside, cells(services)));
}

const BACKEND_TITLE = "BACKEND ADDRESS (REVNAT_ID) (SLOT)";
/** What each flag shows; the first that is given counts, without one the last. */
const PARTS = [
  { flag: "revnat", title: "ID", beside: BACKEND_TITLE, cells: revNatCells },
  { flag: "frontends", title: "SERVICE ADDRESS", beside: "BACKEND ID", cells: frontendCells },
  { flag: "backends", title: "ID", beside: BACKEND_TITLE, cells: backendCells },
  { flag: "", title: "SERVICE ADDRESS", beside: BACKEND_TITLE, cells: loadBalancerCells },
] as const;

/** The word `global` may be there or not: there is no other map of connections. What else stands there fails as upstream's does: with 0. */
function isNoMap([word = "global", ...others]: readonly string[]): boolean {
  if (word === "cluster" && others.length === 1)
    throw new CommandError("connections of other clusters have no map of their own here: leave the words out");
  const fault = word === "cluster" ? "missing clusterID" : `unknown type ${word}`;
  if (word !== "global") process.stderr.write(`Invalid argument: ${fault}`);
  return word !== "global";
}

/** The map's times are of one clock. */
function mustBeMonotonic(mode: string): void {
  if (mode === "jiffies")
    throw new CommandError(
      "the times of this map are of the kernel's monotonic clock: leave the mode out, or say ktime",
    );
  if (mode !== "" && mode !== "ktime") throw new CommandError("could not determine clocksource: invalid clocksource");
}

/** Whom numbers stand for; undefined with `-n`. */
async function shownIdentities({ flags, signal }: Call): Promise<readonly IdentityModel[] | undefined> {
  return isSet(flags, "numeric") ? undefined : ask<readonly IdentityModel[]>({ path: "/identity" }, signal);
}

/** The policy map of each endpoint, and of the node where a policy is about it. */
async function everyPolicy(call: Call): Promise<void> {
  const { flags, signal } = call;
  const endpoints = await ask<readonly EndpointModel[]>({ path: "/endpoint" }, signal);
  const ids = endpoints.map(({ id }) => id).sort((a, b) => a - b);
  const maps = await Promise.all(ids.map(async (id) => [id, await policyOf(String(id), signal)] as const));
  const there = maps.filter(([, rows]) => rows.length > 0);
  const output = outputOf(flags);
  if (output !== undefined)
    return printOrExit(
      there.map(([id, rows]) => ({ EndpointID: String(id), Path: policyPath(id), Content: policyForm(rows) })),
      "[]PolicyMap",
      output,
    );
  const identities = await shownIdentities(call);
  for (const [id, rows] of there) await write(endpointPolicyText(id, rows, identities));
}

async function policyOf(id: string, signal: AbortSignal): Promise<readonly PolicyRow[]> {
  const rows = await ask<readonly PolicyRow[]>({ path: "/endpoint/{id}/policy", words: [id] }, signal);
  return rows.toSorted(byKey);
}

async function policyGet(call: Call): Promise<void> {
  const { flags, words, signal } = call;
  if (isSet(flags, "all")) return everyPolicy(call);
  const [id] = words;
  if (id === undefined) throw new HelpError("Missing endpoint id argument");
  const rows = await policyOf(id, signal);
  const output = outputOf(flags);
  if (output !== undefined) return printOrExit(policyForm(rows), "[]PolicyEntryDump", output);
  await write(policyMapText(rows, await shownIdentities(call)));
}

async function flush({ words, signal }: Call): Promise<void> {
  if (isNoMap(words)) return;
  const { flushed } = await ask<{ flushed: number }>({ method: "DELETE", path: "/bpf/ct" }, signal);
  await write(`Flushed ${flushed} entries\n`);
}

const policy: CommandNode = {
  name: "policy",
  short: "Manage policy related BPF maps",
  commands: [
    {
      ...{ name: "get", short: "Get contents of a policy BPF map", run: policyGet },
      flags: [
        OUTPUT,
        { name: "all", kind: "bool", help: "Dump all policy maps" },
        { name: "numeric", short: "n", kind: "bool", help: "Do not resolve IDs" },
      ],
    },
    { ...{ name: "list", aliases: ["ls"], short: "Dump all policy maps", flags: [OUTPUT] }, run: everyPolicy },
    ...readOnly("policy", "add", "delete"),
  ],
};

const TIME_DIFFERENCE: readonly FlagSpec[] = [
  { name: "time-diff", short: "d", kind: "bool", help: "print time difference for entries" },
  { name: "time-diff-clocksource-hz", kind: "int", default: "250", help: "manually set clock source Hz" },
  {
    ...{ name: "time-diff-clocksource-mode", kind: "string" },
    help: "manually set clock source mode (instead of contacting the server)",
  },
];

const connections: CommandNode = {
  name: "ct",
  short: "Connection tracking tables",
  commands: [
    {
      ...{
        name: "list",
        aliases: ["ls"],
        argument: "[cluster <identifier>]",
        short: "List connection tracking entries",
      },
      ...{ flags: [OUTPUT, ...TIME_DIFFERENCE], run: listConnections },
    },
    {
      ...{ name: "flush", short: "Flush all connection tracking entries", flags: [], run: flush },
    },
  ],
};

const group = (name: string, short: string, ...commands: readonly CommandNode[]): CommandNode => ({
  ...{ name, short, commands },
});

/** `bpf …`: the maps of this datapath, which the agent reads: they are not the maps that Cilium has. */
export const BPF: CommandNode = group(
  "bpf",
  "Direct access to local BPF maps",
  connections,
  group(
    "endpoint",
    "Local endpoint map",
    list<KernelEndpoint>("endpoint", "List local endpoint entries", kernelEndpointsText, (rows) =>
      tableForm(kernelEndpointCells(rows)),
    ),
    ...readOnly("endpoint", "delete"),
  ),
  group(
    "ipcache",
    "Manage the IPCache mappings for IP/CIDR <-> Identity",
    list<IpcacheRow>(
      "ipcache",
      "List endpoint IPs (local and remote) and their corresponding security identities",
      ipcacheText,
      (rows) => tableForm(ipcacheCells(rows)),
    ),
    ...IPCACHE_LOOKUPS,
    ...readOnly("ipcache", "update", "delete"),
  ),
  group(
    "lb",
    "Load-balancing configuration",
    {
      ...{ name: "list", aliases: ["ls"], short: "List load-balancing configuration", run: listServices },
      flags: [
        OUTPUT,
        { name: "backends", kind: "bool", help: "List all service backend entries" },
        { name: "frontends", kind: "bool", help: "List all service frontend entries" },
        { name: "revnat", kind: "bool", help: "List reverse NAT entries" },
        { name: "source-ranges", kind: "bool", help: "List all source range entries" },
      ],
    },
    ...missingIn(
      "bpf lb",
      "backends are chosen by chance, without tables of Maglev's: `bpf lb list` shows them",
      "maglev",
    ),
  ),
  group(
    "metrics",
    "BPF datapath traffic metrics",
    list<MetricsRow>("metrics", "List BPF datapath traffic metrics", metricsText, metricsJson, "[]*MapMetric"),
    ...readOnly("metrics", "flush"),
  ),
  policy,
  BPF_FS,
  ...MISSING_MAPS,
);
