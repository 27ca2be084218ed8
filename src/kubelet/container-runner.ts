import { fieldsOf, listOf } from "../kube/object.ts";
import { type ContainerConfig, type ContainerStatus, type Runtime, RuntimeError } from "../runtime/port.ts";
import { durationText, RestartBackOff } from "./back-off.ts";
import type { EventRecorder } from "./events.ts";
import { runHook } from "./hook.ts";
import { pause } from "./pause.ts";
import type { Container, Pod } from "./pod.ts";
import type { ContainerView, Terminated } from "./pod-status.ts";
import type { ProbeTarget } from "./probe.ts";
import { Prober } from "./prober.ts";

/** What a container's runner needs of its pod. */
export interface RunnerPlace {
  readonly sandboxId: string;
  readonly runtime: Runtime;
  readonly events: EventRecorder;
  readonly pod: () => Pod;
  /** Mounts and environment, read anew for each start. Rejects when a source is missing. */
  readonly configure: (container: Container) => Promise<ContainerConfig>;
  readonly probeTarget: (container: Container) => ProbeTarget;
  readonly changed: () => void;
  readonly graceMs: () => number;
}

interface Reported {
  readonly started: boolean;
  readonly ready: boolean;
}

const IMAGE_REASONS = new Set(["ErrImagePull", "InvalidImageName"]);
const IMAGE_FIRST_MS = 10_000;
const IMAGE_LAST_MS = 300_000;
/** How soon a missing ConfigMap or Secret is asked for again. */
const CONFIG_RETRY_MS = 1_000;
/** A hook at the start has no limit of its own in Kubernetes; here it must not hold a pod for ever. */
const HOOK_TIMEOUT_MS = 300_000;
/** After a hook that used up the grace a container still gets this long. */
const LEAST_GRACE_MS = 2_000;

/** One container: started, probed, started again by the restart policy, with Kubernetes' back-off. */
export class ContainerRunner {
  readonly container: Container;
  readonly #place: RunnerPlace;
  readonly #restart: (exitCode: number) => boolean;
  #waiting: ContainerView["waiting"];
  #running: ContainerStatus | undefined;
  #terminated: Terminated | undefined;
  #last: Terminated | undefined;
  #restarts = 0;
  #prober: Prober | undefined;
  #wake: (() => void) | undefined;
  #imageDelayMs = IMAGE_FIRST_MS;

  /** `restart` says whether an exit code is followed by another start. */
  constructor(place: RunnerPlace, container: Container, restart: (exitCode: number) => boolean, waiting: string) {
    this.#place = place;
    this.container = container;
    this.#restart = restart;
    this.#waiting = { reason: waiting };
  }

  view(): ContainerView {
    const running = this.#running !== undefined;
    const known = running || this.#terminated !== undefined || this.#last !== undefined;
    return {
      container: this.container,
      ...(this.#waiting ? { waiting: this.#waiting } : {}),
      ...(this.#running ? { runningSinceMs: this.#running.startedAtMs } : {}),
      ...(this.#terminated ? { terminated: this.#terminated } : {}),
      ...(this.#last ? { last: this.#last } : {}),
      restarts: this.#restarts,
      ready: running && (this.#prober?.ready ?? false),
      started: running && (this.#prober?.started ?? false),
      ...(known ? { id: `shieldgate://${this.#place.sandboxId}/${this.container.name}/${this.#restarts}` } : {}),
    };
  }

  /** The runtime's word that something of this container has ended. */
  exited(): void {
    this.#wake?.();
  }

  /** Runs until no start is to follow (then the exit code) or the signal aborts (then undefined). */
  async run(signal: AbortSignal): Promise<number | undefined> {
    let status = this.#place.runtime.containerStatus(this.#place.sandboxId, this.container.name);
    const backOff = new RestartBackOff(status?.attempt ?? 0);
    let assumed = status === undefined ? undefined : this.#reported();
    while (!signal.aborted) {
      status ??= await this.#start(signal);
      if (status === undefined) return undefined;
      const end = await this.#watch(status, signal, assumed);
      assumed = undefined;
      if (end === undefined) return undefined;
      if (!this.#restart(end.exitCode)) return end.exitCode;
      await this.#backOff(backOff.next(end.finishedAtMs - end.startedAtMs), end, signal);
      status = undefined;
    }
    return undefined;
  }

  /** What an earlier kubelet told the API of this container. */
  #reported(): Reported | undefined {
    const statuses = listOf(this.#place.pod().status?.["containerStatuses"]).map(fieldsOf);
    const own = statuses.find((status) => status["name"] === this.container.name);
    return own && { started: own["started"] === true, ready: own["ready"] === true };
  }

  async #start(signal: AbortSignal): Promise<ContainerStatus | undefined> {
    while (!signal.aborted) {
      try {
        return await this.#startOnce();
      } catch (error) {
        await this.#failed(error as Error, signal);
      }
    }
    return undefined;
  }

  async #startOnce(): Promise<ContainerStatus> {
    const { runtime, sandboxId } = this.#place;
    const image = this.container.image ?? "";
    runtime.checkImage(image);
    const config = await this.#place.configure(this.container);
    this.#event("Normal", "Pulled", `Container image "${image}" already present on machine`);
    this.#event("Normal", "Created", `Created container: ${this.container.name}`);
    const status = await runtime.startContainer(sandboxId, config);
    this.#event("Normal", "Started", `Started container ${this.container.name}`);
    await this.#postStart();
    return status;
  }

  /** A container whose hook fails is stopped, and started again as one that failed. */
  async #postStart(): Promise<void> {
    const hook = this.container.lifecycle?.postStart;
    if (hook === undefined) return;
    const { runtime, sandboxId, probeTarget, graceMs } = this.#place;
    const failure = await runHook(probeTarget(this.container), hook, HOOK_TIMEOUT_MS);
    if (failure === undefined) return;
    this.#event("Warning", "FailedPostStartHook", `PostStartHook failed: ${failure}`);
    await runtime.stopContainer(sandboxId, this.container.name, graceMs());
  }

  /** Stops the container as it wants to be stopped: its hook first, then the signal, all within its grace. */
  async stop(graceMs: number): Promise<void> {
    const { runtime, sandboxId, probeTarget } = this.#place;
    const { name, lifecycle } = this.container;
    const begun = Date.now();
    if (lifecycle?.preStop !== undefined && graceMs > 0) {
      const failure = await runHook(probeTarget(this.container), lifecycle.preStop, graceMs);
      if (failure !== undefined) this.#event("Warning", "FailedPreStopHook", `PreStopHook failed: ${failure}`);
    }
    const left = graceMs - (Date.now() - begun);
    await runtime.stopContainer(
      sandboxId,
      name,
      lifecycle?.preStop === undefined ? graceMs : Math.max(LEAST_GRACE_MS, left),
    );
  }

  async #failed(error: Error, signal: AbortSignal): Promise<void> {
    const reason = error instanceof RuntimeError ? error.reason : "CreateContainerConfigError";
    if (reason === "ErrImagePull") this.#event("Normal", "Pulling", `Pulling image "${this.container.image}"`);
    this.#event(
      "Warning",
      IMAGE_REASONS.has(reason) && reason !== "ErrImagePull" ? "InspectFailed" : "Failed",
      failureText(reason, this.container, error),
    );
    this.#wait(reason, error.message);
    if (reason === "InvalidImageName") return pause(IMAGE_LAST_MS, signal);
    if (reason !== "ErrImagePull")
      return pause(reason === "CreateContainerConfigError" ? CONFIG_RETRY_MS : IMAGE_FIRST_MS, signal);
    await pause(Math.min(2_000, this.#imageDelayMs), signal);
    if (signal.aborted) return;
    this.#event("Normal", "BackOff", `Back-off pulling image "${this.container.image}"`);
    this.#wait("ImagePullBackOff", `Back-off pulling image "${this.container.image}": ${error.message}`);
    await pause(this.#imageDelayMs, signal);
    this.#imageDelayMs = Math.min(this.#imageDelayMs * 2, IMAGE_LAST_MS);
  }

  #wait(reason: string, message: string): void {
    if (this.#terminated) this.#last = this.#terminated;
    this.#terminated = undefined;
    this.#waiting = { reason, message };
    this.#place.changed();
  }

  /** Follows one run to its end. Undefined when the signal came first: the container then still runs. */
  async #watch(
    status: ContainerStatus,
    signal: AbortSignal,
    assumed: Reported | undefined,
  ): Promise<Terminated | undefined> {
    const { runtime, sandboxId, changed } = this.#place;
    const probes = new AbortController();
    const stop = () => probes.abort();
    signal.addEventListener("abort", stop, { once: true });
    this.#waiting = undefined;
    if (this.#terminated) this.#last = this.#terminated;
    this.#terminated = undefined;
    this.#restarts = status.attempt;
    this.#running = status;
    this.#prober = new Prober(this.#place.probeTarget(this.container), this.#probeListener(), probes.signal, assumed);
    changed();
    let now: ContainerStatus | undefined = runtime.containerStatus(sandboxId, this.container.name);
    while (now !== undefined && now.state !== "exited" && !signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        signal.addEventListener("abort", () => resolve(), { once: true });
      });
      now = runtime.containerStatus(sandboxId, this.container.name);
    }
    stop();
    signal.removeEventListener("abort", stop);
    this.settle();
    return signal.aborted ? undefined : this.#terminated;
  }

  /** Reads from the runtime whether the container has ended. */
  settle(): void {
    const now = this.#place.runtime.containerStatus(this.#place.sandboxId, this.container.name);
    if (now?.state !== "exited" || this.#running === undefined) return;
    this.#running = undefined;
    this.#prober = undefined;
    this.#terminated = {
      exitCode: now.exitCode,
      reason: now.exitCode === 0 ? "Completed" : "Error",
      startedAtMs: now.startedAtMs,
      finishedAtMs: now.finishedAtMs,
    };
    this.#place.changed();
  }

  async #backOff(delayMs: number, end: Terminated, signal: AbortSignal): Promise<void> {
    const rest = end.finishedAtMs + delayMs - Date.now();
    if (delayMs === 0 || rest <= 0) return;
    const text = `back-off ${durationText(delayMs)} restarting failed container=${this.container.name} pod=${this.#podText()}`;
    this.#event(
      "Warning",
      "BackOff",
      `Back-off restarting failed container ${this.container.name} in pod ${this.#podText()}`,
    );
    this.#wait("CrashLoopBackOff", text);
    await pause(rest, signal);
  }

  #probeListener() {
    const { changed, graceMs } = this.#place;
    return {
      changed,
      unhealthy: (kind: string, message: string) =>
        this.#event("Warning", "Unhealthy", `${kind} probe failed: ${message}`),
      kill: (kind: string) => {
        this.#event(
          "Normal",
          "Killing",
          `Container ${this.container.name} failed ${kind.toLowerCase()} probe, will be restarted`,
        );
        void this.stop(graceMs());
      },
    };
  }

  #podText(): string {
    const { name, namespace, uid } = this.#place.pod().metadata;
    return `${name}_${namespace}(${uid})`;
  }

  #event(type: "Normal" | "Warning", reason: string, message: string): void {
    this.#place.events.pod(this.#place.pod(), type, reason, message, this.container.name);
  }
}

function failureText(reason: string, container: Container, error: Error): string {
  if (reason === "ErrImagePull") return `Failed to pull image "${container.image}": ${error.message}`;
  return reason === "CreateContainerConfigError" ? `Error: ${error.message}` : error.message;
}
