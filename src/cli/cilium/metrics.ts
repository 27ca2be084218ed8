import type { Call } from "../cobra/commands.ts";
import { lastValue, UsageError } from "../cobra/flags.ts";
import type { CommandNode } from "../cobra/node.ts";
import { formatName, OUTPUT, outputOf } from "./output/print.ts";
import { exchange } from "./shell.ts";
import { SHELL_SOCKET } from "./shell-client.ts";

async function list(call: Call): Promise<void> {
  const output = outputOf(call.flags);
  const form = output === undefined ? "table" : formatName(output).toLowerCase();
  const reason = await exchange(call, `metrics --format=${form} '${lastValue(call.flags, "match-pattern") ?? ""}'`);
  if (reason !== undefined) throw new UsageError(reason);
}

/** `metrics list`: what Prometheus reads of the agent, as its shell lists it. */
export const METRICS: CommandNode = {
  name: "metrics",
  short: "Access metric status",
  commands: [
    {
      ...{ name: "list", short: "List all metrics", run: list },
      flags: [
        { name: "match-pattern", short: "p", kind: "string", help: "Show only metrics whose names match matchpattern" },
        ...[OUTPUT, SHELL_SOCKET],
      ],
    },
  ],
};
