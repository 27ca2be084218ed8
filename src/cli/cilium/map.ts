import type { Call } from "../cobra/commands.ts";
import { isSet } from "../cobra/flags.ts";
import type { CommandNode } from "../cobra/node.ts";
import { CommandError, write } from "../cobra/run.ts";
import { answerOf, tabbed } from "./command.ts";
import { OUTPUT, outputOf, printOrExit } from "./output/print.ts";

interface Entry {
  readonly key?: string;
  readonly value?: string;
  readonly "desired-action"?: string;
  readonly "last-error"?: string;
}

interface AnyMap {
  readonly path?: string;
  readonly cache?: readonly (Entry | null)[] | null;
}

const said = (reason: string) => reason;
const nameOf = ({ path = "" }: AnyMap) => path.slice(path.lastIndexOf("/") + 1) || ".";

function entriesText({ cache }: AnyMap): string {
  if (!cache) return "Cache is disabled\n\n";
  if (cache.length === 0) return "Cache is empty\n\n";
  const rows = cache.flatMap((entry) =>
    entry === null
      ? []
      : [`${entry.key ?? ""}\t${entry.value ?? ""}\t${entry["desired-action"] ?? ""}\t${entry["last-error"] ?? ""}\n`],
  );
  return tabbed(["Key\tValue\tState\tError\n", ...rows]);
}

function row(map: AnyMap): string {
  const entries = map.cache?.filter((entry) => entry !== null);
  const errors = entries?.filter((entry) => (entry?.["last-error"] ?? "") !== "").length ?? 0;
  return `${nameOf(map)}\t${entries?.length ?? "unknown"}\t${errors}\t${entries !== undefined}\n`;
}

async function list({ flags, signal }: Call): Promise<void> {
  const answer = await answerOf<{ readonly maps?: readonly AnyMap[] | null }>({ path: "/map" }, signal, said);
  const output = outputOf(flags);
  if (output !== undefined) return printOrExit(answer, "*BPFMapList", output);
  if (!answer.maps) return;
  if (isSet(flags, "verbose"))
    return write(answer.maps.map((map) => `## Map: ${nameOf(map)}\n${entriesText(map)}\n`).join(""));
  await write(tabbed(["Name\tNum entries\tNum errors\tCache enabled\n", ...answer.maps.map(row)]));
}

function requireName([name = ""]: readonly string[]): string {
  if (name === "") throw new CommandError("map name must be specified");
  return name;
}

async function get({ flags, words, signal }: Call): Promise<void> {
  const map = await answerOf<AnyMap>({ path: "/map/{name}", words: [requireName(words)] }, signal, said);
  const output = outputOf(flags);
  if (output !== undefined) return printOrExit(map, "*BPFMap", output);
  await write(entriesText(map));
}

/** The agent keeps no changes of maps: it says so. */
async function events({ flags, words, signal }: Call): Promise<void> {
  const say = (reason: string) => `could not get map name events: ${reason}`;
  const call = {
    path: "/map/{name}/events",
    words: [requireName(words)],
    query: { follow: String(isSet(flags, "follow")) },
  };
  await answerOf(call, signal, say);
}

/** `map …` */
export const MAP: CommandNode = {
  name: "map",
  short: "Access userspace cached content of BPF maps",
  commands: [
    {
      ...{ name: "list", short: "List all open BPF maps", example: "cilium map list", run: list },
      flags: [OUTPUT, { name: "verbose", kind: "bool", help: "Print cache contents of all maps" }],
    },
    {
      ...{ name: "get", argument: "<name>", short: "Display cached content of given BPF map", run: get },
      ...{ example: "cilium map get cilium_ipcache", flags: [OUTPUT] },
    },
    {
      ...{ name: "events", argument: "<name>", short: "Display cached list of events for a BPF map", run: events },
      ...{ example: "cilium map events cilium_ipcache" },
      flags: [{ name: "follow", short: "f", kind: "bool", help: "If set then events will be streamed" }, OUTPUT],
    },
  ],
};
