import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { DebugInfo } from "../../agent/api-models.ts";
import { alignTabs, quoteGo } from "../../flow/print/index.ts";
import type { Call } from "../cobra/commands.ts";
import { isSet, lastValue, listValues } from "../cobra/flags.ts";
import type { CommandNode } from "../cobra/node.ts";
import { write } from "../cobra/run.ts";
import { answerOrExit } from "./command.ts";
import { endpointTable } from "./endpoint-list.ts";
import { markdownHtml } from "./markdown-html.ts";
import { formatted, printValueOrExit } from "./output/print.ts";
import { typed } from "./output/value.ts";
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

/** Formats by the words for them; a template may follow the last. */
const FORMATS = { markdown: "md", html: "html", json: "json", jsonpath: "jsonpath" } as const;
type Format = keyof typeof FORMATS;

interface Wanted {
  readonly format: Format;
  /** As it was asked for. */
  readonly word: string;
}

interface Target {
  readonly directory: string;
  readonly stamp: string;
  readonly isFilePerCommand: boolean;
}

async function save({ directory, stamp }: Target, name: string, format: Format, text: string): Promise<void> {
  const path = join(directory, `cilium-debuginfo-${stamp}${name}.${FORMATS[format]}`);
  writeFileSync(path, text, { mode: format === "html" ? 0o644 : 0o600 });
  await write(`${format} output at ${path}\n`);
}

/** In Markdown, or in HTML made of it. */
async function report(info: DebugInfo, format: Format, target: Target | undefined): Promise<void> {
  const parts = Object.entries(await sections(info));
  const isSplit = target?.isFilePerCommand === true;
  const files = isSplit ? parts.map(([name, text]) => [`-${name}`, text] as const) : [["", joined(parts)] as const];
  for (const [name, text] of files) {
    const markdown = TITLE + text;
    if (target === undefined) await write(`${markdown}\n`);
    else await save(target, name, format, format === "html" ? markdownHtml(markdown) : markdown);
  }
}

const joined = (parts: readonly (readonly [name: string, text: string])[]) => parts.map(([, text]) => text).join("");

async function model(info: DebugInfo, { format, word }: Wanted, target: Target | undefined): Promise<void> {
  const value = typed(info, "*DebugInfo");
  // as upstream, which takes the whole word for a template and so prints "jsonpath=" before what is asked for
  const output = format === "jsonpath" ? `jsonpath=${word}` : "json";
  if (target === undefined) return printValueOrExit(value, output);
  // what is printed has two line ends more, or one
  await save(target, "", format, formatted(value, output).trimEnd());
}

/** What the flags ask for; undefined, with the reason told, when there is no such thing. */
function wantedOutputs({ flags }: Call): readonly Wanted[] | undefined {
  const isToFile = isSet(flags, "file");
  const fail = (reason: string) => {
    process.stderr.write(`${reason}\n`);
    process.exitCode = 1;
    return undefined;
  };
  const directory = lastValue(flags, "output-directory") ?? "";
  if (directory !== "" && !isToFile)
    return fail(
      `invalid option combination; specified output-directory ${quoteGo(directory)}, but did not specify for output to be redirected to file; exiting`,
    );
  const wanted: Wanted[] = [];
  for (const word of listValues(flags, "output")) {
    const format = word.startsWith("jsonpath=") ? "jsonpath" : word.toLowerCase();
    if (!(format in FORMATS)) return fail(`${word} is not a valid output format; exiting`);
    if (format === "html" && !isToFile)
      return fail(
        "if HTML is specified as the output format, it is required that you provide the `--file` argument as well",
      );
    if (format.startsWith("json") && isSet(flags, "file-per-command"))
      return fail(`${word} does not support dumping a file per command; exiting`);
    wanted.push({ format: format as Format, word });
  }
  return wanted.length === 0 ? [{ format: "markdown", word: "" }] : wanted;
}

async function debuginfo(call: Call): Promise<void> {
  const { flags, signal } = call;
  const outputs = wantedOutputs(call);
  if (outputs === undefined) return;
  const info = await answerOrExit<DebugInfo>({ path: "/debuginfo" }, signal);
  if (info === undefined) return;
  const directory = lastValue(flags, "output-directory") ?? "";
  const isFilePerCommand = isSet(flags, "file-per-command");
  const target = isSet(flags, "file") ? { directory, stamp: fileTime(new Date()), isFilePerCommand } : undefined;
  for (const output of outputs)
    await (output.format.startsWith("json") ? model(info, output, target) : report(info, output.format, target));
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
