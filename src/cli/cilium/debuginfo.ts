import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { DebugInfo } from "../../agent/api-models.ts";
import { alignTabs } from "../../flow/print/index.ts";
import type { Call } from "../cobra/commands.ts";
import { isSet, lastValue, listValues } from "../cobra/flags.ts";
import type { CommandNode } from "../cobra/node.ts";
import { CommandError, write } from "../cobra/run.ts";
import { answerOrExit } from "./command.ts";
import { endpointTable } from "./endpoint-list.ts";
import { printOrExit } from "./output/print.ts";
import { serviceTable } from "./service.ts";
import { statusText } from "./status-text.ts";

const run = promisify(execFile);
/** Of one command; a node has endpoints with many rules. */
const MOST_BYTES = 64 << 20;
type Output = { readonly stdout: string; readonly stderr: string };

const EVERYTHING = { addresses: true, controllers: true, redirects: true, features: true };

/** A title with a text below it, in Markdown. */
function section(title: string, body: string): string {
  return body === "" ? `\n#### ${title}\n\n` : `\n#### ${title}\n\n\`\`\`\n${body}\n\`\`\`\n\n`;
}

const fenced = (title: string, text: string) => `${section(title, "")}\`\`\`\n${text}\`\`\`\n`;

/** What this very command prints for an endpoint. */
async function outputOfCommand(line: string): Promise<string> {
  const program = [process.argv[1] ?? "", ...line.split(" ")];
  // one that fails has written what is wrong
  const { stdout, stderr } = await run(process.execPath, program, { maxBuffer: MOST_BYTES }).catch(
    (failed: Output) => failed,
  );
  return stdout + stderr;
}

/** The commands of one endpoint run beside each other: most of the time is theirs to start. */
async function endpointSections({ "endpoint-list": endpoints }: DebugInfo): Promise<string> {
  const parts: string[] = [];
  for (const { id, status } of endpoints) {
    const commands = [
      [`BPF Policy Get ${id}`, `bpf policy get ${id} -n`],
      [`BPF CT List ${id}`, `bpf ct list ${id}`],
      [`Endpoint Get ${id}`, `endpoint get ${id}`],
      [`Endpoint Health ${id}`, `endpoint health ${id}`],
      [`Endpoint Log ${id}`, `endpoint log ${id}`],
      [`Identity get ${status.identity.id}`, `identity get ${status.identity.id}`],
    ] as const;
    parts.push(
      ...(await Promise.all(commands.map(async ([title, line]) => section(title, await outputOfCommand(line))))),
    );
  }
  return fenced("Endpoint list", endpointTable(endpoints)) + parts.join("");
}

/** The parts of the report, each a file of its own if that is asked for. */
async function sections(info: DebugInfo): Promise<Readonly<Record<string, string>>> {
  const { policy } = info;
  const status = alignTabs(statusText(info["cilium-status"], { ...EVERYTHING, now: Date.now() }), {
    minWidth: 5,
    padding: 3,
  });
  return {
    "cilium-version": section("Cilium version", info["cilium-version"]),
    "kernel-version": section("Kernel version", info["kernel-version"]),
    "cilium-status": fenced("Cilium status", status),
    "cilium-environment-keys": section("Cilium environment keys", info["environment-variables"].join("\n")),
    "cilium-endpoint-list": await endpointSections(info),
    "cilium-service-list": fenced("Service list", serviceTable(info["service-list"])),
    "cilium-policy": section("Policy get", `:\n ${policy.policy}\nRevision: ${policy.revision}\n`),
    "cilium-memory-map": section("Cilium memory map\n", info["cilium-memory-map"]),
    // nothing here names itself a subsystem, and nothing encrypts
    "cilium-subsystems": "",
    "cilium-encryption": section("Cilium encryption\n", ""),
  };
}

const TITLE = "# Cilium debug information\n";

/** `20261127-160000.123+0000-UTC` */
function fileTime(now: Date): string {
  const [date = "", time = ""] = now.toISOString().slice(0, -1).split("T");
  return `${date.replaceAll("-", "")}-${time.replaceAll(":", "")}+0000-UTC`;
}

interface Target {
  readonly directory: string;
  readonly stamp: string;
  readonly isFilePerCommand: boolean;
}

async function save({ directory, stamp }: Target, name: string, ending: string, text: string): Promise<void> {
  const path = join(directory, `cilium-debuginfo-${stamp}${name}.${ending}`);
  writeFileSync(path, text, { mode: 0o600 });
  await write(`${ending === "md" ? "markdown" : ending} output at ${path}\n`);
}

async function markdown(info: DebugInfo, target: Target | undefined): Promise<void> {
  const parts = await sections(info);
  if (target === undefined) return write(`${TITLE}${Object.values(parts).join("")}\n`);
  if (!target.isFilePerCommand) return save(target, "", "md", TITLE + Object.values(parts).join(""));
  for (const [name, text] of Object.entries(parts)) await save(target, `-${name}`, "md", TITLE + text);
}

function checkedOutputs({ flags }: Call, isToFile: boolean): readonly string[] {
  const outputs = listValues(flags, "output");
  for (const output of outputs) {
    const [format = ""] = output.toLowerCase().split("=");
    if (format === "html")
      throw new CommandError("HTML is not made here: write markdown, and let a converter make HTML of it");
    if (!["markdown", "json", "jsonpath"].includes(format))
      throw new CommandError(`${output} is not a valid output format; exiting`);
    if (format !== "markdown" && isToFile)
      throw new CommandError(`${output} goes to standard output alone: redirect it to a file`);
    if (format !== "markdown" && isSet(flags, "file-per-command"))
      throw new CommandError(`${output} does not support dumping a file per command; exiting`);
  }
  return outputs;
}

async function debuginfo(call: Call): Promise<void> {
  const { flags, signal } = call;
  const isToFile = isSet(flags, "file");
  const directory = lastValue(flags, "output-directory") ?? "";
  if (directory !== "" && !isToFile) throw new CommandError("--output-directory is for files: give --file as well");
  const outputs = checkedOutputs(call, isToFile);
  const info = await answerOrExit<DebugInfo>({ path: "/debuginfo" }, signal);
  if (info === undefined) return;
  const isFilePerCommand = isSet(flags, "file-per-command");
  const target = isToFile ? { directory, stamp: fileTime(new Date()), isFilePerCommand } : undefined;
  for (const output of outputs.length === 0 ? ["markdown"] : outputs) {
    if (output.toLowerCase() === "markdown") await markdown(info, target);
    else await printOrExit(info, "*DebugInfo", output);
  }
}

/** `debuginfo` */
export const DEBUGINFO: CommandNode = {
  name: "debuginfo",
  short: "Request available debugging information from agent",
  flags: [
    { name: "file", short: "f", kind: "bool", help: "Redirect output to file(s)" },
    { name: "file-per-command", kind: "bool", help: "Generate a single file per command" },
    { name: "output", kind: "strings", help: "markdown| html| json| jsonpath='{}'" },
    {
      ...{ name: "output-directory", kind: "string" },
      help: "directory for files (if specified will use directory in which this command was ran)",
    },
  ],
  run: debuginfo,
};
