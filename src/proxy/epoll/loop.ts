import { calls } from "./calls.ts";

/** What waits for events of one descriptor. */
export interface Source {
  /** `events`: bits of `Ready`. */
  ready(events: number): void;
  /** What there is to read is read with its event: `loop.readAt`. */
  readonly isStream?: true;
}

/** What has something to do when all events of a turn have been served. */
export interface TurnEnd {
  turnEnds(): void;
}

/** What epoll tells of a descriptor and may be asked for. */
export const Ready = { in: 0x1, out: 0x4, error: 0x8, hangUp: 0x10 } as const;

/** Of a generation: the descriptor is a stream's. The top bit of an event's data, as native/turn.c has it. */
const STREAM = 0x8000_0000;
const GENERATIONS = 0x7fff_ffff;
const ADD = 1;
const REMOVE = 2;
const MODIFY = 3;
const CLOSE_ON_EXEC = 0o2000000;
/** Events that are taken at a time; between two times node has its turn. */
const BATCH = 128;
/** struct epoll_event is packed on x86-64. */
const EVENT_BYTES = 12;
/** How long the thread waits for the sockets alone, at most: what else node has to do waits as long. */
const WAIT_MS = 1;
const READ_BYTES = 1024 * 1024;
/** How long a pool thread waits; at its end it asks whether the process still wants it. */
const PARKED_MS = 250;
const POLL_IN = 1;

/**
 * An epoll set of its own beside node's, because a socket of node costs several times the processor time of its system
 * calls. While there is traffic the thread waits in this set, a millisecond at a time, and node has its turns between;
 * without traffic a thread of node's pool waits and says when there is some.
 */
class Loop {
  private readonly fd: number = calls.epollCreate(CLOSE_ON_EXEC);
  private readonly events = Buffer.alloc(BATCH * EVENT_BYTES);
  private readonly words = new Uint32Array(this.events.buffer, this.events.byteOffset, (BATCH * EVENT_BYTES) / 4);
  private readonly event = Buffer.alloc(EVENT_BYTES);
  private readonly poll = Buffer.alloc(8);
  private readonly sources: (Source | undefined)[] = [];
  /** What streams gave with the events of the batch; from the next batch on others'. */
  readonly bytes = new Uint8Array(READ_BYTES);
  private readonly outcomes = new Int32Array(2 * BATCH);
  /** Of the event under way: where its bytes are, -1 = nothing was read; and how many, or the errno, negative. */
  readAt = -1;
  readLength = 0;
  /** How often each descriptor was added: events of an earlier owner in the same batch are not the next one's. */
  private generations = new Uint32Array();
  private size = 0;
  private running = false;
  private serving = false;
  private ends: TurnEnd[] = [];
  /** Milliseconds of some clock, as of the batch under way. */
  nowMs = performance.now();

  constructor() {
    this.poll.writeInt32LE(this.fd, 0);
    this.poll.writeInt16LE(POLL_IN, 4);
  }

  add(fd: number, interest: number, source: Source): void {
    this.makeRoom(fd);
    this.sources[fd] = source;
    const generation = (this.generations[fd]! + 1) & GENERATIONS;
    this.generations[fd] = source.isStream === true ? generation | STREAM : generation;
    this.control(ADD, fd, interest);
    this.size++;
    if (this.running) return;
    this.running = true;
    setImmediate(this.turn);
  }

  /** Without holes: descriptors are looked up for every event. */
  private makeRoom(fd: number): void {
    const { generations, sources } = this;
    if (fd < generations.length) return;
    this.generations = new Uint32Array(2 * fd + 64);
    this.generations.set(generations);
    while (sources.length < this.generations.length) sources.push(undefined);
  }

  modify(fd: number, interest: number): void {
    this.control(MODIFY, fd, interest);
  }

  remove(fd: number): void {
    if (this.forget(fd)) this.control(REMOVE, fd, 0);
  }

  /** Closes a descriptor, which takes it out of the set: nobody else has it. */
  close(fd: number): void {
    this.forget(fd);
    calls.close(fd);
  }

  /** False when it is not in the set. */
  private forget(fd: number): boolean {
    if (this.sources[fd] === undefined) return false;
    this.sources[fd] = undefined;
    this.size--;
    return true;
  }

  /** Calls `turnEnds` when the turn under way is over; false when none is. */
  atTurnEnd(one: TurnEnd): boolean {
    if (this.serving) this.ends.push(one);
    return this.serving;
  }

  private control(operation: number, fd: number, interest: number): void {
    this.event.writeUInt32LE(interest, 0);
    this.event.writeUInt32LE(fd, 4);
    this.event.writeUInt32LE(this.generations[fd]!, 8);
    calls.epollControl(this.fd, operation, fd, this.event);
  }

  private readonly turn = (): void => {
    if (this.size === 0) {
      this.running = false;
      return;
    }
    const count = this.wait(WAIT_MS);
    if (count <= 0) {
      this.park();
      return;
    }
    // before anything else: what throws must not stop the others
    setImmediate(this.turn);
    const untilMs = performance.now() + WAIT_MS;
    for (let next = count; next > 0; ) {
      this.serveBatch(next);
      // what is ready now goes on; what is not must not keep node from its own sockets
      next = this.nowMs < untilMs ? this.wait(0) : 0;
    }
  };

  private wait(ms: number): number {
    return calls.wait(this.fd, this.events, BATCH, ms, this.bytes, READ_BYTES, this.outcomes) as number;
  }

  private serveBatch(count: number): void {
    this.nowMs = performance.now();
    this.serving = true;
    try {
      this.serve(count);
    } finally {
      this.serving = false;
      const { ends } = this;
      this.ends = [];
      for (const one of ends) one.turnEnds();
    }
  }

  private serve(count: number): void {
    const { words, sources, generations, outcomes } = this;
    for (let index = 0; index < count; index++) {
      const at = index * 3;
      const fd = words[at + 1]!;
      if (generations[fd] !== words[at + 2]) continue;
      this.readAt = outcomes[2 * index]!;
      this.readLength = outcomes[2 * index + 1]!;
      sources[fd]?.ready(words[at]!);
    }
  }

  private park(): void {
    calls.poll.async(this.poll, 1, PARKED_MS, (_: unknown, count: number) => {
      if (count > 0) this.turn();
      else if (this.size > 0) this.park();
      else this.running = false;
    });
  }
}

export const loop = new Loop();
