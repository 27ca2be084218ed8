/** First wait after a failure and the longest one, in ms; it doubles in between. */
const FIRST_WAIT = 50;
const LONGEST_WAIT = 5000;

/** What has become of a task so far; times in milliseconds since the epoch, 0 = never. */
export interface TaskStatus {
  readonly successes: number;
  readonly failures: number;
  /** Since it last succeeded. */
  readonly consecutiveFailures: number;
  /** Of the last failure, empty when the last run succeeded. */
  readonly lastError: string;
  readonly failedAt: number;
  readonly succeededAt: number;
}

type Task = () => Promise<void>;

interface State {
  running: boolean;
  /** What was asked for while it ran. */
  next: Task | undefined;
  timer: NodeJS.Timeout | undefined;
  status: TaskStatus;
}

const FRESH: TaskStatus = {
  ...{ successes: 0, failures: 0, consecutiveFailures: 0, lastError: "" },
  ...{ failedAt: 0, succeededAt: 0 },
};

export interface RetryOptions {
  readonly log: (message: string) => void;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** After each run. */
  readonly ran?: (isOk: boolean, seconds: number) => void;
  /** Tasks that are remembered after they succeeded, until they are cancelled: what is always to be so. */
  readonly isStanding: (name: string) => boolean;
}

/**
 * Runs named tasks until they succeed, each with its own back-off. A task asked for while it waits starts again at once;
 * while it runs, what was asked last runs once afterwards.
 */
export class Retry {
  private readonly tasks = new Map<string, State>();
  private readonly options: RetryOptions;
  private stopped = false;

  constructor(options: RetryOptions) {
    this.options = options;
  }

  /** Standing tasks, and those that run or wait. */
  status(): ReadonlyMap<string, TaskStatus> {
    return new Map([...this.tasks].map(([name, { status }]) => [name, status]));
  }

  run(name: string, task: Task): void {
    if (this.stopped) return;
    const state = this.stateOf(name);
    if (state.running) {
      state.next = task;
      return;
    }
    clearTimeout(state.timer);
    state.running = true;
    const begun = performance.now();
    const ran = (isOk: boolean) => this.options.ran?.(isOk, (performance.now() - begun) / 1000);
    task().then(
      () => {
        ran(true);
        this.succeeded(name, state);
      },
      (error: Error) => {
        ran(false);
        this.failed(name, state, task, error);
      },
    );
  }

  /** Gives up on a task: what it was for is gone. */
  cancel(name: string): void {
    clearTimeout(this.tasks.get(name)?.timer);
    this.tasks.delete(name);
  }

  stop(): void {
    this.stopped = true;
    for (const name of [...this.tasks.keys()]) this.cancel(name);
  }

  private stateOf(name: string): State {
    const known = this.tasks.get(name);
    if (known !== undefined) return known;
    const made: State = { running: false, next: undefined, timer: undefined, status: FRESH };
    this.tasks.set(name, made);
    return made;
  }

  private succeeded(name: string, state: State): void {
    if (this.tasks.get(name) !== state) return;
    const { next, status } = state;
    const succeededAt = this.options.now();
    state.running = false;
    state.next = undefined;
    state.status = { ...status, successes: status.successes + 1, consecutiveFailures: 0, lastError: "", succeededAt };
    if (!this.options.isStanding(name)) this.tasks.delete(name);
    if (next !== undefined) this.run(name, next);
  }

  private failed(name: string, state: State, task: Task, error: Error): void {
    if (this.tasks.get(name) !== state) return;
    const { status } = state;
    if (status.lastError !== error.message) this.options.log(`${name}: ${error.message}`);
    const consecutiveFailures = status.consecutiveFailures + 1;
    state.running = false;
    state.status = {
      ...status,
      failures: status.failures + 1,
      consecutiveFailures,
      lastError: error.message,
      failedAt: this.options.now(),
    };
    const again = state.next ?? task;
    state.next = undefined;
    const wait = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** (consecutiveFailures - 1));
    state.timer = setTimeout(() => this.run(name, again), wait);
  }
}
