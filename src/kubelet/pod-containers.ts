import { ContainerRunner, type RunnerPlace } from "./container-runner.ts";
import type { Container, Pod } from "./pod.ts";
import { isSidecar, type PodView } from "./pod-status.ts";

/** How often is looked whether a sidecar has started. */
const STARTED_CHECK_MS = 20;

/**
 * A pod's containers: init containers one after the other, sidecars among them started and left running, then the pod's own. At the end
 * its own are stopped first, then the sidecars, the last first.
 */
export class PodContainers {
  private readonly init: readonly ContainerRunner[];
  private readonly own: readonly ContainerRunner[];
  /** They come while the pod runs, and are started once. */
  private readonly ephemeral: ContainerRunner[] = [];
  private readonly place: RunnerPlace;
  /** What ends the pod's containers, once they may run. */
  private running: AbortSignal | undefined;
  /** Ends what is left when the pod's own containers have ended. */
  private readonly over = new AbortController();

  constructor(place: RunnerPlace, pod: Pod) {
    const { spec } = pod;
    const policy = spec.restartPolicy ?? "Always";
    const again = (exitCode: number) => policy === "Always" || (policy === "OnFailure" && exitCode !== 0);
    const initAgain = (exitCode: number) => exitCode !== 0 && policy !== "Never";
    const initContainers = spec.initContainers ?? [];
    const waiting = initContainers.length > 0 ? "PodInitializing" : "ContainerCreating";
    const runner = (container: Container, restart: (exitCode: number) => boolean) =>
      new ContainerRunner(place, container, restart, waiting);
    this.place = place;
    this.init = initContainers.map((one) => runner(one, isSidecar(one) ? () => true : initAgain));
    this.own = spec.containers.map((one) => runner(one, again));
    this.follow(pod);
  }

  get views(): Pick<PodView, "init" | "containers" | "ephemeral"> {
    const views = (runners: readonly ContainerRunner[]) => runners.map((one) => one.view());
    // nobody is sent to an ephemeral container
    const ephemeral = views(this.ephemeral).map((view) => ({ ...view, ready: false }));
    return { init: views(this.init), containers: views(this.own), ephemeral };
  }

  /** Takes up the ephemeral containers that have come to the pod. */
  follow({ spec }: Pod): void {
    for (const container of spec.ephemeralContainers ?? []) {
      if (this.ephemeral.some((one) => one.container.name === container.name)) continue;
      const runner = new ContainerRunner(this.place, container, () => false, "ContainerCreating");
      this.ephemeral.push(runner);
      if (this.running) void runner.run(this.running);
    }
  }

  get names(): readonly string[] {
    return [...this.init, ...this.own, ...this.ephemeral].map(({ container }) => container.name);
  }

  /** The runtime's word that something of a container has ended. */
  exited(name: string): void {
    for (const one of [...this.init, ...this.own, ...this.ephemeral]) if (one.container.name === name) one.exited();
  }

  /** Runs until the pod's own containers have ended for good, or an init container has failed for good, or the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const whileIn = AbortSignal.any([signal, this.over.signal]);
    this.running = whileIn;
    for (const one of this.ephemeral) void one.run(whileIn);
    for (const one of this.init) {
      if (isSidecar(one.container)) await this.startSidecar(one, whileIn);
      else if ((await one.run(whileIn)) !== 0) return;
      this.place.changed();
      if (signal.aborted) return;
    }
    await Promise.all(this.own.map((one) => one.run(whileIn)));
    if (!signal.aborted) await this.stopSidecars(this.place.graceMs());
  }

  /** The pod's own at once, then the sidecars; init containers get no grace. */
  async stop(graceMs: number): Promise<void> {
    this.over.abort();
    const begun = Date.now();
    await Promise.all([...this.own, ...this.ephemeral].map((one) => this.stopOne(one, graceMs)));
    await this.stopSidecars(Math.max(0, graceMs - (Date.now() - begun)));
    const { runtime, sandboxId } = this.place;
    await Promise.all(this.init.map(({ container }) => runtime.stopContainer(sandboxId, container.name, 0)));
    for (const one of [...this.own, ...this.init, ...this.ephemeral]) one.settle();
  }

  private async startSidecar(one: ContainerRunner, signal: AbortSignal): Promise<void> {
    void one.run(signal);
    while (!signal.aborted && !one.view().started) {
      await new Promise((resolve) => setTimeout(resolve, STARTED_CHECK_MS));
    }
  }

  private async stopSidecars(graceMs: number): Promise<void> {
    this.over.abort();
    for (const one of this.init.filter(({ container }) => isSidecar(container)).toReversed()) {
      await this.stopOne(one, graceMs);
      one.settle();
    }
  }

  private async stopOne(one: ContainerRunner, graceMs: number): Promise<void> {
    const { runtime, sandboxId, events, pod } = this.place;
    const { name } = one.container;
    if (runtime.containerStatus(sandboxId, name)?.state !== "running") return;
    events.pod(pod(), "Normal", "Killing", `Stopping container ${name}`, name);
    await one.stop(graceMs);
  }
}
