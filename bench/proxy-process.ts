import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PROXY_FLAGS } from "../src/lab/processes.ts";
import { bootstrapConfig } from "../src/proxy/bootstrap.ts";
import type { LabNode } from "../test/kernel/datapath-lab.ts";
import { ROOT } from "../test/support/lab.ts";
import { SERVER_CPU } from "./namespaces.ts";

/** Where to start a node's proxy, and what it speaks with. */
export interface ProxyPlace {
  readonly node: LabNode;
  readonly directory: string;
  /** Of the discovery that is its agent. */
  readonly xdsPath: string;
}

/** Starts a program pinned to a processor, in a namespace, with as many open files as may be. */
export function startPinned(netns: string, words: readonly string[], cpu = SERVER_CPU): ChildProcess {
  const limit = ["sh", "-c", 'ulimit -Sn $(ulimit -Hn) && exec "$@"', "sh"];
  const pinned = ["taskset", "-c", String(cpu), ...limit, ...words];
  return spawn("nsenter", [`--net=/run/netns/${netns}`, ...pinned], { stdio: ["ignore", "ignore", "inherit"] });
}

/** Starts the real proxy of a node of the datapath's lab, as `shieldgate up` starts it; `SHIELDGATE_BENCH_NODE_FLAGS` adds flags for Node. */
export function startProxy({ node, directory, xdsPath }: ProxyPlace): ChildProcess {
  const bootstrap = join(directory, "bootstrap.json");
  writeFileSync(bootstrap, JSON.stringify(bootstrapConfig({ xdsPath, adminPath: join(directory, "admin.sock") })));
  const profile = (process.env["SHIELDGATE_BENCH_NODE_FLAGS"] ?? "").split(" ").filter((flag) => flag !== "");
  const main = [process.execPath, ...PROXY_FLAGS, ...profile, join(ROOT, "dist/proxy.mjs")];
  return startPinned(node.netns, [...main, "--bootstrap", bootstrap, "--pins", node.pins]);
}

/** Ends a process, and waits until it has. */
export async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const over = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await over;
}

/** Processor time that a process and its threads have taken so far, in microseconds. */
export function cpuMicroseconds(pid: number): number {
  const tasks = `/proc/${pid}/task`;
  const spent = readdirSync(tasks).map((task) => {
    try {
      return Number(readFileSync(`${tasks}/${task}/schedstat`, "utf8").split(" ", 1)[0]);
    } catch {
      return 0; // a thread that has just ended
    }
  });
  return spent.reduce((sum, each) => sum + each, 0) / 1000;
}

/** Memory of a process, each shared page by its share, in bytes. */
export function memoryBytes(pid: number): number {
  return 1024 * Number(/^Pss: +(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1]);
}
