import type { Socket } from "node:net";
import { createInterface } from "node:readline";
import { serveConnections } from "../unix-socket.ts";
import { ShellError } from "./line.ts";
import type { Shell } from "./shell.ts";

/** What follows the output of a command that went well, and the reason of one that did not. */
export const END_MARKER = "<<end>>";
export const ERROR_MARKER = "<<error>>";

const LEAVE: ReadonlySet<string> = new Set(["stop", "exit", "quit"]);

/** No line is longer; who sends more is cut off. */
const LINE_LIMIT = 64 * 1024;

function answerTo(shell: Shell, line: string): string {
  try {
    return `${shell.run(line)}${END_MARKER}\n`;
  } catch (error) {
    if (!(error instanceof ShellError)) throw error;
    return `${error.message}${ERROR_MARKER}\n`;
  }
}

async function converse(shell: Shell, socket: Socket): Promise<void> {
  let unread = 0;
  socket.on("data", (chunk: Buffer) => {
    const at = chunk.lastIndexOf(0x0a);
    unread = at < 0 ? unread + chunk.length : chunk.length - at - 1;
    if (unread > LINE_LIMIT) socket.destroy();
  });
  for await (const line of createInterface({ input: socket, crlfDelay: Number.POSITIVE_INFINITY })) {
    if (LEAVE.has(line)) break;
    if (!socket.write(answerTo(shell, line))) await new Promise((resolve) => socket.once("drain", resolve));
  }
  socket.end();
}

/**
 * Serves the shell on a unix socket, as Cilium's agent does on `shell.sock`: a line a command, its output, and a marker behind it.
 */
export function serveShell(path: string, shell: Shell): Promise<{ close(): void }> {
  return serveConnections(path, (socket) => void converse(shell, socket).catch(() => socket.destroy()));
}
