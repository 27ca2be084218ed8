import { hostname } from "node:os";
import { createInterface } from "node:readline";
import type { Call } from "../cobra/commands.ts";
import { lastValue } from "../cobra/flags.ts";
import type { CommandNode } from "../cobra/node.ts";
import { write } from "../cobra/run.ts";
import { dialShell, SHELL_SOCKET, ShellReader } from "./shell-client.ts";

const socketOf = ({ flags }: Call) => lastValue(flags, SHELL_SOCKET.name) ?? SHELL_SOCKET.default ?? "";
const printLine = (line: string) => write(`${line}\n`);

/** Carries out one command of the agent's shell and prints its answer. Resolves with the reason when it fails. */
export async function exchange(call: Call, command: string): Promise<string | undefined> {
  let socket: Awaited<ReturnType<typeof dialShell>>;
  try {
    socket = await dialShell(socketOf(call), (text) => process.stderr.write(text), call.signal);
  } catch (error) {
    return (error as Error).message;
  }
  try {
    socket.write(`${command}\nexit\n`);
    return await new ShellReader(socket).answer(printLine);
  } finally {
    socket.destroy();
  }
}

/** Lines of standard input are commands until it ends; the tab key completes their names. */
async function converse(call: Call): Promise<void> {
  const socket = await dialShell(socketOf(call), (text) => process.stdout.write(text), call.signal);
  const reader = new ShellReader(socket);
  const completer = (line: string, done: (error: null, found: [string[], string]) => void) => {
    const found: string[] = [];
    socket.write(`help -a ${line}\n`);
    void reader
      .answer(async (name) => void (name !== "" && found.push(name)))
      .then(() => done(null, [found.sort(), line]));
  };
  const prompt = `${hostname()}> `;
  const console = createInterface({ input: process.stdin, output: process.stdout, prompt, completer });
  call.signal.addEventListener("abort", () => console.close());
  socket.once("close", () => console.close());
  console.prompt();
  for await (const line of console) {
    socket.write(`${line}\n`);
    if (/^(?:stop|exit|quit)$/.test(line)) break;
    await reader.answer(printLine);
    console.prompt();
  }
  socket.destroy();
}

async function run(call: Call): Promise<void> {
  if (call.words.length > 0) {
    const reason = await exchange(call, call.words.join(" "));
    if (reason === undefined) return;
    process.exitCode = 1;
    return write(`error: ${reason}\n`);
  }
  await converse(call).catch(async (error: Error) => {
    process.exitCode = 1;
    await write(`Error dialing: ${error.message}\n`);
  });
}

/** `shell [command]`: the agent's own commands. */
export const SHELL: CommandNode = {
  ...{ name: "shell", argument: "[command] [args]...", short: "Connect to the shell", flags: [SHELL_SOCKET], run },
};
