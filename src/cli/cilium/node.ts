import type { ClusterNodeStatus, NodeElement } from "../../agent/api-models.ts";
import type { Call } from "../cobra/commands.ts";
import type { CommandNode } from "../cobra/node.ts";
import { write } from "../cobra/run.ts";
import { alignTabs } from "../cobra/tabs.ts";
import { answerOf, answerOrExit, tabbed } from "./command.ts";
import { provide } from "./identity.ts";
import { OUTPUT, outputOf, printOrExit } from "./output/print.ts";

const TITLES = "Name\tIPv4 Address\tEndpoint CIDR\tIPv6 Address\tEndpoint CIDR\tSource\n";

function row({ name = "", "primary-address": primary, source = "" }: Partial<NodeElement>): string {
  const { ip: ipv4 = "", "alloc-range": range4 = "" } = primary?.ipv4 ?? {};
  const { ip: ipv6 = "", "alloc-range": range6 = "" } = primary?.ipv6 ?? {};
  return `${[name, ipv4, range4, ipv6, range6, source].join("\t")}\n`;
}

async function list({ flags, signal }: Call): Promise<void> {
  const answer = await answerOrExit<Partial<ClusterNodeStatus>>({ path: "/cluster/nodes" }, signal);
  const nodes = answer?.["nodes-added"];
  if (!nodes) return;
  const output = outputOf(flags);
  if (output !== undefined) return printOrExit(nodes, "[]*NodeElement", output);
  if (nodes.length === 0) return;
  const rows = nodes.map(row).sort();
  await write(alignTabs(TITLES + rows.join(""), { minWidth: 0, padding: 3 }));
}

interface NodeId {
  readonly id: number;
  readonly ips?: readonly string[] | null;
}

async function listIds({ flags, signal }: Call): Promise<void> {
  const say = (reason: string) => `Cannot get node IDs: ${reason}`;
  const ids = await answerOf<readonly NodeId[]>({ path: "/node/ids" }, signal, say);
  const output = outputOf(flags);
  if (output !== undefined) return provide(ids, "[]*NodeID", output);
  const rows = ids.flatMap(({ id, ips }) =>
    (ips ?? []).map((ip, index) => (index === 0 ? `0x${id.toString(16)}\t${ip}\n` : `\t${ip}\n`)),
  );
  await write(tabbed(["NODE ID\tIP ADDRESSES\tSPI\n", ...rows]));
}

const LIST = { name: "list", aliases: ["ls"], flags: [OUTPUT] } as const;

/** `node …` */
export const NODE: CommandNode = {
  name: "node",
  short: "Manage cluster nodes",
  commands: [{ ...LIST, short: "List nodes", run: list }],
};

/** `nodeid …` */
export const NODE_ID: CommandNode = {
  name: "nodeid",
  short: "List node IDs and associated information",
  commands: [{ ...LIST, short: "List node IDs and the associated IP addresses", run: listIds }],
};
