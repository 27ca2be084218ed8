/** Reads the ring buffer of events by mapping it. Asleep until the kernel rings; then it drains, rests a moment, and
 * drains again until it is empty, so that a flood costs few wake-ups and silence costs none. */
import { type EventBatch, PAGE_BYTES as PAGE } from "../port.ts";
import { check, libcCalls, mapPages } from "./libbpf.ts";

const BUSY = 0x80000000;
const DISCARDED = 0x40000000;
const RECORD_HEADER = 8;
/** How long a drained ring rests before it is looked at again: bounds wake-ups to 250 a second. */
const REST_MS = 4;
/** Most records that are delivered before others get their turn: who reads the flows must not be overtaken meanwhile. */
const MOST_AT_ONCE = 1024;

interface Mapping {
  readonly bytes: Uint8Array;
  readonly words: DataView;
  readonly consumer: BigUint64Array;
  readonly producer: BigUint64Array;
  readonly size: number;
  unmap(): void;
}

/** The kernel shows: one page to write (consumer position), one to read (producer position), the data twice. */
function mapRing(fd: number, size: number): Mapping {
  const consumerPage = mapPages("the event ring", fd, PAGE, { writable: true, offset: 0 });
  const rest = mapPages("the event ring", fd, PAGE + 2 * size, { writable: false, offset: PAGE });
  const restBytes = libcCalls.view(rest, PAGE + 2 * size);
  return {
    bytes: new Uint8Array(restBytes, PAGE),
    words: new DataView(restBytes, PAGE),
    consumer: new BigUint64Array(libcCalls.view(consumerPage, PAGE), 0, 1),
    producer: new BigUint64Array(restBytes, 0, 1),
    size,
    unmap() {
      libcCalls.munmap(consumerPage, PAGE);
      libcCalls.munmap(rest, PAGE + 2 * size);
    },
  };
}

/** Delivers finished records and returns how many; stops at one that is still being written, or when it was enough. */
function drain(ring: Mapping, receive: EventBatch): number {
  let position = Number(Atomics.load(ring.consumer, 0));
  const end = Number(Atomics.load(ring.producer, 0));
  let count = 0;
  while (position < end && count < MOST_AT_ONCE) {
    const offset = position & (ring.size - 1);
    const header = ring.words.getUint32(offset, true);
    if ((header & BUSY) !== 0) break;
    const length = header & ~(BUSY | DISCARDED);
    if ((header & DISCARDED) === 0) {
      receive(ring.bytes.subarray(offset + RECORD_HEADER, offset + RECORD_HEADER + length));
    }
    position += (length + RECORD_HEADER + 7) & ~7;
    count++;
  }
  Atomics.store(ring.consumer, 0, BigInt(position));
  return count;
}

interface Bell {
  /** Resolves when the ring has news, or when `close` was called. */
  wait(): Promise<void>;
  close(): void;
}

const EPOLL_ADD = 1;
const EPOLL_IN = 1;

function watch(epoll: number, fd: number): void {
  const event = Buffer.alloc(12);
  event.writeUInt32LE(EPOLL_IN, 0);
  event.writeUInt32LE(fd, 4);
  check("watch the event ring", libcCalls.epollControl(epoll, EPOLL_ADD, fd, event));
}

/** Waits in a thread of the pool: node cannot watch a ring buffer itself. An eventfd ends the last wait. */
function openBell(ringFd: number): Bell {
  const epoll = check("make an epoll", libcCalls.epollCreate(0));
  const stop = check("make an eventfd", libcCalls.eventfd(0, 0));
  watch(epoll, ringFd);
  watch(epoll, stop);
  // Lives as long as the bell: the waiting thread writes to it.
  const ready = Buffer.alloc(24);
  let waiting = false;
  let closed = false;
  const release = () => {
    libcCalls.close(epoll);
    libcCalls.close(stop);
  };
  const end = () => {
    const one = Buffer.alloc(8);
    one.writeUInt8(1);
    libcCalls.write(stop, one, 8);
  };
  // A process that exits joins its threads: one that waits for ever would hold it for ever.
  process.once("exit", end);
  return {
    wait: () =>
      new Promise((resolve) => {
        waiting = true;
        libcCalls.epollWait.async(epoll, ready, 2, -1, () => {
          waiting = false;
          if (closed) release();
          resolve();
        });
      }),
    close() {
      closed = true;
      process.off("exit", end);
      if (waiting) end();
      else release();
    },
  };
}

/** Starts delivering; the returned function stops it. Events of the time before the start are delivered first. */
export function readRing(fd: number, size: number, receive: EventBatch): () => void {
  const ring = mapRing(fd, size);
  const bell = openBell(fd);
  let stopped = false;
  const rest = () => new Promise((resolve) => setTimeout(resolve, REST_MS));
  const breathe = () => new Promise((resolve) => setImmediate(resolve));
  const run = async () => {
    while (!stopped) {
      const count = drain(ring, receive);
      if (count === MOST_AT_ONCE) await breathe();
      else if (count > 0) await rest();
      else await bell.wait();
    }
    ring.unmap();
  };
  const running = run();
  running.catch((error: unknown) => {
    queueMicrotask(() => {
      throw error;
    });
  });
  return () => {
    if (stopped) return;
    stopped = true;
    bell.close();
  };
}
