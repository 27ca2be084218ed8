import type { StatusResponse } from "../../agent/status-model.ts";
import type { HealthReport } from "../../health/report.ts";
import type { Call } from "../cobra/commands.ts";
import { type FlagSpec, isSet, lastValue } from "../cobra/flags.ts";
import type { CommandNode } from "../cobra/node.ts";
import { CommandError, write } from "../cobra/run.ts";
import { alignTabs } from "../cobra/tabs.ts";
import { parseDuration } from "../cobra/values.ts";
import { CallError, callAgent, getJson, healthSocket, statedbRows } from "./agent-client.ts";
import { healthText } from "./health-text.ts";
import { type ModuleHealth, modulesText } from "./modules-text.ts";
import { OUTPUT, outputOf, printOrExit } from "./output/print.ts";
import { type BriefStatus, briefText, statusText } from "./status-text.ts";

const bool = (name: string, help: string): FlagSpec => ({ name, kind: "bool", help });

const TIMEOUT = "30s";
/** Nodes that are not well are shown, but no more than this unless all are asked for. */
const HEALTH_LINES = 10;
/** The controller that there is while the health of nodes is probed. */
const HEALTH_CONTROLLER = "cilium-health-ep";

async function nodesHealth({ flags, signal }: Call): Promise<string> {
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

async function clusterHealth(call: Call, status: StatusResponse): Promise<string> {
  const isProbed = status.controllers?.some(({ name }) => name === HEALTH_CONTROLLER);
  if (!isProbed) return "Cluster health:\tProbe disabled\n";
  const modules = await statedbRows<ModuleHealth>("health", "agent", call.signal);
  const isFull = isSet(call.flags, "all-health") || isSet(call.flags, "verbose");
  return `${await nodesHealth(call)}${modulesText(modules, isFull, Date.now())}\n`;
}

/** Undefined, and a word on standard error, when the agent does not answer. */
async function ask({ flags, signal }: Call, isBrief: boolean): Promise<StatusResponse | undefined> {
  const isRequired = lastValue(flags, "require-k8s-connectivity") !== "false";
  const headers = { brief: String(isBrief), "require-k8s-connectivity": String(isRequired) };
  const timeoutMs = parseDuration(lastValue(flags, "timeout") ?? TIMEOUT) / 1e6;
  try {
    return await callAgent<StatusResponse>({ path: "/healthz", headers, timeoutMs }, signal);
  } catch (error) {
    if (!(error instanceof CallError)) throw error;
    process.stderr.write(`${isBrief ? "cilium: daemon unreachable" : error.message}\n`);
    process.exitCode = 1;
    return undefined;
  }
}

/** `cilium status`: exit code 1 when the agent is not well, as scripts expect. */
async function status(call: Call): Promise<void> {
  const { flags } = call;
  const isBrief = isSet(flags, "brief");
  const answer = await ask(call, isBrief);
  if (answer === undefined) return;
  const output = outputOf(flags);
  if (output !== undefined) return printOrExit(answer, "*StatusResponse", output);
  const isWell = !answer.cilium || answer.cilium.state === "Ok" || answer.cilium.state === "Disabled";
  if (!isWell) process.exitCode = 1;
  if (isBrief) return write(briefText(answer as BriefStatus));
  const isVerbose = isSet(flags, "verbose");
  const shows = (flag: string) => isVerbose || isSet(flags, flag);
  const text = statusText(answer, {
    addresses: shows("all-addresses"),
    controllers: shows("all-controllers"),
    redirects: shows("all-redirects"),
    features: isVerbose,
    now: Date.now(),
  });
  const health = isWell ? await clusterHealth(call, answer) : "";
  await write(alignTabs(text + health, { minWidth: 2, padding: 3 }));
}

/** `status` */
export const STATUS: CommandNode = {
  name: "status",
  short: "Display status of daemon",
  flags: [
    bool("all-addresses", "Show all allocated addresses, not just count"),
    bool("all-clusters", "Show all clusters"),
    bool("all-controllers", "Show all controllers, not just failing"),
    bool("all-health", "Show all health status, not just failing"),
    bool("all-nodes", "Show all nodes, not just localhost"),
    bool("all-redirects", "Show all redirects"),
    bool("brief", "Only print a one-line status message"),
    {
      ...{ name: "require-k8s-connectivity", kind: "bool", default: "true" },
      help: "If true, when the cilium-agent cannot access the Kubernetes control plane, this status command returns a non-zero exit status.",
    },
    { name: "timeout", kind: "duration", default: TIMEOUT, help: "Sets the timeout to use when querying for health" },
    bool(
      "verbose",
      "Equivalent to --all-addresses --all-controllers --all-nodes --all-redirects --all-clusters --all-health",
    ),
    OUTPUT,
  ],
  run: status,
};
