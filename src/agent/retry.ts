/** First wait after a failure and the longest one, in ms; it doubles in between. */
const FIRST_WAIT = 50;
const LONGEST_WAIT = 5000;

export interface TaskStatus {
  readonly failures: number;
  readonly lastError: string;
}

type Task = () => Promise<void>;

interface State {
  running: boolean;
  /** What was asked for while it ran. */
  next: Task | undefined;
  timer: NodeJS.Timeout | undefined;
  status: TaskStatus;
}

/**
 * Runs named tasks until they succeed, each with its own back-off. A task asked for while it waits starts again at once;
 * while it runs, what was asked last runs once afterwards.
 */
export class Retry {
  private readonly tasks = new Map<string, State>();
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

  run(name: string, task: Task): void {
    if (this.stopped) return;
    const state = this.stateOf(name);
    if (state.running) {
      state.next = task;
      return;
    }
    clearTimeout(state.timer);
    state.running = true;
    task().then(
      () => this.succeeded(name, state),
      (error: Error) => this.failed(name, state, task, error),
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
    const made: State = {
      running: false,
      next: undefined,
      timer: undefined,
      status: { failures: 0, lastError: "" },
    };
    this.tasks.set(name, made);
    return made;
  }

  private succeeded(name: string, state: State): void {
    if (this.tasks.get(name) !== state) return;
    this.tasks.delete(name);
    if (state.next !== undefined) this.run(name, state.next);
  }

  private failed(name: string, state: State, task: Task, error: Error): void {
    if (this.tasks.get(name) !== state) return;
    if (state.status.lastError !== error.message) this.log(`${name}: ${error.message}`);
    const failures = state.status.failures + 1;
    state.running = false;
    state.status = { failures, lastError: error.message };
    const again = state.next ?? task;
    state.next = undefined;
    state.timer = setTimeout(() => this.run(name, again), Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** (failures - 1)));
  }
}
