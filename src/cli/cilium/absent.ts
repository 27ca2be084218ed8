import type { Call } from "../cobra/commands.ts";
import { isSet } from "../cobra/flags.ts";
import type { CommandNode } from "../cobra/node.ts";
import { CommandError, write } from "../cobra/run.ts";
import { CallError, callAgent } from "./agent-client.ts";
import { answerOf, answerOrExit, tabbed } from "./command.ts";
import { OUTPUT, outputOf, printOrExit } from "./output/print.ts";

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

const DISABLED = 501;

/** `bgp peers`, `routes` and `route-policies`: the agent says that there is no BGP. */
function bgp(name: string, what: string, short: string): CommandNode {
  return {
    ...{ name, short, flags: [OUTPUT] },
    async run({ signal }) {
      try {
        await callAgent({ path: `/bgp/${name}` }, signal);
      } catch (error) {
        if (!(error instanceof CallError)) throw error;
        if (error.status !== DISABLED) throw new CommandError(`cannot get ${what}: ${error.message}\n`);
      }
      await write("BGP Control Plane is disabled\n");
    },
  };
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
    commands: [{ ...LIST, short: "List CIDR filters", flags: [OUTPUT], run: listPrefilter }],
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
    name: "bgp",
    short: "Access to BGP control plane (deprecated)",
    commands: [bgp("peers", "peers list", "List current state of all peers (deprecated)")],
  },
];
