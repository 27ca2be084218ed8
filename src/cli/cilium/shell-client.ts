import { connect, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { END_MARKER, ERROR_MARKER } from "../../agent/shell/server.ts";
import { kernelReason } from "../../model/system-error.ts";
import type { FlagSpec } from "../cobra/flags.ts";

const DEFAULT_SOCKET = "/var/run/cilium/shell.sock";

/** `--shell-sock-path`, of every command that asks the agent's shell. */
export const SHELL_SOCKET: FlagSpec = {
  ...{ name: "shell-sock-path", kind: "string", default: DEFAULT_SOCKET },
  help: "Path to the shell UNIX socket",
};

/** An agent that starts is waited for so long, in ms. */
const PATIENCE = 15_000;
const RETRY = 1000;

/** Connects to the shell and tries again for a while. Rejects with Error in upstream's words. */
export async function dialShell(path: string, say: (text: string) => void, signal: AbortSignal): Promise<Socket> {
  const end = performance.now() + PATIENCE;
  for (;;) {
    const reason = await new Promise<Socket | string>((resolve) => {
      const socket = connect(path, () => resolve(socket));
      socket.once("error", (error) => {
        resolve(`dial unix ${path}: connect: ${kernelReason(error) ?? error.message}`);
      });
    });
    if (typeof reason !== "string") return reason;
    if (signal.aborted) throw new Error("interrupted");
    if (performance.now() + RETRY > end) throw new Error(`dialing timed out: ${reason}`);
    await new Promise((resolve) => setTimeout(resolve, RETRY));
    say(`Dialing failed: ${reason}. Retrying...\n`);
  }
}

/** Lines that only say where what follows was written. */
const SECTIONS: ReadonlySet<string> = new Set(["[stdout]", "[stderr]"]);

/** Reads answers of a shell, one after the other. */
export class ShellReader {
  private readonly lines: AsyncIterator<string>;

  constructor(socket: Socket) {
    this.lines = createInterface({ input: socket, crlfDelay: Number.POSITIVE_INFINITY })[Symbol.asyncIterator]();
  }

  /** Gives each line of one answer to `print`. Resolves with the reason when the command failed; the last line is that. */
  async answer(print: (line: string) => Promise<void>): Promise<string | undefined> {
    for (;;) {
      const { done, value } = await this.lines.next();
      if (done) return undefined;
      if (SECTIONS.has(value)) continue;
      const isEnd = value.endsWith(END_MARKER);
      const line = isEnd ? value.slice(0, -END_MARKER.length) : value;
      const isError = line.endsWith(ERROR_MARKER);
      const text = isError ? line.slice(0, -ERROR_MARKER.length) : line;
      await print(text);
      if (isEnd) return undefined;
      if (isError) return text;
    }
  }
}
