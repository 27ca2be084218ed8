import { UsageError } from "./flags.ts";

/** What went wrong in words for a person; no stack is shown. */
export class CommandError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "CommandError";
  }
}

/** Writes to standard output and waits when the reader is slow. */
export async function write(text: string): Promise<void> {
  if (text === "" || process.stdout.write(text)) return;
  await new Promise((resolve) => process.stdout.once("drain", resolve));
}

/** `head` and the like close the pipe when they have enough: that is no error. */
function endQuietlyOnClosedPipe(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1));
  }
}

/**
 * Runs a command with a signal that Ctrl-C aborts, and exits when its output is out: 0 or what the command left in
 * `process.exitCode`, or 1 after an error, which is printed as cobra does, or `bare` as hubble does.
 */
export async function runMain(
  name: string,
  command: (signal: AbortSignal) => Promise<void>,
  style: "cobra" | "bare" = "cobra",
): Promise<void> {
  endQuietlyOnClosedPipe();
  const interrupt = new AbortController();
  process.once("SIGINT", () => interrupt.abort());
  process.once("SIGTERM", () => interrupt.abort());
  let code: number | undefined;
  try {
    await command(interrupt.signal);
  } catch (error) {
    code = 1;
    const known = error instanceof UsageError || error instanceof CommandError;
    const text = known ? error.message : String(error instanceof Error ? (error.stack ?? error.message) : error);
    const hint = error instanceof UsageError ? `Run '${name} --help' for usage.\n` : "";
    process.stderr.write(style === "bare" ? `${text}\n` : `Error: ${text}\n${hint}`);
  }
  process.stdout.write("", () => process.exit(code ?? process.exitCode ?? 0));
}

/** The error of a command that does not exist. */
export function unknownCommand(given: string, parent: string): UsageError {
  return new UsageError(`unknown command ${JSON.stringify(given)} for ${JSON.stringify(parent)}`);
}
