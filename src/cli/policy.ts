/** `bin/shieldgate policy`: the policy engine at the command line. Needs neither root nor a lab. */
import { Command } from "commander";
import { evaluate } from "./policy/eval.ts";
import { openText } from "./policy/input.ts";
import { validate } from "./policy/validate.ts";

const program = new Command("shieldgate policy")
  .description("Judge connections and check policies with the policy engine alone: no root, no lab.")
  .showHelpAfterError("(--help says more)");

/** A reader that has seen enough, `head` for one, is no fault: what is left unsaid is not missed. */
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit();
});

function complain(text: string): void {
  process.stderr.write(`shieldgate policy: ${text}\n`);
}

program
  .command("eval")
  .description("answer scenarios: JSON lines in, one scenario a line; JSON lines out, one answer a query")
  .argument("[FILE]", "where the scenarios are; - is standard input", "-")
  .option("--explain", "say with each verdict which rules lost, which just missed, and why")
  .addHelpText(
    "after",
    `
A scenario is a small world, its policies and what is asked (examples/02-policy-library has one):
  {"id": "s1", "policies": [{…} or "YAML text"],
   "endpoints": [{"name": "web", "namespace": "default", "labels": {"app": "web"}}],
   "queries": [{"id": "q1", "from": "web", "to": "192.0.2.1", "port": 443, "proto": "TCP"}]}
A policy that is refused gives an answer with the id !policy; the others stand.
A line that is no scenario is named on standard error; the other lines are answered, and the exit code is 1.`,
  )
  .action(async (file: string, { explain = false }: { explain?: boolean }) => {
    process.exitCode = (await evaluate(openText(file), process.stdout, { explain, complain })) ? 0 : 1;
  });

program
  .command("validate")
  .description("say everything that is wrong or strange with policies, with file, line and field")
  .argument("<FILE...>", "YAML (of one or more documents) or JSON; - is standard input")
  .addHelpText(
    "after",
    `
Reads CiliumNetworkPolicy, CiliumClusterwideNetworkPolicy, CiliumCIDRGroup, NetworkPolicy, ClusterNetworkPolicy and lists of them.
Refuses what Cilium 1.20.2 refuses, and fields that the kind does not have. Warns of what is accepted and means nothing.
The exit code is 1 when there are errors; warnings alone leave it 0.`,
  )
  .action(async (files: string[]) => {
    process.exitCode = (await validate(files, process.stdout, complain)) ? 0 : 1;
  });

try {
  await program.parseAsync();
} catch (error) {
  complain((error as Error).message);
  process.exitCode = 1;
}
