import { spawn } from "node:child_process";
import { chownSync, existsSync, type FSWatcher, mkdirSync, readFileSync, rmSync, watch, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Program } from "../images.ts";
import { type ContainerConfig, type ContainerStatus, RuntimeError } from "../port.ts";
import { identify, isAlive, type ProcessIdentity, signal } from "./process-table.ts";
import { DEFAULT_PATH, isMissing, readTail, rootFilesystem } from "./root-filesystem.ts";
import { parseShimStatus, type ShimStatus } from "./status-file.ts";

/** Programs and paths that every container needs. */
export interface ContainerHost {
  /** dist/native/shieldgate-pod */
  readonly podProgram: string;
  readonly bwrapPath: string;
  readonly seccompPath: string;
  /** An empty directory that everyone may enter; the shim mounts over it, seen by its container only. */
  readonly stage: string;
}

/** What lies on disk about a container, enough to adopt it and to run commands in it. */
export interface ContainerRecord {
  readonly name: string;
  readonly attempt: number;
  readonly shim: ProcessIdentity | undefined;
  readonly createdAtMs: number;
  readonly environment: Readonly<Record<string, string>>;
  readonly workingDirectory: string;
  readonly uid: number;
  readonly gid: number;
  readonly tty: boolean;
  readonly stdin?: "open" | "once";
}

interface Launch {
  /** A process whose pid namespace the container joins; 0 for one of its own. */
  readonly neighbour: number;
  /** Options of bubblewrap. */
  readonly options: readonly string[];
  readonly sources: readonly string[];
  readonly command: readonly string[];
}

const KILLED = 137;
const KILL_WAIT_MS = 5_000;
const LIVENESS_INTERVAL_MS = 2_000;

/** One container of a sandbox: its present attempt, found again from its directory after a restart. */
export class Container {
  readonly directory: string;
  record: ContainerRecord;
  #status: ShimStatus = parseShimStatus("");
  #watcher: FSWatcher | undefined;
  #liveness: NodeJS.Timeout | undefined;
  readonly #waiting = new Set<() => void>();
  readonly #onExit: (code: number) => void;

  constructor(directory: string, record: ContainerRecord, onExit: (code: number) => void) {
    this.directory = directory;
    this.record = record;
    this.#onExit = onExit;
  }

  /** Takes over what an earlier process started; tells its end, also when it came meanwhile. */
  static adopt(directory: string, onExit: (code: number) => void): Container | undefined {
    try {
      const record = JSON.parse(readFileSync(join(directory, "container.json"), "utf8")) as ContainerRecord;
      const container = new Container(directory, record, onExit);
      container.#observe();
      return container;
    } catch {
      return undefined;
    }
  }

  get logPath(): string {
    return join(this.directory, `${this.record.attempt}.log`);
  }

  /** Where its shim listens for those who attach. */
  get attachPath(): string {
    return join(this.directory, `${this.record.attempt}.attach`);
  }

  get initPid(): number {
    return this.#status.end === undefined ? this.#status.initPid : 0;
  }

  status(): ContainerStatus {
    const { end, startedAtMs, programPid } = this.#status;
    const previous = join(this.directory, `${this.record.attempt - 1}.log`);
    return {
      name: this.record.name,
      state: end !== undefined ? "exited" : startedAtMs > 0 ? "running" : "created",
      pid: end === undefined ? programPid : 0,
      startedAtMs: startedAtMs || this.record.createdAtMs,
      finishedAtMs: end?.atMs ?? 0,
      exitCode: end?.code ?? 0,
      attempt: this.record.attempt,
      logPath: this.logPath,
      ...(this.record.attempt > 0 && existsSync(previous) ? { previousLogPath: previous } : {}),
    };
  }

  /** Starts the shim and waits until the program runs, or has ended already. */
  async start(host: ContainerHost, holder: number, launch: Launch): Promise<void> {
    const file = join(this.directory, "arguments");
    writeFileSync(file, launch.options.map((argument) => `${argument}\0`).join(""), { mode: 0o600 });
    const status = join(this.directory, `${this.record.attempt}.status`);
    writeFileSync(status, "");
    for (const suffix of ["log", "log.1", "status", "attach"]) {
      rmSync(join(this.directory, `${this.record.attempt - 2}.${suffix}`), { force: true });
    }
    const { stdin } = this.record;
    const child = spawn(
      host.podProgram,
      [
        ...["run", String(holder), status, this.logPath, this.attachPath, host.seccompPath, host.stage, file],
        ...[this.record.tty ? "tty" : "pipe", stdin === "open" ? "stdin" : (stdin ?? "-"), String(launch.neighbour)],
        ...[...launch.sources, "--", host.bwrapPath, ...launch.command],
      ],
      { detached: true, stdio: "ignore", env: {}, cwd: "/" },
    );
    child.unref();
    if (child.pid === undefined)
      throw new RuntimeError("CreateContainerError", `${host.podProgram} does not start: run set-up`);
    this.record = { ...this.record, shim: identify(child.pid) };
    writeFileSync(join(this.directory, "container.json"), JSON.stringify(this.record), { mode: 0o600 });
    this.#observe();
    child.on("exit", () => this.#refresh());
    await this.#until(() => this.#status.startedAtMs > 0 || this.#status.end !== undefined, 10_000);
    // a child's end is told by its exit, without looking
    clearInterval(this.#liveness);
    if (this.#status.end?.failed) {
      throw new RuntimeError("CreateContainerError", `sandbox of ${this.record.name}: ${readTail(this.logPath, 400)}`);
    }
  }

  /** SIGTERM to the program, SIGKILL to all after `graceMs`. Returns when it has ended. */
  async stop(graceMs: number): Promise<void> {
    if (this.#status.end !== undefined) return;
    if (graceMs > 0 && this.#status.programPid > 0) {
      signal(this.#status.programPid, "SIGTERM");
      if (await this.#until(() => this.#status.end !== undefined, graceMs)) return;
    }
    this.kill();
    await this.#until(() => this.#status.end !== undefined, KILL_WAIT_MS);
  }

  kill(): void {
    if (this.#status.end !== undefined) return;
    if (this.#status.initPid > 0) signal(this.#status.initPid, "SIGKILL");
    else if (isAlive(this.record.shim)) signal(this.record.shim!.pid, "SIGKILL");
  }

  /** Stops looking; the container goes on. */
  release(): void {
    this.#watcher?.close();
    clearInterval(this.#liveness);
  }

  #observe(): void {
    this.release();
    this.#status = parseShimStatus("");
    this.#watcher = watch(this.directory, { persistent: false }, (_event, file) => {
      if (file === `${this.record.attempt}.status`) this.#refresh();
    });
    this.#liveness = setInterval(() => this.#refresh(), LIVENESS_INTERVAL_MS).unref();
    queueMicrotask(() => this.#refresh());
  }

  #refresh(): void {
    if (this.#status.end !== undefined) return;
    const path = join(this.directory, `${this.record.attempt}.status`);
    const alive = isAlive(this.record.shim);
    if (!existsSync(path)) return;
    this.#status = parseShimStatus(readFileSync(path, "utf8"));
    // read after the look at the shim: a shim that is gone has written its last line before
    if (this.#status.end === undefined && !alive) {
      this.#status = { ...this.#status, end: { code: KILLED, atMs: Date.now(), failed: false } };
    }
    for (const wake of [...this.#waiting]) wake();
    if (this.#status.end === undefined) return;
    this.release();
    this.#onExit(this.#status.end.code);
  }

  async #until(done: () => boolean, timeoutMs: number): Promise<boolean> {
    if (done()) return true;
    return new Promise((resolve) => {
      const finish = (result: boolean) => {
        clearTimeout(timer);
        this.#waiting.delete(look);
        resolve(result);
      };
      const look = () => {
        if (done()) finish(true);
      };
      const timer = setTimeout(() => finish(done()), timeoutMs);
      this.#waiting.add(look);
    });
  }
}

/** What to run, as Kubernetes reads command and args. Throws RuntimeError when there is nothing or it is missing. */
export function commandOf(config: ContainerConfig, program: Program, path: string): readonly string[] {
  const fromImage = config.command === undefined;
  const argv = [...(config.command ?? program.entrypoint), ...(config.args ?? (fromImage ? program.command : []))];
  const [first] = argv;
  if (first === undefined)
    throw new RuntimeError("CreateContainerError", "no command specified: set `command` or `args`");
  if (isMissing(first, path, program)) {
    throw new RuntimeError(
      "RunContainerError",
      `exec: "${first}": executable file not found in $PATH; this machine's /usr is the image`,
    );
  }
  return argv;
}

/** Makes the directory of a container's next attempt and starts it, in the pid namespace of process `neighbour` unless that is 0. */
export async function startContainer(
  host: ContainerHost,
  sandbox: { readonly directory: string; readonly holder: number; readonly uidBase: number; readonly hostname: string },
  program: Program,
  config: ContainerConfig,
  earlier: Container | undefined,
  neighbour: number,
  onExit: (code: number) => void,
): Promise<Container> {
  const environment: Record<string, string> = { PATH: DEFAULT_PATH, HOSTNAME: sandbox.hostname, HOME: "/root" };
  if (config.tty) environment["TERM"] = "xterm";
  for (const { name, value } of config.env) environment[name] = value;
  const argv = commandOf(config, program, environment["PATH"] ?? DEFAULT_PATH);
  const directory = join(sandbox.directory, "containers", config.name);
  mkdirSync(directory, { recursive: true });
  const { uid, gid } = config.user ?? { uid: 0, gid: 0 };
  const inSandbox = config.mounts.filter(
    (mount) => !mount.readOnly && mount.hostPath.startsWith(`${sandbox.directory}/`),
  );
  for (const mount of inSandbox) chownSync(mount.hostPath, sandbox.uidBase, sandbox.uidBase);
  const root = rootFilesystem(join(sandbox.directory, "etc"), host.stage, program, config);
  const container = new Container(
    directory,
    {
      name: config.name,
      attempt: (earlier?.record.attempt ?? -1) + 1,
      shim: undefined,
      createdAtMs: Date.now(),
      environment,
      workingDirectory: config.workingDir ?? "/",
      uid,
      gid,
      tty: config.tty,
      ...(config.stdin === undefined ? {} : { stdin: config.stdin }),
    },
    onExit,
  );
  earlier?.release();
  const options = [
    ...(neighbour > 0 ? ["--pidns", "8"] : ["--unshare-pid"]),
    ...["--unshare-cgroup-try", "--die-with-parent", "--json-status-fd", "3", "--seccomp", "4"],
    // another name for the pod's root: on the host it stays the same id, and so do its volumes
    ...(uid === 0 && gid === 0 ? [] : ["--unshare-user", "--uid", String(uid), "--gid", String(gid)]),
    ...[
      "--cap-drop",
      "ALL",
      "--clearenv",
      ...Object.entries(environment).flatMap(([name, value]) => ["--setenv", name, value]),
    ],
    ...root.arguments,
    ...["--chdir", config.workingDir ?? "/"],
  ];
  await container.start(host, sandbox.holder, { neighbour, options, sources: root.sources, command: argv });
  return container;
}
