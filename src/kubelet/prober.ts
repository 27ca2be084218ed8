import { pause } from "./pause.ts";
import type { Container, Probe } from "./pod.ts";
import { type ProbeFailure, type ProbeTarget, runProbe } from "./probe.ts";

export interface ProbeListener {
  /** Started (the startup probe has passed) or ready has changed. */
  changed(): void;
  unhealthy(kind: string, message: string): void;
  /** A liveness or startup probe has failed often enough: the container is to be killed. */
  kill(kind: string): void;
}

/** While a container has not answered yet it is asked this often, for the first seconds, beside its own period. */
const EAGER_MS = 50;
const EAGER_FOR_MS = 5_000;

/** Asks a running container its probes until the signal aborts. */
export class Prober {
  readonly #target: ProbeTarget;
  readonly #listener: ProbeListener;
  readonly #signal: AbortSignal;
  started: boolean;
  ready: boolean;

  /** `assumed`: what was known of a container that is adopted; it holds until a probe says otherwise. */
  constructor(
    target: ProbeTarget,
    listener: ProbeListener,
    signal: AbortSignal,
    assumed?: { started: boolean; ready: boolean },
  ) {
    this.#target = target;
    this.#listener = listener;
    this.#signal = signal;
    this.started = assumed?.started === true || target.container.startupProbe === undefined;
    this.ready = this.started && (assumed?.ready === true || target.container.readinessProbe === undefined);
    void this.#run(target.container);
  }

  async #run(container: Container): Promise<void> {
    if (container.startupProbe && !this.started) {
      await this.#watch("Startup", container.startupProbe, true, (success) => {
        this.started = success;
        return success;
      });
    }
    if (this.#signal.aborted || !this.started) return;
    if (container.readinessProbe === undefined) this.ready = true;
    this.#listener.changed();
    if (container.livenessProbe) void this.#watch("Liveness", container.livenessProbe, true, () => false);
    if (container.readinessProbe) {
      void this.#watch("Readiness", container.readinessProbe, false, (success) => {
        if (this.ready !== success) {
          this.ready = success;
          this.#listener.changed();
        }
        return false;
      });
    }
  }

  /** Probes until `settle` says that it is enough; it is told each time a threshold is reached. */
  async #watch(kind: string, probe: Probe, kills: boolean, settle: (success: boolean) => boolean): Promise<void> {
    const periodMs = (probe.periodSeconds ?? 10) * 1000;
    let successes = 0;
    let failures = 0;
    await pause((probe.initialDelaySeconds ?? 0) * 1000, this.#signal);
    if (kind !== "Liveness" && (await this.#eager(probe, Math.min(periodMs, EAGER_FOR_MS)))) {
      successes = probe.successThreshold ?? 1;
      if (settle(true)) return;
      await pause(periodMs, this.#signal);
    }
    while (!this.#signal.aborted) {
      const failure = await runProbe(this.#target, probe);
      if (this.#signal.aborted) return;
      successes = failure === undefined ? successes + 1 : 0;
      failures = failure === undefined ? 0 : failures + 1;
      if (failure !== undefined) this.#listener.unhealthy(kind, failure);
      if (successes >= (probe.successThreshold ?? 1) && settle(true)) return;
      if (failures >= (probe.failureThreshold ?? 3)) {
        if (kills) return this.#listener.kill(kind);
        settle(false);
      }
      await pause(periodMs, this.#signal);
    }
  }

  /** True as soon as the container answers. A failure here counts for nothing: it may still be starting. */
  async #eager(probe: Probe, forMs: number): Promise<boolean> {
    if ((probe.successThreshold ?? 1) > 1) return false;
    const end = performance.now() + forMs;
    while (!this.#signal.aborted && performance.now() < end) {
      const failure: ProbeFailure = await runProbe(this.#target, probe);
      if (failure === undefined) return !this.#signal.aborted;
      await pause(EAGER_MS, this.#signal);
    }
    return false;
  }
}
