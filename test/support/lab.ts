import { type ChildProcess, execFile, spawn } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** What a command did. */
export interface Result {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number;
}

export interface StatusNode {
  readonly name: string;
  readonly ip: string;
  readonly agent: { readonly pid: number };
  readonly proxy: { readonly pid: number };
}

/** `status -o json`. */
export interface Status {
  readonly controlPlane: { readonly pid: number };
  readonly nodes: readonly StatusNode[];
  readonly pods: readonly { namespace: string; name: string; node: string; ip: string; pid: number }[];
  readonly memoryPssBytes: number;
}

/** A command that goes on: its output is collected until it is stopped. */
export class Watch {
  private readonly child: ChildProcess;
  private readonly command: string;
  text = "";

  constructor(command: string, env: NodeJS.ProcessEnv) {
    this.command = command;
    this.child = spawn("sh", ["-c", `exec ${command}`], { env, stdio: ["ignore", "pipe", "pipe"], detached: true });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.on("data", (chunk) => {
        this.text += chunk;
      });
    }
  }

  /** Waits until the output matches. Throws with what came instead. */
  async until(pattern: RegExp, milliseconds = 5000): Promise<RegExpExecArray> {
    const deadline = Date.now() + milliseconds;
    for (;;) {
      const match = pattern.exec(this.text);
      if (match) return match;
      if (Date.now() > deadline) throw new Error(`${this.command}: no ${pattern} in:\n${this.text}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  get isRunning(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  stop(signal: NodeJS.Signals = "SIGTERM"): void {
    try {
      process.kill(-this.child.pid!, signal);
    } catch {
      // ended by itself
    }
  }
}

/** A lab of the tests' own, beside any that the user has. */
export class TestLab {
  readonly name: string;
  private env: NodeJS.ProcessEnv;
  private readonly watches = new Set<Watch>();

  constructor(name: string, env: NodeJS.ProcessEnv = {}) {
    this.name = name;
    this.env = { ...process.env, ...env };
  }

  /** Runs `bin/shieldgate` for this lab. */
  shieldgate(...args: string[]): Promise<Result> {
    return run(join(ROOT, "bin/shieldgate"), ["--name", this.name, ...args], this.env, ROOT);
  }

  /** Brings it up, with options of `up`, and takes over its environment. Throws with what `up` said. */
  async up(...options: string[]): Promise<Result> {
    const result = await this.shieldgate("up", ...options);
    if (result.code !== 0) throw new Error(`up: ${result.stdout}${result.stderr}`);
    await this.enter();
    return result;
  }

  /** Puts the lab's programs on the path and sets KUBECONFIG, as `eval "$(bin/shieldgate env)"` does. */
  async enter(): Promise<void> {
    const script = `eval "$(${join(ROOT, "bin/shieldgate")} --name ${this.name} env)" && env -0`;
    const result = await run("sh", ["-c", script], this.env, ROOT);
    if (result.code !== 0) throw new Error(`env: ${result.stderr}`);
    this.env = Object.fromEntries(
      result.stdout
        .split("\0")
        .filter(Boolean)
        .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
    );
  }

  /** Sets variables for the commands that follow. */
  set(variables: NodeJS.ProcessEnv): void {
    this.env = { ...this.env, ...variables };
  }

  /** Puts a directory before all others on the path. */
  prependPath(directory: string): void {
    this.env = { ...this.env, PATH: `${directory}:${this.env["PATH"]}` };
  }

  /** Types a command line in examples/01-star-wars. */
  sh(command: string): Promise<Result> {
    return run("sh", ["-c", command], this.env, join(ROOT, "examples/01-star-wars"));
  }

  /** Types a command that must succeed; its stdout. */
  async ok(command: string): Promise<string> {
    const result = await this.sh(command);
    if (result.code !== 0) throw new Error(`${command}: exit ${result.code}\n${result.stdout}${result.stderr}`);
    return result.stdout;
  }

  /** Types a command until its output matches; for what becomes true a moment later. */
  async eventually(command: string, pattern: RegExp, milliseconds = 15_000): Promise<string> {
    const deadline = Date.now() + milliseconds;
    for (;;) {
      const result = await this.sh(command);
      if (pattern.test(result.stdout)) return result.stdout;
      if (Date.now() > deadline) throw new Error(`${command}: no ${pattern} in:\n${result.stdout}${result.stderr}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** Starts a command that goes on; stopped at the latest by `down`. */
  watch(command: string): Watch {
    const watch = new Watch(command, this.env);
    this.watches.add(watch);
    return watch;
  }

  async status(): Promise<Status> {
    const result = await this.shieldgate("status", "-o", "json");
    return JSON.parse(result.stdout) as Status;
  }

  async down(): Promise<Result> {
    for (const watch of this.watches) watch.stop();
    return this.shieldgate("down");
  }
}

/** Runs a program to its end; never throws for an exit code. */
export function run(program: string, args: readonly string[], env = process.env, cwd = ROOT): Promise<Result> {
  return new Promise((resolve) => {
    const child = execFile(
      program,
      [...args],
      { env, cwd, maxBuffer: 64 << 20, timeout: 120_000 },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === "number" ? error.code : 124;
        resolve({ stdout, stderr, code });
      },
    );
    child.stdin?.end();
  });
}
