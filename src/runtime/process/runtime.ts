import { chmodSync, existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createImageCatalogue } from "../images.ts";
import { ownImages } from "../own-images.ts";
import {
  type AttachOptions,
  type ContainerConfig,
  type ContainerStatus,
  type ExecConfig,
  type ExecSession,
  type Runtime,
  RuntimeError,
  type SandboxConfig,
} from "../port.ts";
import { seccompFilter } from "../seccomp.ts";
import { attachToContainer } from "./attach-session.ts";
import { type Container, type ContainerHost, startContainer } from "./container.ts";
import { execInContainer } from "./exec-session.ts";
import { adoptSandbox, createSandbox, removeSandbox, type Sandbox, sandboxLives } from "./sandbox.ts";

export interface ProcessRuntimeOptions {
  /** Where the sandboxes' directories are, one a sandbox; every user must be able to pass through it. */
  readonly root: string;
  /** The node binary for server programs. */
  readonly nodePath: string;
  /** Where `starwars.mjs`, `coredns.mjs` and `native/shieldgate-pod` are. */
  readonly distDirectory: string;
  /** File of the images that the user added; read again when it changes. */
  readonly ownImagesPath?: string;
  readonly bwrapPath?: string;
}

/**
 * Pods as sandboxed processes of this machine. Adopts the sandboxes found under `root`.
 * Throws when the set-up's programs are missing.
 */
export function createProcessRuntime(options: ProcessRuntimeOptions): Runtime {
  const host: ContainerHost = {
    podProgram: join(options.distDirectory, "native/shieldgate-pod"),
    bwrapPath: options.bwrapPath ?? "/usr/bin/bwrap",
    seccompPath: join(options.root, "seccomp.bpf"),
    stage: join(options.root, "stage"),
  };
  for (const program of [host.podProgram, host.bwrapPath]) {
    if (!existsSync(program)) throw new Error(`${program} is missing: npm run setup`);
  }
  mkdirSync(host.stage, { recursive: true, mode: 0o755 });
  chmodSync(options.root, 0o711);
  writeFileSync(host.seccompPath, seccompFilter(), { mode: 0o600 });
  return new ProcessRuntime(options, host);
}

class ProcessRuntime implements Runtime {
  readonly #host: ContainerHost;
  readonly #images: ReturnType<typeof createImageCatalogue>;
  readonly #sandboxes = new Map<string, Sandbox>();
  readonly #uidBases = new Set<number>();
  readonly #listeners: ((sandboxId: string, container: string, exitCode: number) => void)[] = [];

  constructor(options: ProcessRuntimeOptions, host: ContainerHost) {
    this.#host = host;
    const { ownImagesPath, distDirectory } = options;
    const own = ownImagesPath === undefined ? {} : { own: ownImages(ownImagesPath, distDirectory) };
    this.#images = createImageCatalogue({ ...options, ...own });
    for (const entry of readdirSync(options.root, { withFileTypes: true })) {
      if (!entry.isDirectory()) continue;
      const sandbox = adoptSandbox(join(options.root, entry.name), this.#exited);
      if (sandbox !== undefined) this.#add(sandbox);
    }
  }

  checkImage(image: string): void {
    this.#images.find(image);
  }

  async createSandbox(config: SandboxConfig): Promise<{ readonly netnsPath: string; readonly pid: number }> {
    const present = this.#sandboxes.get(config.id);
    if (present !== undefined && !sandboxLives(present)) await this.removeSandbox(config.id);
    if (!this.#sandboxes.has(config.id)) {
      this.#add(await createSandbox(this.#host.podProgram, config, this.#uidBases));
    }
    const { pid } = this.#sandbox(config.id).record.holder;
    return { netnsPath: `/proc/${pid}/ns/net`, pid };
  }

  async startContainer(sandboxId: string, config: ContainerConfig): Promise<ContainerStatus> {
    const sandbox = this.#sandbox(sandboxId);
    const program = this.#images.find(config.image);
    const earlier = sandbox.containers.get(config.name);
    if (earlier !== undefined && earlier.status().state !== "exited") {
      throw new RuntimeError("CreateContainerError", `container ${config.name} is ${earlier.status().state} already`);
    }
    const { holder, uidBase, hostname } = sandbox.record;
    const place = { directory: sandbox.directory, holder: holder.pid, uidBase, hostname };
    const onExit = (code: number) => this.#exited(sandboxId, config.name, code);
    const container = await startContainer(
      this.#host,
      place,
      program,
      config,
      earlier,
      neighbourOf(sandbox, config),
      onExit,
    );
    sandbox.containers.set(config.name, container);
    return container.status();
  }

  containerStatus(sandboxId: string, name: string): ContainerStatus | undefined {
    return this.#sandboxes.get(sandboxId)?.containers.get(name)?.status();
  }

  onExit(listener: (sandboxId: string, container: string, exitCode: number) => void): void {
    this.#listeners.push(listener);
  }

  async stopContainer(sandboxId: string, name: string, graceMs: number): Promise<void> {
    await this.#sandboxes.get(sandboxId)?.containers.get(name)?.stop(graceMs);
  }

  async exec(sandboxId: string, container: string, config: ExecConfig): Promise<ExecSession> {
    const { initPid, record } = runningContainer(this.#sandbox(sandboxId), container);
    return execInContainer(this.#host, initPid, record, config);
  }

  async attach(sandboxId: string, container: string, options: AttachOptions): Promise<ExecSession> {
    const { attachPath, record } = runningContainer(this.#sandbox(sandboxId), container);
    return attachToContainer(attachPath, record, options.stdin);
  }

  async removeSandbox(sandboxId: string): Promise<void> {
    const sandbox = this.#sandboxes.get(sandboxId);
    if (sandbox === undefined) return;
    await removeSandbox(sandbox);
    this.#sandboxes.delete(sandboxId);
    this.#uidBases.delete(sandbox.record.uidBase);
  }

  listSandboxes(): readonly string[] {
    return [...this.#sandboxes.keys()];
  }

  #add(sandbox: Sandbox): void {
    this.#sandboxes.set(sandbox.record.id, sandbox);
    this.#uidBases.add(sandbox.record.uidBase);
  }

  #sandbox(id: string): Sandbox {
    const sandbox = this.#sandboxes.get(id);
    if (sandbox === undefined) throw new RuntimeError("NotFound", `no sandbox ${id}`);
    return sandbox;
  }

  readonly #exited = (sandboxId: string, container: string, code: number): void => {
    for (const listener of this.#listeners) listener(sandboxId, container, code);
  };
}

/** Throws RuntimeError("ContainerNotRunning"). */
function runningContainer(sandbox: Sandbox, name: string): Container {
  const container = sandbox.containers.get(name);
  if (container === undefined || container.initPid === 0) {
    throw new RuntimeError("ContainerNotRunning", `container ${name} is not running`);
  }
  return container;
}

/** The process whose pid namespace a new container joins; 0 for none. Throws RuntimeError when it is to join one that does not run. */
function neighbourOf(sandbox: Sandbox, { sharesProcessesOf }: ContainerConfig): number {
  if (sandbox.record.sharesProcesses) return sandbox.record.holder.pid;
  return sharesProcessesOf === undefined ? 0 : runningContainer(sandbox, sharesProcessesOf).initPid;
}
