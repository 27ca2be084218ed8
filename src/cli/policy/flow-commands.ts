import type { Command } from "commander";
import { collect, manifestOptions } from "./manifest-options.ts";
import type { RehearseOptions } from "./rehearse.ts";
import type { ReplayOptions } from "./replay.ts";
import type { SuggestCommandOptions } from "./suggest.ts";

/** The commands that look at flows, each with what it is for. */
export const FLOW_COMMANDS = {
  replay: "say what candidate policies would do to recorded flows: opened, closed, unknown, unchanged",
  suggest: "write least-privilege policies for recorded flows, and prove them by replay; -f: what exists already",
  rehearse: "follow a cluster's flows, and tell what candidate policies would open and close, while nothing changes",
} as const;

const FLOWS =
  "recordings: files of `hubble observe -o jsonpb` or of an exporter (also .gz, .zst), folders, a flow history, -";

/** Adds the commands with all their options. Their exit code is an answer: 2 says that there is none. */
export function flowCommands(program: Command, complain: (text: string) => void): void {
  const prove = async (run: () => Promise<number>) => {
    try {
      process.exitCode = await run();
    } catch (error) {
      complain((error as Error).message);
      process.exitCode = 2;
    }
  };
  flowOptions(manifestOptions(program.command("replay"), FLOWS))
    .description(FLOW_COMMANDS.replay)
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
  flowOptions(manifestOptions(program.command("suggest"), FLOWS))
    .description(FLOW_COMMANDS.suggest)
    .option(
      "--for <WORKLOAD>",
      "for whom: shop/deploy/cart, or labels (app=cart); may be given again (default: every pod)",
      collect,
    )
    .option("--include-denied", "allow what was denied too")
    .option("--standalone", "as if there were no policies yet: say all that is wanted")
    .option("--no-l7", "addresses and ports alone, no requests")
    .option("--max-paths <COUNT>", "paths of one method at one port; more are merged (default: 10)")
    .option("--max-addresses <COUNT>", "addresses outside at one port; more become the world (default: 10)")
    .option("-o, --output <FORMAT>", "yaml or json", "yaml")
    .addHelpText(
      "after",
      `
  shieldgate policy suggest flows.jsonl --for shop/deploy/cart -f policies/ > cart.yaml
Above the policies stands what the replay of the flows under them showed. Exit code: 0 proven, 1 not, 2 where the input cannot be trusted.`,
    )
    .action((paths: string[], options: SuggestCommandOptions) =>
      prove(async () => (await import("./suggest.ts")).suggestCommand(paths, options, process.stdout, complain)),
    );
  flowOptions(manifestOptions(program.command("rehearse"), "the candidate: the same as -f PATH"))
    .description(
      "follow a cluster's flows, and tell what candidate policies would open and close, while nothing changes",
    )
    .option("--replace", "the candidate stands alone: what the cluster enforces goes")
    .option("--duration <TIME>", "end after this time (30s, 10m); else with Ctrl-C")
    .option("--fail-on <WHAT>", "opened, closed, unknown or any (several by commas): exit code 1")
    .option("-o, --output <FORMAT>", "text, or json: a line for each change, and one for the summary", "text")
    .addHelpText(
      "after",
      `
  shieldgate policy rehearse -f candidate.yaml
A policy of the candidate takes the place of the cluster's of the same name. As long as it runs, a lab's agents look at the requests
that the candidate's rules judge (HTTP/1, DNS), where no proxy does; nothing is redirected. The flows are those of the lab's relay; of another
cluster --server (or HUBBLE_SERVER) names the relay: kubectl -n kube-system port-forward service/hubble-relay 4245:80
Exit code: 0, 1 by --fail-on, 2 where nothing can be said.`,
    )
    .action((paths: string[], options: RehearseOptions) =>
      prove(async () => (await import("./rehearse.ts")).rehearseCommand(paths, options, process.stdout, complain)),
    );
}

function flowOptions(command: Command): Command {
  return command
    .option("--server <ADDRESS>", "take the flows of a Hubble server or relay (localhost:4245, tls://…)")
    .option("--since <TIME>", "with --server: from then on, also from the nodes' history (1h, 2026-11-27T10:00:00Z)")
    .option("--max-distinct <COUNT>", "distinct flows that are kept (default: 200000)");
}
