/**
 * `bin/shieldgate policy replay`, `suggest` and `rehearse`: what candidate policies would do to flows. A main of its own, which `policy.ts`
 * loads: what speaks to servers would double the start of all other commands.
 */
import { Command } from "commander";
import { flowCommands } from "./policy/flow-commands.ts";

const program = new Command("shieldgate policy").showHelpAfterError("(--help says more)");

flowCommands(program, (text) => process.stderr.write(`shieldgate policy: ${text}\n`));
await program.parseAsync();
