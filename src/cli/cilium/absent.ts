import { parseCidr } from "../../model/cidr.ts";
import type { Call } from "../cobra/commands.ts";
import { isSet, lastValue } from "../cobra/flags.ts";
import type { CommandNode } from "../cobra/node.ts";
import { CommandError, write } from "../cobra/run.ts";
import { CallError, callAgent, getText } from "./agent-client.ts";
import { answerOf, answerOrExit, tabbed } from "./command.ts";
import { missingIn } from "./missing.ts";
import { OUTPUT, OutputError, outputOf, printOrExit, printOutput } from "./output/print.ts";

/** Parts of Cilium that a lab does not have: the commands are there, and the agent says that there is nothing. */

interface Redirect {
  readonly namespace?: string;
  readonly name?: string;
  readonly "frontend-type"?: string;
  readonly "service-id"?: string;
}

async function listRedirects({ flags, signal }: Call): Promise<void> {
  const say = (reason: string) => `Cannot get lrp list: ${reason}`;
  const found = await answerOf<readonly Redirect[]>({ path: "/lrp" }, signal, say);
  const output = outputOf(flags);
  if (output !== undefined) return printOrExit(found, "[]*LRPSpec", output);
  const rows = found.map(
    ({ namespace = "", name = "", "frontend-type": type = "", "service-id": service = "" }) =>
      `${namespace}\t${name}\t${type}\t${service}\n`,
  );
  await write(tabbed(["LRP namespace\tLRP name\tFrontendType\tMatching Service\n", ...rows]));
}

interface Prefilter {
  readonly status?: { readonly realized?: { readonly revision?: number; readonly deny?: readonly string[] } };
}

async function listPrefilter({ flags, signal }: Call): Promise<void> {
  const say = (reason: string) => `Cannot get CIDR list: ${reason}`;
  const answer = await answerOf<Prefilter>({ path: "/prefilter" }, signal, say);
  const output = outputOf(flags);
  if (output !== undefined) return printOrExit(answer, "*Prefilter", output);
  const realized = answer.status?.realized;
  if (!realized) throw new CommandError("Cannot get CIDR list: empty response");
  const rows = (realized.deny ?? []).map((prefix) => `${prefix}\n`);
  await write(`Revision: ${realized.revision ?? 0}\n${rows.join("")}`);
}

interface PodMetadata {
  readonly name?: string;
  readonly namespace?: string;
  readonly containers?: readonly { readonly "cgroup-id"?: number }[] | null;
}

async function listCgroups({ flags, signal }: Call): Promise<void> {
  const answer = await answerOrExit<{ readonly "pod-metadatas"?: readonly PodMetadata[] | null }>(
    { path: "/cgroup-dump-metadata" },
    signal,
  );
  if (answer === undefined) return;
  const pods = answer["pod-metadatas"] ?? null;
  const output = outputOf(flags);
  if (output !== undefined) return printOrExit(pods, "[]*CgroupPodMetadata", output);
  const rows = (pods ?? []).flatMap(({ name = "", namespace = "", containers }) =>
    (containers ?? []).map(({ "cgroup-id": id = 0 }, index) =>
      index === 0 ? `${name}\t${namespace}\t${id}\t\n` : `\t\t${id}\t\n`,
    ),
  );
  const titles = isSet(flags, "no-headers") ? [] : ["POD NAME\tPOD NAMESPACE\tCGROUP IDS\t\n"];
  await write(tabbed([...titles, ...rows]));
}

/** What upstream's command says; byte for byte, for scripts. */
const SYSDUMP = `cilium-dbg sysdump cannot perform this action, you need a different tool.
See https://docs.cilium.io/en/stable/operations/troubleshooting/#reporting-a-problem

`;

/** `--cidr`, which may be given again and may name several. */
function cidrsOf(flags: Call["flags"]): readonly string[] {
  return flags.filter(({ name }) => name === "cidr").flatMap(({ value }) => value.split(","));
}

/** `prefilter update` and `delete`: the agent says that there is none. */
function changePrefilter(name: "update" | "delete", help: string, fault: string, done: string): CommandNode {
  return {
    ...{ name, short: `${name === "update" ? "Update" : "Delete"} CIDR filters` },
    flags: [
      { name: "cidr", kind: "strings", help },
      { name: "revision", kind: "uint", help: "Update revision" },
    ],
    async run({ flags, signal }) {
      const deny = cidrsOf(flags);
      const wrong = deny.find((prefix) => !prefix.includes("/") || !parseCidr(prefix));
      if (wrong !== undefined)
        throw new CommandError(`Cannot parse CIDR ${JSON.stringify(wrong)}: invalid CIDR address: ${wrong}`);
      const revision = Number(lastValue(flags, "revision") ?? 0);
      const body = { deny, ...(revision !== 0 && { revision }) };
      const method = name === "update" ? "PATCH" : "DELETE";
      await answerOf({ method, path: "/prefilter", body }, signal, (reason) => `${fault}: ${reason}`);
      await write(`${done} ${deny.length} prefilter entries\n`);
    },
  };
}

/** Tells, with what was tried, why it could not be printed. */
function saying(what: string): (error: unknown) => never {
  return (error) => {
    throw error instanceof OutputError ? new CommandError(`${what}: ${error.message}\n`) : error;
  };
}

interface Encryption {
  readonly mode?: string;
  readonly msg?: string;
}

/** `encrypt status`: what the agent says; nothing here encrypts, so that the kernel has no keys to be shown. */
async function encryption({ flags, signal }: Call): Promise<void> {
  const headers = { brief: "false" };
  let found: Encryption;
  try {
    found = (await callAgent<{ readonly encryption: Encryption }>({ path: "/healthz", headers }, signal)).encryption;
  } catch (error) {
    if (!(error instanceof CallError)) throw error;
    found = { msg: error.message };
  }
  const output = outputOf(flags);
  if (output !== undefined)
    return printOutput(found, "EncryptionStatus", output).catch(saying("error getting output in JSON"));
  const { mode = "", msg = "" } = found;
  await write(`${msg === "" ? "" : `Msg: ${msg}\n`}Encryption: ${mode.padEnd(26)}\n`);
}

async function sysdump(): Promise<void> {
  process.exitCode = 1;
  process.stderr.write(SYSDUMP);
}

async function dumpStatedb({ signal }: Call): Promise<void> {
  try {
    await write(await getText("/statedb/dump", signal));
  } catch (error) {
    throw error instanceof CallError ? new CommandError(error.message.replace(/^Get /, "Get(dump): Get ")) : error;
  }
}

const LIST = { name: "list", aliases: ["ls"] } as const;

export const ABSENT: readonly CommandNode[] = [
  {
    name: "lrp",
    short: "Manage local redirect policies",
    commands: [{ ...LIST, short: "List local redirect policies", flags: [OUTPUT], run: listRedirects }],
  },
  {
    name: "prefilter",
    short: "Manage XDP CIDR filters",
    commands: [
      changePrefilter("delete", "List of CIDR prefixes to delete", "Cannot delete prefilter", "Deleted"),
      { ...LIST, short: "List CIDR filters", flags: [OUTPUT], run: listPrefilter },
      changePrefilter("update", "List of CIDR prefixes to block", "Cannot add/update prefilter", "Updated"),
    ],
  },
  {
    name: "cgroups",
    short: "Cgroup metadata",
    commands: [
      {
        ...{ ...LIST, short: "Display cgroup metadata maintained by Cilium", run: listCgroups },
        flags: [{ name: "no-headers", kind: "bool", help: "Do not print headers" }, OUTPUT],
      },
    ],
  },
  {
    name: "encrypt",
    short: "Manage transparent encryption",
    commands: [
      { name: "status", short: "Display the current encryption state", flags: [OUTPUT], run: encryption },
      ...missingIn("encrypt", "nothing encrypts the traffic between the nodes of a lab", "flush", "dump-xfrm"),
    ],
  },
  { name: "sysdump", short: "Provide instructions on dumping cluster-wide system state", run: sysdump },
  { name: "statedb", short: "Dump StateDB contents as JSON", run: dumpStatedb },
];
