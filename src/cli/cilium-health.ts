/** Main of `cilium-health` inside the agent's pod: asks the agent's health API what reaches what. */
import type { HealthReport } from "../health/report.ts";
import { getJson, healthSocket, sendJson } from "./cilium/agent-client.ts";
import { healthText } from "./cilium/health-text.ts";
import { type Call, type Command, json, OUTPUT, runProgram, wantsJson } from "./cobra/commands.ts";
import { isSet } from "./cobra/flags.ts";
import { runMain, write } from "./cobra/run.ts";
import { alignTabs } from "./cobra/tabs.ts";

async function status({ flags, signal }: Call): Promise<void> {
  const asJson = wantsJson(flags);
  const socket = healthSocket();
  const report = isSet(flags, "probe")
    ? await sendJson<HealthReport>("PUT", "/v1beta/status/probe", signal, socket)
    : await getJson<HealthReport>("/v1beta/status", signal, socket);
  if (asJson) return write(json(report));
  const text = healthText(report, { allNodes: true, verbose: isSet(flags, "verbose"), maxLines: 0 });
  await write(alignTabs(text, { minWidth: 2, padding: 3 }));
}

const COMMANDS: readonly Command[] = [
  {
    path: "ping",
    help: "Check whether the cilium-health API is up",
    flags: [],
    run: async ({ signal }) => {
      await getJson("/v1beta/healthz", signal, healthSocket());
      await write("OK\n");
    },
  },
  {
    path: "status",
    help: "Display cilium connectivity to other nodes",
    flags: [
      OUTPUT,
      { name: "probe", kind: "bool", help: "Synchronously probe connectivity status" },
      { name: "succinct", kind: "bool", help: "Print the result succinctly (one node per line)" },
      { name: "verbose", kind: "bool", help: "Print more information in results" },
    ],
    run: status,
  },
];

await runMain("cilium-health", (signal) =>
  runProgram(
    { name: "cilium-health", help: "Client for querying the Cilium health status API", commands: COMMANDS },
    process.argv.slice(2),
    signal,
  ),
);
