const FIRST_MS = 10_000;
const LAST_MS = 300_000;
/** A container that ran this long starts afresh. */
const FORGET_MS = 600_000;

/** Kubernetes' restart back-off: at once the first time, then 10 s, doubled to 5 minutes; forgotten after 10 minutes' run. */
export class RestartBackOff {
  #nextMs: number;

  /** `restarts` that have happened already, for a container that is adopted. */
  constructor(restarts = 0) {
    this.#nextMs = restarts === 0 ? 0 : Math.min(FIRST_MS * 2 ** (restarts - 1), LAST_MS);
  }

  /** How long to wait before the next start, in milliseconds, after a run of `ranMs`. */
  next(ranMs: number): number {
    if (ranMs >= FORGET_MS) this.#nextMs = 0;
    const delay = this.#nextMs;
    this.#nextMs = delay === 0 ? FIRST_MS : Math.min(delay * 2, LAST_MS);
    return delay;
  }
}

/** As kubelet's messages write it: `10s`, `1m20s`. */
export function durationText(ms: number): string {
  const seconds = Math.round(ms / 1000);
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`;
}
