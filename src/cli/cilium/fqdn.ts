import { createInterface } from "node:readline";
import { type DnsLookupModel, dnsLookupRows } from "../../policy/fqdn/dns-lookups.ts";
import type { Call } from "../cobra/commands.ts";
import { type FlagSpec, isSet, lastValue } from "../cobra/flags.ts";
import type { CommandNode } from "../cobra/node.ts";
import { CommandError, write } from "../cobra/run.ts";
import { CallError, callAgent } from "./agent-client.ts";
import { answerOf, tabbed } from "./command.ts";
import { provide } from "./identity.ts";
import { OUTPUT, outputOf, printOrExit } from "./output/print.ts";

const NOT_FOUND = 404;

const pattern = (help: string): FlagSpec => ({ name: "matchpattern", short: "p", kind: "string", help });

/** What the flags ask for; a flag that is empty asks for nothing. */
function queryOf(flags: Call["flags"], ...names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.flatMap((name) => (lastValue(flags, name) ? [[name, lastValue(flags, name)!]] : [])));
}

async function lookups({ flags, signal }: Call): Promise<readonly DnsLookupModel[]> {
  const id = lastValue(flags, "endpoint") ?? "";
  const query = queryOf(flags, "matchpattern", "source");
  const call = id === "" ? { path: "/fqdn/cache", query } : { path: "/fqdn/cache/{id}", words: [id], query };
  try {
    return await callAgent(call, signal);
  } catch (error) {
    if (!(error instanceof CallError)) throw error;
    if (error.status === NOT_FOUND) return [];
    throw new CommandError(`Error: ${error.message}\n`);
  }
}

async function list(call: Call): Promise<void> {
  const found = await lookups(call);
  const output = outputOf(call.flags);
  if (output !== undefined) return provide(found, "[]*DNSLookup", output);
  await write(tabbed(dnsLookupRows(found).map((row) => `${row.join("\t")}\t\n`)));
}

/** One line from standard input; empty at its end. */
async function ask(question: string): Promise<string> {
  await write(question);
  for await (const line of createInterface({ input: process.stdin })) return line;
  return "";
}

/** Connections to names that it forgets are dropped until the names are asked for again, so that a person is asked first. */
async function clean(call: Call): Promise<void> {
  if (!isSet(call.flags, "force")) {
    await write("Following cache entries are going to be deleted:\n");
    await list(call);
    if ((await ask("Do you want to continue? [y/N] ")).trim().toLowerCase() !== "y") return;
  }
  const query = queryOf(call.flags, "matchpattern");
  await answerOf({ method: "DELETE", path: "/fqdn/cache", query }, call.signal, (reason) => `Error: ${reason}\n`);
  await write("FQDN proxy cache cleared\n");
}

async function names({ signal }: Call): Promise<void> {
  const answer = await answerOf({ path: "/fqdn/names" }, signal, (reason) => `Error: ${reason}\n`);
  await printOrExit(answer, "*NameManager", "json");
}

/** `fqdn …` */
export const FQDN: CommandNode = {
  name: "fqdn",
  showsHelp: true,
  short: "Manage fqdn proxy",
  commands: [
    {
      name: "cache",
      showsHelp: true,
      short: "Manage fqdn proxy cache",
      commands: [
        {
          ...{ name: "list", short: "List fqdn cache contents", run: list },
          flags: [
            { name: "endpoint", short: "e", kind: "string", help: "List cache entries for a specific endpoint id" },
            pattern("List cache entries with FQDN that match matchpattern"),
            {
              ...{ name: "source", short: "s", kind: "string" },
              help: "List cache entries from a specific source (lookup, connection)",
            },
            OUTPUT,
          ],
        },
        {
          ...{ name: "clean", short: "Clean fqdn cache", run: clean },
          flags: [
            { name: "force", short: "f", kind: "bool", help: "Skip confirmation" },
            pattern("Delete cache entries with FQDNs that match matchpattern"),
          ],
        },
      ],
    },
    { name: "names", short: "Show internal state Cilium has for DNS names / regexes", flags: [], run: names },
  ],
};
