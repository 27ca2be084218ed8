/** First wait after a failure and the longest one, in ms; it doubles in between. */
const FIRST_WAIT = 50;
const LONGEST_WAIT = 5000;

export interface TaskStatus {
  readonly failures: number;
  readonly lastError: string;
}

/**
 * Runs named tasks until they succeed, each with its own back-off. A task asked for while it waits starts again at once;
 * while it runs, it runs once more afterwards.
 */
export class Retry {
  private readonly tasks = new Map<
    string,
    { again: boolean; running: boolean; timer?: NodeJS.Timeout; status: TaskStatus }
  >();
  private readonly log: (message: string) => void;
  private stopped = false;

  constructor(log: (message: string) => void) {
    this.log = log;
  }

  /** Names of tasks that failed last time, with how often and why. */
  failing(): Readonly<Record<string, TaskStatus>> {
    return Object.fromEntries(
      [...this.tasks].filter(([, task]) => task.status.failures > 0).map(([name, task]) => [name, task.status]),
    );
  }

  run(name: string, task: () => Promise<void>): void {
    if (this.stopped) return;
    const known = this.tasks.get(name);
    if (known?.running) {
      known.again = true;
      return;
    }
    clearTimeout(known?.timer);
    const state = known ?? { again: false, running: false, status: { failures: 0, lastError: "" } };
    this.tasks.set(name, state);
    state.running = true;
    state.again = false;
    task().then(
      () => {
        state.running = false;
        this.tasks.delete(name);
        if (state.again) this.run(name, task);
      },
      (error: Error) => {
        state.running = false;
        if (state.status.lastError !== error.message) this.log(`${name}: ${error.message}`);
        const failures = state.status.failures + 1;
        state.status = { failures, lastError: error.message };
        if (this.stopped) return;
        state.timer = setTimeout(() => this.run(name, task), Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** (failures - 1)));
      },
    );
  }

  /** Gives up on a task: what it was for is gone. */
  cancel(name: string): void {
    const task = this.tasks.get(name);
    if (task === undefined) return;
    clearTimeout(task.timer);
    if (!task.running) this.tasks.delete(name);
  }

  stop(): void {
    this.stopped = true;
    for (const task of this.tasks.values()) clearTimeout(task.timer);
  }
}
