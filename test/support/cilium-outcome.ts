import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { vi } from "vitest";
import { CILIUM_TREE } from "../../src/cli/cilium/tree.ts";
import { errorTexts } from "../../src/cli/cobra/run.ts";
import { runTree } from "../../src/cli/cobra/tree.ts";
import { Refusal } from "./agent-answers.ts";
import { captureOutput, outcomeOf } from "./captured-output.ts";

/** What a command wrote, asked the agent for, and how it ended. */
export interface Outcome {
  readonly out: string;
  readonly err: string;
  readonly code: number | null;
  readonly asked: readonly string[];
}

const NOT_THERE = new Refusal(404, "no such path");

/** An agent that has one answer for each call, and streams events to monitors as a test writes them. */
export class AnsweringAgent {
  /** Monitors that are connected. */
  readonly watching: ServerResponse[] = [];
  private readonly answers: Readonly<Record<string, unknown>>;
  private readonly directory = mkdtempSync(join(tmpdir(), "sgt-h-dbg-"));
  readonly socket = join(this.directory, "cilium.sock");
  private asked: string[] = [];
  private readonly server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    const call = `${request.method} ${request.url}`;
    if (call === "GET /v1/monitor") {
      response.writeHead(200).flushHeaders();
      this.watching.push(response);
      return;
    }
    const text = body === "" || body === "null" ? "" : ` ${JSON.stringify(sorted(JSON.parse(body)))}`;
    this.asked.push(call + text);
    const found = this.answers[call + text] ?? this.answers[call] ?? NOT_THERE;
    const { status, body: answer } = found instanceof Refusal ? found : { status: 200, body: found };
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify(answer));
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

  /** Runs another command of this name. */
  async run(program: string, args: readonly string[]): Promise<Outcome> {
    const env = { ...process.env, CILIUM_SOCK: this.socket, CILIUM_HEALTH_SOCK: this.socket };
    this.asked = [];
    const child = spawn(program, args, { env, stdio: ["ignore", "pipe", "pipe"] });
    return { ...(await outcomeOf(child)), asked: this.asked };
  }

  /** Runs our command within this process, whose standard output and error it takes meanwhile; `socket` may be another's, and `signal` is the user's Ctrl-C. */
  async runOurs(args: readonly string[], socket = this.socket, signal = AbortSignal.timeout(60_000)): Promise<Outcome> {
    this.asked = [];
    vi.stubEnv("CILIUM_SOCK", socket);
    vi.stubEnv("CILIUM_HEALTH_SOCK", socket);
    // what the flags may set, put back with the others
    vi.stubEnv("CILIUM_HOST", "");
    vi.stubEnv("CILIUM_DEBUG", "");
    const { written, release } = captureOutput();
    let code = 0;
    try {
      await runTree(CILIUM_TREE, args, signal);
      code = Number(process.exitCode ?? 0);
    } catch (error) {
      const texts = errorTexts(error, CILIUM_TREE.root.name, "cobra twice");
      written.err += texts.err;
      written.out += texts.out;
      code = 1;
    } finally {
      process.exitCode = undefined;
      release();
      vi.unstubAllEnvs();
    }
    return { ...written, code, asked: this.asked };
  }
}

/** Keys in one order, for upstream's and ours differ. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, inner]) => [key, sorted(inner)]));
}

/** Flags of upstream's client itself: where logs go, and a file with other flags. */
const GLOBAL_FLAGS = /\nGlobal Flags:\n(?: .*\n)+/;

/** An outcome without what is meant to differ: lines of it, and their order where upstream has none. */
export function comparable({ out, asked, ...outcome }: Outcome): object {
  // upstream asks for the configuration twice
  return { ...outcome, asked: [...new Set(asked)], out: out.replace(GLOBAL_FLAGS, "").split("\n") };
}
