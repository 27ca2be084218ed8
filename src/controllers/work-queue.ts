const FIRST_RETRY_MS = 5;
const LAST_RETRY_MS = 5_000;

export interface WorkQueueOptions {
  /** Brings one key's world in order; a rejection is tried again, later each time. */
  readonly work: (key: string) => Promise<void>;
  /** Told of each failure, before it is tried again. */
  readonly onError: (key: string, error: unknown) => void;
  /** Keys worked on at once; one key is never worked on twice at once. */
  readonly parallel?: number;
  /** Keys are only collected until `open`. */
  readonly closed?: boolean;
}

/**
 * Keys that want work. Adding one that waits already changes nothing, and one that is being worked on is done again
 * afterwards: a burst of changes costs two runs, and none is lost.
 */
export class WorkQueue {
  readonly #options: WorkQueueOptions;
  readonly #waiting = new Set<string>();
  readonly #busy = new Set<string>();
  readonly #failures = new Map<string, number>();
  readonly #timers = new Map<string, { timer: NodeJS.Timeout; dueMs: number }>();
  #stopped = false;
  #scheduled = false;
  #open: boolean;

  constructor(options: WorkQueueOptions) {
    this.#options = options;
    this.#open = options.closed !== true;
  }

  /** Begins with what was collected. */
  open(): void {
    this.#open = true;
    this.#dispatch();
  }

  /** Wants work for the key as soon as possible. */
  add(key: string): void {
    if (this.#stopped) return;
    this.#waiting.add(key);
    if (this.#scheduled) return;
    this.#scheduled = true;
    // A microtask lets all changes of one network read come together.
    queueMicrotask(() => {
      this.#scheduled = false;
      this.#dispatch();
    });
  }

  /** Wants work for the key after some milliseconds; the earliest of several wishes counts. */
  addAfter(key: string, ms: number): void {
    if (this.#stopped) return;
    const dueMs = performance.now() + ms;
    const pending = this.#timers.get(key);
    if (pending && pending.dueMs <= dueMs) return;
    if (pending) clearTimeout(pending.timer);
    const timer = setTimeout(() => {
      this.#timers.delete(key);
      this.add(key);
    }, ms);
    this.#timers.set(key, { timer, dueMs });
  }

  /** Takes no more work; what runs comes to its end. */
  stop(): void {
    this.#stopped = true;
    this.#waiting.clear();
    for (const { timer } of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }

  #dispatch(): void {
    if (!this.#open) return;
    for (const key of this.#waiting) {
      if (this.#stopped || this.#busy.size >= (this.#options.parallel ?? 8)) return;
      if (this.#busy.has(key)) continue;
      this.#waiting.delete(key);
      this.#busy.add(key);
      void this.#run(key);
    }
  }

  async #run(key: string): Promise<void> {
    try {
      await this.#options.work(key);
      this.#failures.delete(key);
    } catch (error) {
      if (!this.#stopped) this.#retry(key, error);
    } finally {
      this.#busy.delete(key);
      this.#dispatch();
    }
  }

  #retry(key: string, error: unknown): void {
    const failures = this.#failures.get(key) ?? 0;
    this.#failures.set(key, failures + 1);
    this.#options.onError(key, error);
    this.addAfter(key, Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** failures));
  }
}
