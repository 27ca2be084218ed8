import type { Readable, Writable } from "node:stream";
import type { ExecConfig, ExecSession } from "../../runtime/port.ts";

/** The client's streams of an exec, whatever carries them. Those that were not asked for are undefined. */
export interface RemoteStreams {
  readonly stdin: Readable | undefined;
  readonly stdout: Writable | undefined;
  readonly stderr: Writable | undefined;
  onResize(listener: (columns: number, rows: number) => void): void;
  /** The client has gone. */
  onClose(listener: () => void): void;
  /** Sends the outcome as a Status object and ends the connection when all is sent. */
  finish(status: object): void;
}

/** What a request for exec asks for. */
export interface RemoteCommand extends ExecConfig {
  readonly stdout: boolean;
  readonly stderr: boolean;
}

/** Reads the query of an exec request; the API server spells streams `stdin` or, in older ones, `input`. */
export function remoteCommand(query: URLSearchParams): RemoteCommand {
  const asked = (...names: readonly string[]) => names.some((name) => ["1", "true"].includes(query.get(name) ?? ""));
  const tty = asked("tty");
  return {
    command: query.getAll("command"),
    tty,
    stdin: asked("stdin", "input"),
    stdout: asked("stdout", "output"),
    stderr: asked("stderr", "error") && !tty,
  };
}

/** The outcome of a command as kubectl reads it from the error stream (v4.channel.k8s.io and later). */
export function exitStatus(code: number): object {
  if (code === 0) return { metadata: {}, status: "Success" };
  return {
    metadata: {},
    status: "Failure",
    message: `command terminated with non-zero exit code: exit status ${code}`,
    reason: "NonZeroExitCode",
    details: { causes: [{ reason: "ExitCode", message: String(code) }] },
  };
}

export function failureStatus(message: string): object {
  return { metadata: {}, status: "Failure", message, reason: "InternalError", code: 500 };
}

/** Reads a message of the resize stream: `{"Width": columns, "Height": rows}`. */
export function parseResize(text: string): { columns: number; rows: number } | undefined {
  try {
    const { Width, Height } = JSON.parse(text) as { Width?: unknown; Height?: unknown };
    return typeof Width === "number" && typeof Height === "number" ? { columns: Width, rows: Height } : undefined;
  } catch {
    return undefined;
  }
}

/** Passes a stream on to the client, or to nowhere when it was not asked for; resolves when all of it was handed over. */
async function deliver(source: NodeJS.ReadableStream | undefined, target: Writable | undefined): Promise<void> {
  if (source === undefined) return;
  if (target === undefined) {
    source.resume();
    return;
  }
  await new Promise<void>((resolve) => {
    for (const event of ["finish", "close", "error"]) target.once(event, () => resolve());
    // a client that has gone takes no more: the error is its end, and nobody's fault
    target.on("error", () => source.resume());
    source.pipe(target);
  });
}

/** Joins a command and the client until the command ends; its last byte is sent before its outcome. */
export async function serveCommand(session: ExecSession, streams: RemoteStreams): Promise<void> {
  streams.onResize((columns, rows) => session.resize(columns, rows));
  const gone = new Promise<void>((resolve) => streams.onClose(resolve));
  let isGone = false;
  void gone.then(() => {
    isGone = true;
    // nobody can hear it any more
    session.kill("SIGKILL");
  });
  // a command may end before it has read all of its input
  session.stdin?.on("error", () => {});
  if (streams.stdin && session.stdin) streams.stdin.pipe(session.stdin);
  const delivered = Promise.all([deliver(session.stdout, streams.stdout), deliver(session.stderr, streams.stderr)]);
  const code = await session.exit;
  await Promise.race([delivered, gone]);
  if (!isGone) streams.finish(exitStatus(code));
}
