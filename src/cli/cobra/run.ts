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
 * How an error is told: as cobra does, `bare` as hubble does, or `cobra twice` as cilium-dbg does, which repeats on standard
 * output what is wrong with how it was called.
 */
export type ErrorStyle = "cobra" | "cobra twice" | "bare";

/** What an error makes a command write on standard error and on standard output. */
export function errorTexts(
  error: unknown,
  name: string,
  style: ErrorStyle,
): { readonly err: string; readonly out: string } {
  const isUsage = error instanceof UsageError;
  const isKnown = isUsage || error instanceof CommandError;
  const text = isKnown ? error.message : String(error instanceof Error ? (error.stack ?? error.message) : error);
  if (style === "bare") return { err: `${text}\n`, out: "" };
  const hint = isUsage && error.usage === undefined ? `Run '${name} --help' for usage.\n` : "";
  const usage = isUsage && error.usage !== undefined ? `${error.usage}\n` : "";
  return { err: `Error: ${text}\n${hint}`, out: style === "cobra twice" && isUsage ? `${usage}${text}\n` : "" };
}

/**
 * Runs a command with a signal that Ctrl-C aborts, and exits when its output is out: 0 or what the command left in
 * `process.exitCode`, or 1 after an error, which is told in the style.
 */
export async function runMain(
  name: string,
  command: (signal: AbortSignal) => Promise<void>,
  style: ErrorStyle = "cobra",
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
    const { err, out } = errorTexts(error, name, style);
    process.stderr.write(err);
    await write(out);
  }
  process.stdout.write("", () => process.exit(code ?? process.exitCode ?? 0));
}

/** The error of a command that does not exist. */
export function unknownCommand(given: string, parent: string): UsageError {
  return new UsageError(`unknown command ${JSON.stringify(given)} for ${JSON.stringify(parent)}`);
}
