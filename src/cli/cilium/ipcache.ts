import { cidrContains, formatCidr, parseAddress, parseCidr } from "../../model/cidr.ts";
import type { Call } from "../cobra/commands.ts";
import type { CommandNode } from "../cobra/node.ts";
import { write } from "../cobra/run.ts";
import { HelpError } from "../cobra/tree.ts";
import { ask } from "./agent-client.ts";
import { type IpcacheRow, ipcacheValue } from "./maps.ts";

const FORM = "IP address must be in dotted decimal (192.168.1.1) or IPv6 (feab::f02b) form";

/** Prints what becomes of the entries: the text of the one that was found, or that there is none, which is exit code 1. */
async function look(
  { signal }: Call,
  find: (entries: readonly IpcacheRow[]) => IpcacheRow | undefined,
  texts: { readonly found: (value: string) => string; readonly none: string },
): Promise<void> {
  const entries = await ask<readonly IpcacheRow[]>({ path: "/bpf/ipcache" }, signal);
  if (entries.length === 0) process.stderr.write("No entries found.\n");
  const found = find(entries);
  if (found === undefined) process.exitCode = 1;
  if (entries.length > 0) await write(found === undefined ? texts.none : texts.found(ipcacheValue(found)));
}

async function get(call: Call): Promise<void> {
  const [word = ""] = call.words;
  if (word === "") throw new HelpError(`No ip provided. ${FORM}`);
  const address = parseAddress(word) && parseCidr(word);
  if (address === undefined) throw new HelpError(`Invalid ip address. ${FORM}`);
  const prefixOf = ({ cidr }: IpcacheRow) => parseCidr(cidr)!;
  const longest = (entries: readonly IpcacheRow[]) =>
    entries
      .filter((entry) => cidrContains(prefixOf(entry), address))
      .sort((a, b) => prefixOf(b).length - prefixOf(a).length)[0];
  await look(call, longest, {
    found: (value) => `${word} maps to identity ${value}\n`,
    none: `${word} does not map to any identity\n`,
  });
}

async function match(call: Call): Promise<void> {
  const [word = ""] = call.words;
  if (word === "") throw new HelpError("No prefix provided");
  const prefix = word.includes("/") ? parseCidr(word) : undefined;
  if (prefix === undefined) throw new HelpError(`Invalid prefix: ${word} is not like 10.0.0.0/8 or fd00::/8`);
  const same = (entries: readonly IpcacheRow[]) => entries.find(({ cidr }) => cidr === formatCidr(prefix));
  await look(call, same, {
    found: (value) => `key ${formatCidr(prefix)} has value ${JSON.stringify(value)}\n`,
    none: `${word} does not match to any ipcache entry\n`,
  });
}

/** `bpf ipcache get` and `bpf ipcache match` */
export const IPCACHE_LOOKUPS: readonly CommandNode[] = [
  { name: "get", short: "Retrieve identity for an ip", flags: [], run: get },
  { name: "match", short: "Retrieve identity for a prefix using an exact match", flags: [], run: match },
];
