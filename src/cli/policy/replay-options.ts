import type { Command } from "commander";
import { collect, manifestOptions } from "./manifest-options.ts";
import type { ReplayOptions } from "./replay.ts";

type Prove = (run: () => Promise<number>) => Promise<void>;

const FLOWS =
  "recordings: files of `hubble observe -o jsonpb` or of an exporter (also .gz, .zst), folders, a flow history, -";

/** Adds the commands that look at recorded flows. */
export function replayCommands(program: Command, prove: Prove, complain: (text: string) => void): void {
  flowOptions(manifestOptions(program.command("replay"), FLOWS))
    .description("say what candidate policies would do to recorded flows: opened, closed, unknown, unchanged")
    .option("--before <PATH>", "policies to compare with, instead of what the flows met; may be given again", collect)
    .option("--all", "list flows that do not change too (json always does)")
    .option("--fail-on <WHAT>", "opened, closed, unknown or any (several by commas): exit code 1")
    .option("-o, --output <FORMAT>", "text, json or markdown", "text")
    .addHelpText(
      "after",
      `
  hubble observe --last 100000 -o jsonpb | shieldgate policy replay - -f policies/
  shieldgate policy replay flows-*.jsonl.gz -f candidate/ --before policies/ --fail-on closed
  shieldgate policy replay --server localhost:4245 --since 24h -f candidate.yaml
Who is who is what the flows say: labels of identities, addresses, names. Manifests of workloads add names of ports.
Exit code: 0, 1 by --fail-on, 2 where the input cannot be trusted (what can be said is said).`,
    )
    .action((paths: string[], options: ReplayOptions) =>
      prove(async () => (await import("./replay.ts")).replayCommand(paths, options, process.stdout, complain)),
    );
}

function flowOptions(command: Command): Command {
  return command
    .option("--server <ADDRESS>", "take the flows of a Hubble server or relay (localhost:4245, tls://…)")
    .option("--since <TIME>", "with --server: from then on, also from the nodes' history (1h, 2026-11-27T10:00:00Z)")
    .option("--max-distinct <COUNT>", "distinct flows that are kept (default: 200000)");
}
