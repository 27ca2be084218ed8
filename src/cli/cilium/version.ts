import { arch, version as nodeVersion } from "node:process";
import type { DebugInfo } from "../../agent/api-models.ts";
import type { Call } from "../cobra/commands.ts";
import type { CommandNode } from "../cobra/node.ts";
import { write } from "../cobra/run.ts";
import { CallError, callAgent } from "./agent-client.ts";
import { OUTPUT, outputOf, printOrExit } from "./output/print.ts";

/** What this command is: the release of Cilium that it follows, in words as Cilium's version has them. */
const CLIENT = `1.20.2+shieldgate shieldgate undated node version ${nodeVersion} linux/${arch === "x64" ? "amd64" : arch}`;
const SILENT = "Not responding";

/** The agent's version; a word when it does not answer. */
async function daemonVersion(signal: AbortSignal): Promise<string> {
  try {
    return (await callAgent<Partial<DebugInfo>>({ path: "/debuginfo" }, signal))["cilium-version"] ?? "";
  } catch (error) {
    if (error instanceof CallError) return SILENT;
    throw error;
  }
}

/** A version's words: number, commit, its time, and what runs it; nothing of one with fewer words. */
function taken(text: string): object {
  const words = text.split(" ");
  const [Version, Revision, AuthorDate] = words;
  if (words.length < 7) return {};
  return { Version, Revision, AuthorDate, GoRuntimeVersion: words.slice(5, -1).join(" "), Arch: words.at(-1) };
}

async function version({ flags, signal }: Call): Promise<void> {
  const daemon = await daemonVersion(signal);
  const output = outputOf(flags);
  if (output !== undefined)
    return printOrExit({ Client: taken(CLIENT), Daemon: daemon === SILENT ? {} : taken(daemon) }, "Versions", output);
  await write(`Client: ${CLIENT}\nDaemon: ${daemon}\n`);
}

/** `version` */
export const VERSION: CommandNode = {
  name: "version",
  short: "Print version information",
  flags: [OUTPUT],
  run: version,
};
