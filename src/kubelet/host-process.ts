import { readFileSync } from "node:fs";
import { type KubeClient, KubeError, Pods } from "../kube/client/index.ts";
import { type ExecConfig, type ExecSession, RuntimeError } from "../runtime/port.ts";
import { addressesOf, type KubeletNode } from "./options.ts";
import { aborted, pause } from "./pause.ts";
import { hostProcessOf, type Pod, podKey } from "./pod.ts";
import { podStatus } from "./pod-status.ts";
import { StatusWriter } from "./status-writer.ts";

/** What the supervisor writes about a process of a node. */
export interface HostProcessRecord {
  readonly pid: number;
  readonly startedAtMs: number;
  readonly restarts: number;
  readonly logPath: string;
}

const LOOK_MS = 100;
/** How long an agent or proxy may take to end after SIGTERM. */
const GRACE_MS = 5000;
const NEVER = new AbortController().signal;

export function readHostProcess(path: string): HostProcessRecord | undefined {
  try {
    const record = JSON.parse(readFileSync(path, "utf8")) as HostProcessRecord;
    process.kill(record.pid, 0);
    return record;
  } catch {
    return undefined;
  }
}

/**
 * A pod that stands for the node's agent or proxy. The supervisor runs the process; here it is shown, and entered by
 * exec. Deleting the pod ends the process; the supervisor starts another, which the DaemonSet's next pod shows.
 */
export class HostProcessWorker {
  readonly #client: KubeClient;
  readonly #node: KubeletNode;
  readonly #enter: (pid: number, config: ExecConfig) => ExecSession;
  readonly #writer: StatusWriter;
  readonly #ending = new AbortController();
  readonly #startedAtMs = Date.now();
  readonly done: Promise<void>;
  #pod: Pod;
  #gone = false;
  #shownRestarts: number;
  #restartsBefore: number | undefined;

  constructor(
    client: KubeClient,
    node: KubeletNode,
    pod: Pod,
    enter: (pid: number, config: ExecConfig) => ExecSession,
    log: (line: string) => void,
  ) {
    this.#client = client;
    this.#node = node;
    this.#pod = pod;
    this.#enter = enter;
    this.#shownRestarts = restartCount(pod);
    this.#writer = new StatusWriter(client, pod, log);
    if (pod.metadata.deletionTimestamp !== undefined) this.#ending.abort();
    this.done = this.#run().catch((error: Error) => log(`pod ${podKey(pod)}: ${error.message}`));
  }

  get pod(): Pod {
    return this.#pod;
  }

  get podIP(): string {
    return this.#node.address;
  }

  get netnsPath(): string {
    return this.#node.netnsPath;
  }

  get record(): HostProcessRecord | undefined {
    return readHostProcess(this.#recordPath);
  }

  get #recordPath(): string {
    return this.#node.records[hostProcessOf(this.#pod) ?? "agent"];
  }

  update(pod: Pod): void {
    this.#pod = pod;
    if (pod.metadata.deletionTimestamp !== undefined) this.#ending.abort();
  }

  detach(): void {
    this.gone();
  }

  gone(): void {
    this.#gone = true;
    this.#writer.close();
    this.#ending.abort();
  }

  exited(): void {}

  async exec(_container: string, config: ExecConfig): Promise<ExecSession> {
    const { record } = this;
    if (record === undefined)
      throw new RuntimeError(
        "ContainerNotRunning",
        `the ${hostProcessOf(this.#pod)} of ${this.#node.name} is not running: shieldgate status says why`,
      );
    return this.#enter(record.pid, config);
  }

  async attach(): Promise<ExecSession> {
    throw new RuntimeError(
      "InvalidArgument",
      `nobody can attach to the ${hostProcessOf(this.#pod)} of a node: use kubectl logs -f or kubectl exec`,
    );
  }

  async #run(): Promise<void> {
    const { signal } = this.#ending;
    while (!signal.aborted) {
      this.#show();
      await pause(LOOK_MS, signal);
    }
    await aborted(signal);
    if (this.#gone) return;
    await this.#endProcess();
    await this.#deleteObject();
  }

  #show(): void {
    const { record } = this;
    const [container] = this.#pod.spec.containers;
    const view = {
      container: container!,
      restarts: this.#restarts(record),
      ready: record !== undefined,
      started: record !== undefined,
      ...(record
        ? { runningSinceMs: record.startedAtMs, id: `shieldgate://${this.#node.name}/${record.pid}` }
        : { waiting: { reason: "ContainerCreating", message: "the supervisor starts it" } }),
    };
    const status = podStatus(
      this.#pod,
      {
        ...{ init: [], containers: [view], podIPs: addressesOf(this.#node), hostIPs: addressesOf(this.#node) },
        ...{ startedAtMs: this.#startedAtMs, sandboxReady: true },
      },
      Date.now(),
    );
    this.#writer.set(status);
  }

  /** Starts again that this pod has seen: those before it were another pod's. */
  #restarts(record: HostProcessRecord | undefined): number {
    if (record === undefined) return this.#shownRestarts;
    this.#restartsBefore ??= record.restarts - this.#shownRestarts;
    this.#shownRestarts = Math.max(0, record.restarts - this.#restartsBefore);
    return this.#shownRestarts;
  }

  /** Ends the process that this pod showed, at once when it does not heed the signal. */
  async #endProcess(): Promise<void> {
    const { record } = this;
    if (record === undefined) return;
    process.kill(record.pid, "SIGTERM");
    const deadline = Date.now() + GRACE_MS;
    while (readHostProcess(this.#recordPath)?.pid === record.pid) {
      if (Date.now() > deadline) process.kill(record.pid, "SIGKILL");
      await pause(LOOK_MS / 10, NEVER);
    }
  }

  async #deleteObject(): Promise<void> {
    const { name, namespace, uid } = this.#pod.metadata;
    try {
      const options = {
        ...(namespace ? { namespace } : {}),
        gracePeriodSeconds: 0,
        ...(uid ? { preconditions: { uid } } : {}),
      };
      await this.#client.delete(Pods, name, options);
    } catch (error) {
      if (!(error instanceof KubeError)) throw error;
    }
  }
}

function restartCount(pod: Pod): number {
  const { containerStatuses = [] } = (pod["status"] ?? {}) as {
    containerStatuses?: readonly { restartCount?: number }[];
  };
  return containerStatuses[0]?.restartCount ?? 0;
}
