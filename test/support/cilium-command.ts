import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../../src/cli/cilium.ts", import.meta.url));

export interface CommandResult {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function result(child: ChildProcess): Promise<CommandResult> {
  let out = "";
  let err = "";
  child.stdout?.on("data", (chunk) => {
    out += chunk;
  });
  child.stderr?.on("data", (chunk) => {
    err += chunk;
  });
  return new Promise((resolve) => child.on("close", (code) => resolve({ code, out, err })));
}

/** The `cilium` command as a process, and an agent that has one answer for each call: `METHOD /path`, or the path of a GET. */
export class CiliumCommand {
  readonly directory = mkdtempSync(join(tmpdir(), "sgt-e-"));
  /** Monitors that are connected. */
  readonly watching: ServerResponse[] = [];
  private readonly answers: Readonly<Record<string, unknown>>;
  private readonly socket = join(this.directory, "cilium.sock");
  private readonly server = createServer((request, response) => {
    if (request.url === "/v1/monitor") {
      response.writeHead(200);
      response.flushHeaders();
      this.watching.push(response);
      return;
    }
    const path = request.url ?? "";
    const answer = this.answers[request.method === "GET" ? path : `${request.method} ${path}`];
    response.writeHead(answer === undefined ? 404 : 200);
    response.end(JSON.stringify(answer ?? "no such endpoint"));
  });

  constructor(answers: Readonly<Record<string, unknown>>) {
    this.answers = answers;
  }

  listen(): Promise<void> {
    return new Promise((resolve) => this.server.listen(this.socket, resolve));
  }

  close(): void {
    this.server.closeAllConnections();
    this.server.close();
    rmSync(this.directory, { recursive: true });
  }

  /** Runs it to its end; `socket` takes the place of the agent's. */
  run(args: readonly string[], socket = this.socket): Promise<CommandResult> {
    return this.start(args, socket).done;
  }

  start(
    args: readonly string[],
    socket = this.socket,
  ): { readonly child: ChildProcess; readonly done: Promise<CommandResult> } {
    const sockets = { CILIUM_SOCK: socket, CILIUM_HEALTH_SOCK: socket };
    const child = spawn(process.execPath, [MAIN, ...args], { env: { ...process.env, ...sockets } });
    return { child, done: result(child) };
  }
}
