/** A node of the datapath's tests as the tests drive it: its datapath is a process of its own, datapath-node.ts. */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { NodeConfig } from "../../src/datapath/port.ts";

const root = new URL("../..", import.meta.url).pathname;
export const objectPath = `${root}bpf/build/shieldgate.o`;

export interface LabNode {
  readonly config: NodeConfig;
  readonly netns: string;
  /** Directory of its pinned maps. */
  readonly pins: string;
  call<T>(method: string, ...args: unknown[]): Promise<T>;
  /** Kills the datapath's process without a word, as a crash would. */
  kill(): Promise<void>;
  /** Lets it exit by itself, listening for events as it is. */
  stop(): Promise<void>;
  start(): Promise<number>;
}

export class NodeProcess implements LabNode {
  readonly config: NodeConfig;
  readonly netns: string;
  readonly pins: string;
  #child: ChildProcess | undefined;
  #waiting = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>();
  #next = 0;

  constructor(config: NodeConfig, netns: string, pins: string) {
    this.config = config;
    this.netns = netns;
    this.pins = pins;
  }

  async start(): Promise<number> {
    const child = spawn(
      "nsenter",
      [
        `--net=/run/netns/${this.netns}`,
        process.execPath,
        `${root}test/kernel/datapath-node.ts`,
        this.pins,
        objectPath,
      ],
      { stdio: ["pipe", "pipe", "inherit"] },
    );
    this.#child = child;
    child.once("exit", () => {
      if (this.#child === child) this.#child = undefined;
      this.#rejectAll();
    });
    createInterface({ input: child.stdout }).on("line", (line) => this.#settle(line));
    return this.call<number>("prepareNode", this.config);
  }

  #rejectAll(): void {
    for (const { reject } of this.#waiting.values()) reject(new Error(`${this.netns}: the datapath's process ended`));
    this.#waiting.clear();
  }

  #settle(line: string): void {
    const { id, result, error } = JSON.parse(line) as { id: number; result: never; error?: string };
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error) waiting?.reject(new Error(error));
    else waiting?.resolve(result);
  }

  call<T>(method: string, ...args: unknown[]): Promise<T> {
    const id = this.#next++;
    return new Promise<T>((resolve, reject) => {
      if (!this.#child) return reject(new Error(`${this.netns}: no datapath process for ${method}`));
      this.#waiting.set(id, { resolve, reject });
      this.#child?.stdin?.write(`${JSON.stringify({ id, method, args })}\n`);
    });
  }

  stop(): Promise<void> {
    return this.#end((child) => child.stdin?.end());
  }

  kill(): Promise<void> {
    return this.#end((child) => child.kill("SIGKILL"));
  }

  #end(how: (child: ChildProcess) => void): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
    return new Promise((resolve) => {
      child.once("exit", () => resolve());
      how(child);
    });
  }
}
