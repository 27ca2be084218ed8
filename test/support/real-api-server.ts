/** A real kube-apiserver with an etcd of its own, for tests and benchmarks that compare with it. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Authority, openAuthority } from "../../src/kube/pki/authority.ts";
import { oracle } from "../oracle/cache.ts";
import { ApiConnection } from "./api-exchange.ts";

const START_MS = 60_000;
/** Waits between two looks at something that starts. */
const LOOK_MS = 20;

/** Why there is no real API server here; undefined when there is one. */
export function realApiServerMissing(): string | undefined {
  return ["etcd", "kube-apiserver"].flatMap((name) => {
    const built = oracle(name);
    return "missing" in built ? [built.missing] : [];
  })[0];
}

/** A running pair. */
export interface RealApiServer {
  readonly url: string;
  readonly authority: Authority;
  /** The administrator's. */
  readonly connection: ApiConnection;
  /** Process ids: of the API server, of etcd. */
  readonly pids: readonly number[];
  /** Milliseconds from the start of etcd until the API server said that it is ready. */
  readonly readyMs: number;
  close(): Promise<void>;
}

/** A port of 127.0.0.1 that nobody has at the moment. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function start(directory: string, name: string, args: readonly string[], before: readonly string[]): ChildProcess {
  const built = oracle(name);
  if ("missing" in built) throw new Error(built.missing);
  const log = openSync(join(directory, `${name}.log`), "w");
  const [program = "", ...rest] = [...before, built.path, ...args];
  return spawn(program, rest, { stdio: ["ignore", log, log] });
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGTERM");
  await new Promise((resolve) => child.once("close", resolve));
}

async function ready(connection: ApiConnection, child: ChildProcess, log: string): Promise<void> {
  const deadline = Date.now() + START_MS;
  while (Date.now() < deadline && child.exitCode === null) {
    const code = await connection.ask({ method: "GET", path: "/readyz" }).then(
      (answer) => answer.code,
      () => 0,
    );
    if (code === 200) return;
    await new Promise((next) => setTimeout(next, LOOK_MS));
  }
  throw new Error(`the real API server did not become ready: ${readFileSync(log, "utf8").slice(-2000)}`);
}

function etcdArguments(directory: string, client: number, peer: number): string[] {
  const peers = `http://127.0.0.1:${peer}`;
  const clients = `http://127.0.0.1:${client}`;
  return [
    ...["--data-dir", join(directory, "etcd"), "--log-level", "error"],
    ...["--listen-client-urls", clients, "--advertise-client-urls", clients],
    ...["--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers, "--initial-cluster", `default=${peers}`],
  ];
}

function serverArguments(pki: string, port: number, etcd: number): string[] {
  const file = (name: string) => join(pki, name);
  return [
    ...["--etcd-servers", `http://127.0.0.1:${etcd}`, "--bind-address", "127.0.0.1", "--secure-port", String(port)],
    ...["--tls-cert-file", file("server.crt"), "--tls-private-key-file", file("server.key")],
    ...["--client-ca-file", file("ca.crt"), "--requestheader-client-ca-file", file("ca.crt")],
    ...["--service-account-key-file", file("sa.crt"), "--service-account-signing-key-file", file("sa.key")],
    ...["--service-account-issuer", "https://kubernetes.default.svc.cluster.local"],
    ...["--service-cluster-ip-range", "10.96.0.0/16", "--endpoint-reconciler-type", "none"],
    ...["--authorization-mode", "RBAC"],
  ];
}

export interface RealApiServerOptions {
  /** A command to start the programs with, as `taskset -c 1`. */
  readonly before?: readonly string[];
  /** Etcd does not sync its log to the disk. */
  readonly unsafeNoSync?: boolean;
}

/**
 * Starts etcd and the API server on free loopback ports, with etcd's own durability unless told otherwise: it syncs its log
 * before it answers.
 * Throws with the end of the log when they do not become ready.
 */
export async function startRealApiServer(options: RealApiServerOptions = {}): Promise<RealApiServer> {
  const directory = mkdtempSync(join(tmpdir(), "shieldgate-real-api-"));
  const pki = join(directory, "pki");
  mkdirSync(pki);
  const authority = openAuthority(pki);
  authority.server("server", "kube-apiserver", ["127.0.0.1", "localhost"]);
  const [client, peer, port] = [await freePort(), await freePort(), await freePort()];
  const url = `https://127.0.0.1:${port}`;
  const began = performance.now();
  const { before = [], unsafeNoSync = false } = options;
  const how = unsafeNoSync ? ["--unsafe-no-fsync"] : [];
  const etcd = start(directory, "etcd", [...etcdArguments(directory, client, peer), ...how], before);
  const server = start(directory, "kube-apiserver", serverArguments(pki, port, client), before);
  const admin = authority.client("admin", "admin", ["system:masters"]);
  const connection = new ApiConnection(url, { ca: authority.ca, ...admin });
  const close = async (): Promise<void> => {
    connection.close();
    await ended(server);
    await ended(etcd);
    rmSync(directory, { recursive: true });
  };
  try {
    await ready(connection, server, join(directory, "kube-apiserver.log"));
  } catch (error) {
    await close();
    throw error;
  }
  const readyMs = performance.now() - began;
  return { url, authority, connection, pids: [server.pid!, etcd.pid!], readyMs, close };
}
