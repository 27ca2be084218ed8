import koffi from "koffi";
import { formatAddress } from "../model/cidr.ts";
import { failure, libc } from "./socket-calls.ts";

/** One datagram that was redirected to the proxy. */
export interface Datagram {
  /** Its own memory. */
  readonly bytes: Buffer;
  readonly clientAddress: string;
  readonly clientPort: number;
  /** Where the client sent it. */
  readonly serverAddress: string;
  readonly serverPort: number;
}

/** Most datagrams that one call takes, and bytes of each: larger ones are cut, and then no DNS message any more. */
const BATCH = 32;
const DATAGRAM = 4096;
const NAME = 28;
const CONTROL = 64;
/** struct mmsghdr, struct iovec and struct cmsghdr of x86-64. */
const MESSAGE = 64;
const VECTOR = 16;
const CONTROL_HEADER = 16;

const EPOLL_ADD = 1;
const EPOLL_REMOVE = 2;
const EPOLL_IN = 1;
const EVENT = 12;
const EVENTS = 16;

const recvmmsg = libc.func("int recvmmsg(int fd, void *messages, uint32_t count, int flags, void *timeout)");
const epollCreate = libc.func("int epoll_create1(int flags)");
const epollControl = libc.func("int epoll_ctl(int epfd, int op, int fd, void *event)");
const epollWait = libc.func("int epoll_wait(int epfd, void *events, int max, int timeout)");
const eventfd = libc.func("int eventfd(uint32_t initial, int flags)");
const writeTo = libc.func("int64_t write(int fd, const void *data, size_t length)");
const readFrom = libc.func("int64_t read(int fd, void *data, size_t length)");

/** Memory for one `recvmmsg`: headers, vectors, names, control data and contents, each an array of `BATCH`. */
class Batch {
  private readonly memory = koffi.alloc("uint8_t", BATCH * (MESSAGE + VECTOR + NAME + CONTROL + DATAGRAM));
  private readonly bytes = Buffer.from(koffi.view(this.memory, BATCH * (MESSAGE + VECTOR + NAME + CONTROL + DATAGRAM)));
  private readonly vectors = BATCH * MESSAGE;
  private readonly names = this.vectors + BATCH * VECTOR;
  private readonly controls = this.names + BATCH * NAME;
  private readonly contents = this.controls + BATCH * CONTROL;

  constructor() {
    const base: bigint = koffi.address(this.memory);
    for (let index = 0; index < BATCH; index++) {
      const message = index * MESSAGE;
      const vector = this.vectors + index * VECTOR;
      this.bytes.writeBigUInt64LE(base + BigInt(this.names + index * NAME), message);
      this.bytes.writeBigUInt64LE(base + BigInt(vector), message + 16);
      this.bytes.writeBigUInt64LE(1n, message + 24);
      this.bytes.writeBigUInt64LE(base + BigInt(this.controls + index * CONTROL), message + 32);
      this.bytes.writeBigUInt64LE(base + BigInt(this.contents + index * DATAGRAM), vector);
      this.bytes.writeBigUInt64LE(BigInt(DATAGRAM), vector + 8);
    }
  }

  /** Takes what the descriptor has, at most `BATCH`; fewer = it has no more. */
  receive(fd: number, take: (datagram: Datagram) => void): number {
    for (let index = 0; index < BATCH; index++) {
      this.bytes.writeUInt32LE(NAME, index * MESSAGE + 8);
      this.bytes.writeBigUInt64LE(BigInt(CONTROL), index * MESSAGE + 40);
    }
    const count: number = recvmmsg(fd, this.memory, BATCH, 0, null);
    for (let index = 0; index < count; index++) {
      const datagram = this.read(index);
      if (datagram !== undefined) take(datagram);
    }
    return Math.max(count, 0);
  }

  private read(index: number): Datagram | undefined {
    const client = this.address(this.names + index * NAME);
    const server = this.address(this.controls + index * CONTROL + CONTROL_HEADER);
    const controlLength = this.bytes.readUInt32LE(index * MESSAGE + 40);
    if (controlLength < CONTROL_HEADER + 16) return undefined;
    const start = this.contents + index * DATAGRAM;
    const length = this.bytes.readUInt32LE(index * MESSAGE + 56);
    return {
      bytes: Buffer.from(this.bytes.subarray(start, start + length)),
      clientAddress: client.address,
      clientPort: client.port,
      serverAddress: server.address,
      serverPort: server.port,
    };
  }

  /** Of a struct sockaddr_in or sockaddr_in6. */
  private address(at: number): { address: string; port: number } {
    const isV6 = this.bytes.readUInt16LE(at) === 10;
    const port = this.bytes.readUInt16BE(at + 2);
    if (!isV6) return { address: this.bytes.subarray(at + 4, at + 8).join("."), port };
    return { address: formatAddress(this.bytes.subarray(at + 8, at + 24)), port };
  }
}

/**
 * Reads UDP sockets together with where each datagram was sent (`IP_RECVORIGDSTADDR`, Linux 2.6.30), which node's own
 * sockets hide. Waits in a thread of the pool, one for all sockets; an eventfd ends the last wait.
 */
export class DatagramReader {
  private readonly epoll: number = epollCreate(0o2000000);
  private readonly bell: number = eventfd(0, 0o2000000);
  private readonly takers = new Map<number, (datagram: Datagram) => void>();
  /** Live as long as the reader: the waiting thread writes to the events. */
  private readonly events = Buffer.alloc(EVENT * EVENTS);
  private readonly batch = new Batch();
  private isWaiting = false;
  private readonly end = () => void writeTo(this.bell, Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]), 8);

  constructor() {
    if (this.epoll < 0 || this.bell < 0) throw failure("epoll", "for datagrams");
    this.control(EPOLL_ADD, this.bell);
    // A process that exits joins its threads: one that waits for ever would hold it for ever.
    process.once("exit", this.end);
  }

  /** Hands over the descriptor's datagrams until it is removed. The descriptor stays the caller's. */
  add(fd: number, take: (datagram: Datagram) => void): void {
    this.control(EPOLL_ADD, fd);
    this.takers.set(fd, take);
    if (!this.isWaiting) this.wait();
  }

  /** Before the descriptor is closed. With the last one the wait ends. */
  remove(fd: number): void {
    if (!this.takers.delete(fd)) return;
    epollControl(this.epoll, EPOLL_REMOVE, fd, this.events);
    if (this.takers.size === 0 && this.isWaiting) this.end();
  }

  private control(operation: number, fd: number): void {
    const event = Buffer.alloc(EVENT);
    event.writeUInt32LE(EPOLL_IN, 0);
    event.writeUInt32LE(fd, 4);
    if (epollControl(this.epoll, operation, fd, event) !== 0) throw failure("epoll_ctl", `descriptor ${fd}`);
  }

  private wait(): void {
    this.isWaiting = true;
    epollWait.async(this.epoll, this.events, EVENTS, -1, (_: unknown, count: number) => {
      this.isWaiting = false;
      const ready = Array.from({ length: Math.max(count, 0) }, (_, index) =>
        this.events.readUInt32LE(index * EVENT + 4),
      );
      for (const fd of ready) this.drain(fd);
      if (this.takers.size > 0) this.wait();
    });
  }

  private drain(fd: number): void {
    if (fd === this.bell) {
      readFrom(fd, Buffer.alloc(8), 8);
      return;
    }
    const take = this.takers.get(fd);
    // One batch a turn: a flood at one socket must not keep the others waiting; epoll tells of the rest again.
    if (take !== undefined) this.batch.receive(fd, take);
  }
}
