import type { EndpointModel, IdentityModel } from "../../agent/api-models.ts";
import type { ConnectionRow, EndpointConfig, MetricsRow, PolicyRow, ServiceFrontend } from "../../datapath/port.ts";
import type { Call } from "../cobra/commands.ts";
import { isSet } from "../cobra/flags.ts";
import type { CommandNode } from "../cobra/node.ts";
import { CommandError, write } from "../cobra/run.ts";
import { HelpError } from "../cobra/tree.ts";
import { ask } from "./agent-client.ts";
import { IPCACHE_LOOKUPS } from "./ipcache.ts";
import {
  connectionsText,
  endpointPolicyText,
  type IpcacheRow,
  ipcacheText,
  kernelEndpointsText,
  loadBalancerText,
  metricsJson,
  metricsText,
  policyMapText,
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
    async run({ flags, words, signal }) {
      if (map === "ct") mustBeGlobal(words);
      const rows = await ask<readonly T[]>({ path: `/bpf/${map}` }, signal);
      const output = outputOf(flags);
      if (output !== undefined) return printOrExit(shape(rows), "any", output);
      await write(text(rows));
    },
  };
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
      there.map(([id, rows]) => ({ EndpointID: String(id), Content: rows })),
      "any",
      output,
    );
  const identities = await shownIdentities(call);
  for (const [id, rows] of there) await write(endpointPolicyText(id, rows, identities));
}

function policyOf(id: string, signal: AbortSignal): Promise<readonly PolicyRow[]> {
  return ask({ path: "/endpoint/{id}/policy", words: [id] }, signal);
}

async function policyGet(call: Call): Promise<void> {
  const { flags, words, signal } = call;
  if (isSet(flags, "all")) return everyPolicy(call);
  const [id] = words;
  if (id === undefined) throw new HelpError("name an endpoint id, or give --all");
  const rows = await policyOf(id, signal);
  const output = outputOf(flags);
  if (output !== undefined) return printOrExit(rows, "any", output);
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
      ...{ name: "get", argument: "[<endpoint id>]", short: "List contents of a policy BPF map", run: policyGet },
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

const connections: CommandNode = {
  name: "ct",
  short: "Connection tracking tables",
  commands: [
    { ...list<ConnectionRow>("ct", "List connection tracking entries", connectionsText), argument: "[global]" },
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
    list<EndpointConfig>("endpoint", "List local endpoint entries", kernelEndpointsText),
    ...readOnly("endpoint", "delete"),
  ),
  group(
    "ipcache",
    "Manage the IPCache mappings for IP/CIDR <-> Identity",
    list<IpcacheRow>(
      "ipcache",
      "List endpoint IPs (local and remote) and their corresponding security identities",
      ipcacheText,
    ),
    ...IPCACHE_LOOKUPS,
    ...readOnly("ipcache", "update", "delete"),
  ),
  group(
    "lb",
    "Load-balancing configuration",
    list<ServiceFrontend>("lb", "List load-balancing configuration", loadBalancerText),
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
