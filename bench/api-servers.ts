/** The API servers of the benchmark, ours and the real one, each on one processor. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openAuthority } from "../src/kube/pki/authority.ts";
import { CONTROL_PLANE_FLAGS } from "../src/lab/processes.ts";
import { ApiConnection } from "../test/support/api-exchange.ts";
import { freePort, startRealApiServer } from "../test/support/real-api-server.ts";
import { SERVER_CPU } from "./namespaces.ts";
import { cpuMicroseconds, memoryBytes } from "./proxy-process.ts";

const PINNED = ["taskset", "-c", String(SERVER_CPU)];
const SOCKETS = 16;

/** A server under load. */
export interface MeasuredServer {
  readonly url: string;
  readonly tls: { readonly ca: string; readonly cert: string; readonly key: string };
  readonly connection: ApiConnection;
  /** From the start of its first process until it said that it is ready. */
  readonly readyMs: number;
  /** Memory of all its processes, each shared page by its share. */
  memory(): number;
  /** Processor time of all its processes so far. */
  cpuMicroseconds(): number;
  close(): Promise<void>;
}

const QUIET_LOOKS = 5;
const LOOK_MS = 200;
const PATIENCE_MS = 30_000;

/**
 * Waits until the servers have done what follows the load: they share a processor, and what one does after its own load
 * would be counted as the other's latency. Quiet is a second in which they use no more than a twentieth of each fifth of it.
 */
export async function settled(servers: readonly MeasuredServer[]): Promise<void> {
  const used = () => servers.reduce((sum, server) => sum + server.cpuMicroseconds(), 0);
  const end = performance.now() + PATIENCE_MS;
  let before = used();
  for (let quiet = 0; quiet < QUIET_LOOKS && performance.now() < end; ) {
    await new Promise((next) => setTimeout(next, LOOK_MS));
    const now = used();
    quiet = now - before <= LOOK_MS * 50 ? quiet + 1 : 0;
    before = now;
  }
}

async function untilReady(connection: ApiConnection, child: ChildProcess): Promise<void> {
  while (child.exitCode === null) {
    const answer = await connection.ask({ method: "GET", path: "/readyz" }).catch(() => undefined);
    if (answer?.code === 200) return;
    await new Promise((next) => setTimeout(next, 5));
  }
  throw new Error("our API server ended before it was ready");
}

/** Starts ours with a store of its own. */
export async function startOurs(bundle: string): Promise<MeasuredServer> {
  const directory = mkdtempSync(join(tmpdir(), "shieldgate-bench-api-"));
  const authority = openAuthority(join(directory, "pki"));
  const tls = { ca: authority.ca, ...authority.client("admin", "admin", ["system:masters"]) };
  const port = await freePort();
  const url = `https://127.0.0.1:${port}`;
  const connection = new ApiConnection(url, tls, SOCKETS);
  const began = performance.now();
  const command = [...PINNED, process.execPath, ...CONTROL_PLANE_FLAGS, bundle, directory, String(port)];
  const child = spawn(command[0]!, command.slice(1), { stdio: ["ignore", "ignore", "inherit"] });
  await untilReady(connection, child);
  return {
    ...{ url, tls, connection, readyMs: performance.now() - began },
    memory: () => memoryBytes(child.pid!),
    cpuMicroseconds: () => cpuMicroseconds(child.pid!),
    async close() {
      connection.close();
      const over = new Promise((resolve) => child.once("close", resolve));
      child.kill("SIGKILL");
      await over;
      rmSync(directory, { recursive: true });
    },
  };
}

/** Starts the real one; without `syncs` its store is as ours, safe from the end of the process but not from a power failure. */
export async function startTheirs(syncs: boolean): Promise<MeasuredServer> {
  const real = await startRealApiServer({ before: PINNED, unsafeNoSync: !syncs });
  const { url, authority, readyMs } = real;
  const tls = { ca: authority.ca, ...authority.client("admin", "admin", ["system:masters"]) };
  const connection = new ApiConnection(url, tls, SOCKETS);
  return {
    ...{ url, tls, connection, readyMs },
    memory: () => real.pids.reduce((sum, pid) => sum + memoryBytes(pid), 0),
    cpuMicroseconds: () => real.pids.reduce((sum, pid) => sum + cpuMicroseconds(pid), 0),
    async close() {
      connection.close();
      await real.close();
    },
  };
}
