import type { IdentityModel, IpListEntry } from "../../agent/api-models.ts";
import { RESERVED_NAMES } from "../../flow/print/index.ts";
import { type Cidr, parseCidr } from "../../model/cidr.ts";
import type { Call } from "../cobra/commands.ts";
import { isSet, listValues } from "../cobra/flags.ts";
import type { CommandNode } from "../cobra/node.ts";
import { CommandError, write } from "../cobra/run.ts";
import { HelpError } from "../cobra/tree.ts";
import { type ApiCall, CallError, callAgent } from "./agent-client.ts";
import { answerOf, tabbed } from "./command.ts";
import { provide } from "./identity.ts";
import { labelsForApi, printableLabels } from "./labels.ts";
import { OUTPUT, outputOf } from "./output/print.ts";

const ABSENT = "N/A";
const VERBOSE = { name: "verbose", short: "v", kind: "bool", help: "Print all fields of ipcache" } as const;

function compareCidrs(a: Cidr | undefined, b: Cidr | undefined): number {
  if (a === undefined || b === undefined) return 0;
  return a.length - b.length || a.family - b.family || Buffer.compare(a.bytes, b.bytes);
}

function sorted(entries: readonly IpListEntry[]): readonly IpListEntry[] {
  return entries.toSorted((a, b) => compareCidrs(parseCidr(a.cidr), parseCidr(b.cidr)));
}

function entries(call: Omit<ApiCall, "path">, signal: AbortSignal): Promise<readonly IpListEntry[]> {
  const say = (reason: string) => `Cannot get ipcache entries. err: ${reason}`;
  return answerOf<readonly IpListEntry[]>({ path: "/ip", ...call }, signal, say).then(sorted);
}

/** The labels of an identity; its name or number, and a word on standard error, where it is not known. */
async function labelsOf(identity: number, signal: AbortSignal): Promise<readonly string[]> {
  try {
    const { labels } = await callAgent<IdentityModel>({ path: "/identity/{id}", words: [String(identity)] }, signal);
    return printableLabels(labels);
  } catch (error) {
    if (!(error instanceof CallError)) throw error;
    process.stderr.write(`Cannot get identity for ID ${identity}: ${error.message}\n`);
    return [RESERVED_NAMES[identity] ?? String(identity)];
  }
}

async function print(call: Call, found: readonly IpListEntry[]): Promise<void> {
  const output = outputOf(call.flags);
  if (output !== undefined) return provide(found, "[]*IPListEntry", output);
  const isVerbose = isSet(call.flags, "verbose");
  const rows: string[] = [`IP\tIDENTITY\tSOURCE${isVerbose ? "\tHOST\tENCRYPT_KEY" : ""}\n`];
  for (const { cidr, identity, hostIP = "", encryptKey = 0, metadata } of found) {
    const labels = isSet(call.flags, "numeric") ? [String(identity)] : await labelsOf(identity, call.signal);
    const more = isVerbose ? `\t${hostIP}\t${encryptKey}` : "";
    const [first, ...others] = labels;
    if (first !== undefined) rows.push(`${cidr}\t${first}\t${metadata?.source ?? ""}${more}\n`);
    rows.push(...others.map((label) => `\t${label}\t\n`));
  }
  await write(tabbed(rows));
}

async function printBrief({ flags }: Call, found: readonly IpListEntry[]): Promise<void> {
  const output = outputOf(flags);
  if (output !== undefined) return provide(found, "[]*IPListEntry", output);
  const rows = found.map(
    ({ cidr = ABSENT, identity = ABSENT, hostIP = "", metadata }) =>
      `${[cidr, hostIP, identity, metadata?.name ?? "", metadata?.namespace ?? ""].join("\t")}\n`,
  );
  await write(tabbed(["IP\tHOST\tIDENTITY\tPOD\tNAMESPACE\n", ...rows]));
}

async function byLabels(call: Call, labels: readonly string[]): Promise<void> {
  const rule = "===========================\n";
  await write(`${rule}Labels:\n${labels.map((label) => `    ${label}\n`).join("")}${rule}`);
  const found = await entries({ body: labels }, call.signal);
  await (isSet(call.flags, "verbose") ? print(call, found) : printBrief(call, found));
}

async function get(call: Call): Promise<void> {
  const given = listValues(call.flags, "labels");
  const [cidr = ""] = call.words;
  if (given.length > 0 && call.words.length > 0)
    throw new HelpError("Cannot provide both cidr and labels arguments concurrently");
  if (given.length > 0) {
    const labels = labelsForApi(given);
    if (labels.length === 0) throw new CommandError(`Labels cannot be empty [${given.join(" ")}]`);
    return byLabels(call, labels);
  }
  if (cidr === "") throw new HelpError("Missing cidr argument");
  const parsed = cidr.includes("/") ? parseCidr(cidr) : undefined;
  if (parsed === undefined) throw new CommandError(`Unable to parse CIDR "${cidr}": invalid CIDR address: ${cidr}`);
  await print(call, await entries({ query: { cidr } }, call.signal));
}

/** `ip …` */
export const IP: CommandNode = {
  name: "ip",
  short: "Manage IP addresses and associated information",
  commands: [
    {
      ...{ name: "list", aliases: ["ls"], short: "List IP addresses in the userspace IPcache" },
      flags: [{ name: "numeric", short: "n", kind: "bool", help: "Print numeric identities" }, VERBOSE, OUTPUT],
      run: async (call) => print(call, await entries({}, call.signal)),
    },
    {
      ...{ name: "get", argument: "( <cidr> |-l <identity labels> )", short: "Display IP Cache information", run: get },
      flags: [{ name: "labels", short: "l", kind: "strings", help: "list of labels" }, VERBOSE, OUTPUT],
    },
  ],
};
