import { ContainerRunner, type RunnerPlace } from "./container-runner.ts";
import type { Container, Pod } from "./pod.ts";
import { type ContainerView, isSidecar } from "./pod-status.ts";

/** How often is looked whether a sidecar has started. */
const STARTED_CHECK_MS = 20;

/**
 * A pod's containers: init containers one after the other, sidecars among them started and left running, then the pod's own. At the end
 * its own are stopped first, then the sidecars, the last first.
 */
export class PodContainers {
  private readonly init: readonly ContainerRunner[];
  private readonly own: readonly ContainerRunner[];
  private readonly place: RunnerPlace;
  /** Ends what is left when the pod's own containers have ended. */
  private readonly over = new AbortController();

  constructor(place: RunnerPlace, { spec }: Pod) {
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
  }

  get views(): { readonly init: readonly ContainerView[]; readonly containers: readonly ContainerView[] } {
    return { init: this.init.map((one) => one.view()), containers: this.own.map((one) => one.view()) };
  }

  get names(): readonly string[] {
    return [...this.init, ...this.own].map(({ container }) => container.name);
  }

  /** The runtime's word that something of a container has ended. */
  exited(name: string): void {
    for (const one of [...this.init, ...this.own]) if (one.container.name === name) one.exited();
  }

  /** Runs until the pod's own containers have ended for good, or an init container has failed for good, or the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const whileIn = AbortSignal.any([signal, this.over.signal]);
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
    await Promise.all(this.own.map((one) => this.stopOne(one, graceMs)));
    await this.stopSidecars(Math.max(0, graceMs - (Date.now() - begun)));
    const { runtime, sandboxId } = this.place;
    await Promise.all(this.init.map(({ container }) => runtime.stopContainer(sandboxId, container.name, 0)));
    for (const one of [...this.own, ...this.init]) one.settle();
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
