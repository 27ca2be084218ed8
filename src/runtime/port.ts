/** A mount of the host's directory or file inside a container. */
export interface Mount {
  readonly hostPath: string;
  readonly mountPath: string;
  readonly readOnly: boolean;
}

export interface SandboxConfig {
  /** Unique in the lab: the pod's uid. */
  readonly id: string;
  readonly namespace: string;
  readonly name: string;
  readonly hostname: string;
  /** `kernel.hostname`-like files of the pod's /etc: resolv.conf and hosts, as text. */
  readonly resolvConf: string;
  readonly hosts: string;
  /** One pid namespace for all containers: they see and may signal each other's processes. */
  readonly sharesProcesses?: boolean;
  /** Directory for this sandbox's state: pid, exit codes, logs, private /tmp, /run, /var. */
  readonly directory: string;
}

export interface ContainerConfig {
  readonly name: string;
  readonly image: string;
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly env: readonly { readonly name: string; readonly value: string }[];
  readonly workingDir?: string;
  readonly mounts: readonly Mount[];
  /** Input and output are one terminal. */
  readonly tty: boolean;
  /** `open`: reads what is attached, now or later. `once`: the same, until the first who fed it ends. Nothing to read when absent. */
  readonly stdin?: "open" | "once";
  /** Name of a running container whose processes this one sees; both end when that one does. */
  readonly sharesProcessesOf?: string;
  /** Inside the pod; root (of the pod, nobody on the host) when absent. */
  readonly user?: { readonly uid: number; readonly gid: number };
  /** Nothing but mounts can be written. */
  readonly readOnlyRoot?: boolean;
}

export interface ContainerStatus {
  readonly name: string;
  readonly state: "created" | "running" | "exited";
  /** In the host's pid namespace, inside the pod's network namespace; 0 when not running. */
  readonly pid: number;
  readonly startedAtMs: number;
  readonly finishedAtMs: number;
  readonly exitCode: number;
  /** 0 for the first start in this sandbox. */
  readonly attempt: number;
  readonly logPath: string;
  /** Log of the attempt before, when there was one. */
  readonly previousLogPath?: string;
}

export interface ExecConfig {
  readonly command: readonly string[];
  readonly tty: boolean;
  readonly stdin: boolean;
}

export interface AttachOptions {
  /** Feed the container; nothing happens to what is fed to one that has no input. */
  readonly stdin: boolean;
}

/** A running command. Streams are Node streams; with a tty stderr stays empty. */
export interface ExecSession {
  readonly stdin: NodeJS.WritableStream | undefined;
  readonly stdout: NodeJS.ReadableStream;
  readonly stderr: NodeJS.ReadableStream | undefined;
  resize(columns: number, rows: number): void;
  kill(signal: NodeJS.Signals): void;
  /** Exit code; 128 + signal when a signal ended it. */
  readonly exit: Promise<number>;
}

/** An error whose name kubectl users know: `ErrImagePull`, `InvalidImageName`, `CreateContainerError`. */
export class RuntimeError extends Error {
  readonly reason: string;
  constructor(reason: string, message: string) {
    super(message);
    this.name = "RuntimeError";
    this.reason = reason;
  }
}

/**
 * Runs pods. A sandbox is the pod's own network namespace held by a small process; containers start inside it only
 * after the caller has set up its network. State is on disk, so that a restarted kubelet adopts what runs.
 */
export interface Runtime {
  /** Throws RuntimeError("ErrImagePull") that says what exists, when no program is known for the image. */
  checkImage(image: string): void;
  /** Returns the path of the pod's network namespace, which has only a downed loopback. */
  createSandbox(config: SandboxConfig): Promise<{ readonly netnsPath: string; readonly pid: number }>;
  startContainer(sandboxId: string, config: ContainerConfig): Promise<ContainerStatus>;
  containerStatus(sandboxId: string, name: string): ContainerStatus | undefined;
  /** Called at each exit, also of containers adopted from a predecessor. */
  onExit(listener: (sandboxId: string, container: string, exitCode: number) => void): void;
  stopContainer(sandboxId: string, name: string, graceMs: number): Promise<void>;
  exec(sandboxId: string, container: string, config: ExecConfig): Promise<ExecSession>;
  /**
   * Joins a running container's own streams: its output from now on, and its input where it has one. `kill` lets go of it, whatever
   * the signal: the container runs on. `exit` resolves with 0 when either side has ended.
   */
  attach(sandboxId: string, container: string, options: AttachOptions): Promise<ExecSession>;
  /** Ends every process and removes the namespace and the directory. */
  removeSandbox(sandboxId: string): Promise<void>;
  listSandboxes(): readonly string[];
}
