import type { EndpointModel, IdentityModel } from "../../agent/api-models.ts";
import type { ConnectionRow, EndpointConfig, MetricsRow, PolicyRow, ServiceFrontend } from "../../datapath/port.ts";
import type { Call } from "../cobra/commands.ts";
import { type FlagSpec, isSet, UsageError } from "../cobra/flags.ts";
import type { CommandNode } from "../cobra/node.ts";
import { CommandError, write } from "../cobra/run.ts";
import { HelpError } from "../cobra/tree.ts";
import { ask } from "./agent-client.ts";
import { table } from "./command.ts";
import { IPCACHE_LOOKUPS } from "./ipcache.ts";
import { policyForm, tableForm } from "./map-forms.ts";
import {
  byKey,
  connectionsText,
  endpointPolicyText,
  type IpcacheRow,
  ipcacheCells,
  ipcacheText,
  kernelEndpointCells,
  kernelEndpointsText,
  loadBalancerCells,
  metricsJson,
  metricsText,
  policyMapText,
  policyPath,
  revNatCells,
} from "./maps.ts";
import { MISSING_MAPS, readOnly } from "./missing.ts";
import { OUTPUT, outputOf, printOrExit } from "./output/print.ts";

/** A list of a map of the kernel, whose JSON has the form of the maps here. */
function list<T>(
  map: string,
  short: string,
  text: (rows: readonly T[]) => string,
  shape: (rows: readonly T[]) => unknown = (rows) => rows,
): CommandNode {
  return {
    ...{ name: "list", aliases: ["ls"], short, flags: [OUTPUT] },
    async run({ flags, signal }) {
      const rows = await ask<readonly T[]>({ path: `/bpf/${map}` }, signal);
      const output = outputOf(flags);
      if (output !== undefined) return printOrExit(shape(rows), "any", output);
      await write(text(rows));
    },
  };
}

async function listConnections({ flags, words, signal }: Call): Promise<void> {
  mustBeGlobal(words);
  const rows = await ask<readonly ConnectionRow[]>({ path: "/bpf/ct" }, signal);
  const output = outputOf(flags);
  if (output !== undefined) return printOrExit(rows, "any", output);
  await write(connectionsText(rows, isSet(flags, "time-diff")));
}

/** The parts of the services' map that upstream shows by themselves. */
async function listServices({ flags, signal }: Call): Promise<void> {
  const services = await ask<readonly ServiceFrontend[]>({ path: "/bpf/lb" }, signal);
  const output = outputOf(flags);
  const isRevNat = isSet(flags, "revnat");
  if (isSet(flags, "source-ranges"))
    return output === undefined ? write(table([["SOURCE RANGE (REVNAT_ID)"]])) : printOrExit({}, "any", output);
  const cells = isRevNat ? revNatCells(services) : loadBalancerCells(services);
  if (output !== undefined) return printOrExit(tableForm(cells), "any", output);
  await write(table([[isRevNat ? "ID" : "SERVICE ADDRESS", "BACKEND ADDRESS (REVNAT_ID) (SLOT)"], ...cells]));
}

/** A part of the services' map that there is not here. */
function noPart(name: string, help: string): FlagSpec {
  const set = () => {
    throw new UsageError("backends have no number of their own here: without the flag they stand with their services");
  };
  return { name, kind: "bool", help, set };
}

/** The word `global` may be there or not: there is no other map of connections. */
function mustBeGlobal([word = "global"]: readonly string[]): void {
  if (word !== "global")
    throw new CommandError(`unknown type ${word}: connections of all endpoints are in one map, which is global`);
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
      "any",
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
  if (output !== undefined) return printOrExit(policyForm(rows), "any", output);
  await write(policyMapText(rows, await shownIdentities(call)));
}

async function flush({ words, signal }: Call): Promise<void> {
  mustBeGlobal(words);
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

const TIME_DIFFERENCE: FlagSpec = {
  ...{ name: "time-diff", short: "d", kind: "bool", help: "print time difference for entries" },
};

const connections: CommandNode = {
  name: "ct",
  short: "Connection tracking tables",
  commands: [
    {
      ...{ name: "list", aliases: ["ls"], argument: "[global]", short: "List connection tracking entries" },
      ...{ flags: [OUTPUT, TIME_DIFFERENCE], run: listConnections },
    },
    {
      ...{ name: "flush", argument: "[global]", short: "Flush all connection tracking entries", flags: [], run: flush },
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
    list<EndpointConfig>("endpoint", "List local endpoint entries", kernelEndpointsText, (rows) =>
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
        noPart("backends", "List all service backend entries"),
        noPart("frontends", "List all service frontend entries"),
        { name: "revnat", kind: "bool", help: "List reverse NAT entries" },
        { name: "source-ranges", kind: "bool", help: "List all source range entries" },
      ],
    },
    ...readOnly("lb", "maglev"),
  ),
  group(
    "metrics",
    "BPF datapath traffic metrics",
    list<MetricsRow>("metrics", "List BPF datapath traffic metrics", metricsText, metricsJson),
    ...readOnly("metrics", "flush"),
  ),
  policy,
  ...MISSING_MAPS,
);
