import type { StatusResponse } from "../../agent/status-model.ts";
import type { HealthReport } from "../../health/report.ts";
import { type Call, json, OUTPUT, wantsJson } from "../cobra/commands.ts";
import { type FlagSpec, isSet } from "../cobra/flags.ts";
import { CommandError, write } from "../cobra/run.ts";
import { alignTabs } from "../cobra/tabs.ts";
import { getJson, healthSocket } from "./agent-client.ts";
import { healthText } from "./health-text.ts";
import { briefText, statusText } from "./status-text.ts";

const bool = (name: string, help: string): FlagSpec => ({ name, kind: "bool", help });

export const STATUS_FLAGS: readonly FlagSpec[] = [
  OUTPUT,
  bool("all-addresses", "Show all allocated addresses, not just count"),
  bool("all-controllers", "Show all controllers, not just failing"),
  bool("all-health", "Show all health status, not just failing"),
  bool("all-nodes", "Show all nodes, not just localhost"),
  bool("all-redirects", "Show all redirects"),
  bool("brief", "Only print a one-line status message"),
  bool("verbose", "Equivalent to all of the --all flags, with details of services"),
];

/** Nodes that are not well are shown, but no more than this unless all are asked for. */
const HEALTH_LINES = 10;

async function clusterHealth({ flags, signal }: Call): Promise<string> {
  const isVerbose = isSet(flags, "verbose");
  const allNodes = isVerbose || isSet(flags, "all-nodes");
  const maxLines = allNodes || isSet(flags, "all-health") ? 0 : HEALTH_LINES;
  try {
    const report = await getJson<HealthReport>("/v1beta/status", signal, healthSocket());
    return healthText(report, { allNodes, verbose: isVerbose, maxLines });
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    return "Cluster health:\t\t\tWarning\tcilium-health daemon unreachable\n";
  }
}

/** `cilium status`: exit code 1 when the agent is not well, as scripts expect. */
export async function status(call: Call): Promise<void> {
  const { flags, signal } = call;
  const asJson = wantsJson(flags);
  const isBrief = isSet(flags, "brief");
  const answer = await getJson<StatusResponse>("/v1/healthz", signal).catch((error: unknown) => {
    throw isBrief ? new CommandError("cilium: daemon unreachable") : error;
  });
  if (asJson) return write(json(answer));
  const isWell = answer.cilium.state === "Ok" || answer.cilium.state === "Disabled";
  if (!isWell) process.exitCode = 1;
  if (isBrief) return write(briefText(answer));
  const isVerbose = isSet(flags, "verbose");
  const shows = (flag: string) => isVerbose || isSet(flags, flag);
  const text = statusText(answer, {
    addresses: shows("all-addresses"),
    controllers: shows("all-controllers"),
    redirects: shows("all-redirects"),
    features: isVerbose,
    now: Date.now(),
  });
  const health = isWell ? await clusterHealth(call) : "";
  await write(alignTabs(text + health, { minWidth: 2, padding: 3 }));
}
