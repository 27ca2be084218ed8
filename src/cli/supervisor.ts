/** The lab's supervisor: starts the other processes, adopts those that run, and starts again what ends. */
import { parseArgs } from "node:util";
import { buildStamp } from "../lab/build-stamp.ts";
import { joinCgroup } from "../lab/cgroup.ts";
import { madeNodes } from "../lab/configuration.ts";
import { labPaths } from "../lab/paths.ts";
import { readPorts } from "../lab/ports.ts";
import { writeRecord } from "../lab/process-record.ts";
import { nodeProcesses, processSpecs } from "../lab/processes.ts";
import { onReplaced } from "../lab/replaced-file.ts";
import { DEFAULTS, readSettings } from "../lab/settings.ts";
import { Supervisor } from "../lab/supervisor.ts";
import { startTicks } from "../runtime/process/process-table.ts";

process.title = "shieldgate-supervisor";
const { values } = parseArgs({ options: { name: { type: "string", default: "shieldgate" } } });
const paths = labPaths(values.name);
const ports = readPorts(paths);
if (ports === undefined) throw new Error(`lab ${values.name} was not brought up: ${paths.ports} is missing`);

joinCgroup(paths.lab);
writeRecord(paths, "supervisor", {
  pid: process.pid,
  startTicks: startTicks(process.pid)!,
  startedAtMs: Date.now(),
  restarts: 0,
  logPath: `${paths.logs}/supervisor.log`,
  build: buildStamp(paths.root),
});
const supervisor = new Supervisor(paths);
/** Does what the settings say now; a node's processes need its network. */
function follow(): void {
  const settings = readSettings(paths) ?? DEFAULTS;
  const made = { ...settings, nodes: madeNodes(paths, settings) };
  const specs = processSpecs(paths, ports!, `/proc/${process.pid}/ns/net`, made);
  supervisor.follow(specs, (settings.leaving ?? []).flatMap(nodeProcesses));
}
onReplaced(paths.kubeletConfiguration, follow);
follow();
process.on("SIGTERM", () => {
  supervisor.stop();
  process.exit(0);
});
// nothing else holds the event loop when every process was adopted and waits
setInterval(() => {}, 1 << 30);
