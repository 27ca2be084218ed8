import type { Metric } from "../../metrics/index.ts";
import type { Call } from "../cobra/commands.ts";
import { lastValue } from "../cobra/flags.ts";
import type { CommandNode } from "../cobra/node.ts";
import { CommandError, write } from "../cobra/run.ts";
import { answerOf, tabbed } from "./command.ts";
import { provide } from "./identity.ts";
import { OUTPUT, outputOf } from "./output/print.ts";

function matcher(pattern: string): (name: string) => boolean {
  try {
    const expression = new RegExp(pattern);
    return (name) => expression.test(name);
  } catch (error) {
    throw new CommandError(`Cannot compile match pattern: ${(error as Error).message}\n`);
  }
}

function rowOf({ name, labels, value }: Metric): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${text}"`);
  return `${name}\t${pairs.join(" ")}\t${value.toFixed(6)}\n`;
}

async function list({ flags, signal }: Call): Promise<void> {
  const matches = matcher(lastValue(flags, "match-pattern") ?? "");
  const say = (reason: string) => `Error: ${reason}\n`;
  const all = await answerOf<readonly Metric[]>({ path: "/metrics" }, signal, say);
  const found = all.filter(({ name }) => matches(name));
  const output = outputOf(flags);
  if (output !== undefined) return provide(found, "[]*Metric", output);
  await write(tabbed(["Metric\tLabels\tValue\n", ...found.map(rowOf)]));
}

/** `metrics list`: what Prometheus reads of the agent. Upstream asks a shell of its agent, with a layout of its own. */
export const METRICS: CommandNode = {
  name: "metrics",
  showsHelp: true,
  short: "Access metric status",
  commands: [
    {
      ...{ name: "list", short: "List all metrics", run: list },
      flags: [
        { name: "match-pattern", short: "p", kind: "string", help: "Show only metrics whose names match matchpattern" },
        OUTPUT,
      ],
    },
  ],
};
