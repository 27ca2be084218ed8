import { EventEmitter } from "node:events";
import type { ByteStream } from "../byte-stream.ts";
import { callError, calls, Errno } from "./calls.ts";
import { loop, Ready, type Source, type TurnEnd } from "./loop.ts";
import { outgoing, type Sender } from "./outgoing.ts";

export interface Ends {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
}

const READ_BYTES = 64 * 1024;
/** More waiting bytes than these: the writer is asked to wait. */
const HIGH_WATER_BYTES = 64 * 1024;
const NO_SIGNAL = 0x4000;
const SHUT_WRITE = 1;
const SOCKET_LEVEL = 1;
const ERROR_OPTION = 4;
const KEEP_ALIVE = 9;
const LINGER = 13;
const TCP_LEVEL = 6;
const NO_DELAY = 1;
const KEEP_ALIVE_IDLE = 4;

/** Where a socket reads to whose event says more than that there is something: what is read is passed on or copied before the next read. */
const readBuffer = new Uint8Array(READ_BYTES);
const number = Buffer.alloc(8);
const ONE = Buffer.from([1, 0, 0, 0]);
const RESET = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]);

/** A TCP socket of the epoll set. Half-open: `end` of one direction leaves the other. */
export class EpollSocket extends EventEmitter implements ByteStream, Source, TurnEnd, Sender {
  readonly fd: number;
  readonly isStream = true;
  private interest: number;
  private connecting: boolean;
  /** What is written first is tried at the turn's end: to a pod of this machine the connection is there by then. */
  private hopes = false;
  /** Before the second time that bytes are sent: until then there is nothing that they could wait for. */
  private noDelayWanted = false;
  private hasSent = false;
  private paused = false;
  /** What was read while nobody wanted it. */
  private held: Uint8Array | undefined;
  private readEnded = false;
  private ending: (() => void) | undefined;
  private writeEnded = false;
  private destroyed = false;
  /** What the kernel has not taken yet. */
  private backlog: Uint8Array[] = [];
  private backlogBytes = 0;
  private onWritten: ((error?: Error | null) => void)[] = [];
  private needsDrain = false;
  /** Its part of `outgoing`; empty = it has none. */
  private gatheredFrom = 0;
  private gatheredTo = 0;
  /** That part waits to be sent with the others'. */
  private isLeaving = false;
  private idleMs = 0;
  private lastMs = 0;
  private idleTimer: NodeJS.Timeout | undefined;
  readonly remoteAddress: string | undefined;
  readonly remotePort: number | undefined;
  readonly localAddress: string | undefined;
  readonly localPort: number | undefined;

  /** Takes over a non-blocking descriptor; `connecting`: its connect is under way. */
  constructor(fd: number, { connecting, ends }: { readonly connecting: boolean; readonly ends?: Ends }) {
    super();
    this.fd = fd;
    this.connecting = connecting;
    this.remoteAddress = ends?.remoteAddress;
    this.remotePort = ends?.remotePort;
    this.localAddress = ends?.localAddress;
    this.localPort = ends?.localPort;
    this.hopes = connecting && outgoing.join(this);
    this.interest = connecting && !this.hopes ? Ready.out : Ready.in;
    loop.add(fd, this.interest, this);
  }

  get writableNeedDrain(): boolean {
    return this.needsDrain;
  }

  get writableLength(): number {
    return this.backlogBytes + this.gatheredTo - this.gatheredFrom;
  }

  ready(events: number): void {
    this.lastMs = loop.nowMs;
    if (this.connecting && !this.connected(events)) return;
    if ((events & Ready.out) !== 0) this.flush();
    if ((events & ~Ready.out) === 0 || this.destroyed) return;
    if (this.paused || this.readEnded || this.held !== undefined) this.sleep(events);
    else if (loop.readAt >= 0) this.take(loop.bytes, loop.readAt, loop.readLength);
    else this.read();
  }

  private connected(events: number): boolean {
    const errno = (events & (Ready.error | Ready.hangUp)) === 0 ? 0 : this.error();
    if (errno !== 0) {
      this.fail("connect", errno);
      return false;
    }
    this.connecting = false;
    this.watch(Ready.in, !this.paused);
    this.flush();
    return !this.destroyed;
  }

  private error(): number {
    number.writeInt32LE(4, 4);
    calls.option(this.fd, SOCKET_LEVEL, ERROR_OPTION, number, number.subarray(4));
    return number.readInt32LE(0);
  }

  private read(): void {
    const length = calls.receive(this.fd, readBuffer, READ_BYTES, 0) as number;
    this.take(readBuffer, 0, length < 0 ? -calls.errno() : length);
  }

  /** `length`: of the bytes at `at`; 0 = the end, negative = the errno. */
  private take(bytes: Uint8Array, at: number, length: number): void {
    if (length > 0) {
      this.emit("data", bytes.subarray(at, at + length));
      return;
    }
    if (length < 0) {
      if (length !== -Errno.again) this.fail("read", -length);
      return;
    }
    this.readEnded = true;
    this.emit("end");
    this.closeWhenBothEnded();
  }

  /** Nobody reads, or nothing more comes: an event that would come again and again is not asked for. A hang-up cannot be unasked. */
  private sleep(events: number): void {
    const { readAt, readLength } = loop;
    if (readAt >= 0 && readLength > 0) this.held = loop.bytes.slice(readAt, readAt + readLength);
    if (readAt >= 0 && readLength < 0) this.take(loop.bytes, readAt, readLength);
    else if ((events & Ready.error) !== 0) this.fail("read", this.error());
    else if ((events & Ready.hangUp) !== 0) {
      loop.remove(this.fd);
      this.interest = -1;
    } else this.watch(Ready.in, false);
  }

  private watch(what: number, on: boolean): void {
    if (this.destroyed) return;
    if (this.interest === -1) {
      if (!on) return;
      this.interest = what;
      loop.add(this.fd, what, this);
      return;
    }
    const interest = on ? this.interest | what : this.interest & ~what;
    if (interest === this.interest) return;
    this.interest = interest;
    loop.modify(this.fd, interest);
  }

  pause(): this {
    this.paused = true;
    return this;
  }

  resume(): this {
    this.paused = false;
    if (this.held !== undefined) setImmediate(this.giveHeld);
    else if (!this.readEnded && !this.connecting) this.watch(Ready.in, true);
    return this;
  }

  private readonly giveHeld = (): void => {
    const { held } = this;
    if (held === undefined || this.paused || this.destroyed) return;
    this.held = undefined;
    this.emit("data", held);
    if (!this.paused) this.watch(Ready.in, true);
  };

  write(bytes: Uint8Array, written?: (error?: Error | null) => void): boolean {
    if (this.destroyed || this.writeEnded || this.ending !== undefined) return true;
    if (written !== undefined) this.onWritten.push(written);
    if ((this.connecting && !this.hopes) || this.backlogBytes > 0) return this.keep(bytes, 0);
    if (this.gather(bytes)) return true;
    this.sendGathered();
    return this.backlogBytes > 0 ? this.keep(bytes, 0) : this.send(bytes);
  }

  /** Puts bytes off to the end of the turn; false when that cannot be. */
  private gather(bytes: Uint8Array): boolean {
    const place = outgoing.place(bytes.length);
    if (place < 0 || this.isLeaving) return false;
    if (this.gatheredTo > this.gatheredFrom) {
      if (this.gatheredTo !== place) return false;
    } else {
      if (!outgoing.join(this)) return false;
      this.gatheredFrom = place;
    }
    this.gatheredTo = outgoing.put(bytes);
    return true;
  }

  turnEnds(): void {
    const { gatheredFrom, gatheredTo } = this;
    if (gatheredFrom < gatheredTo && !this.isLeaving) {
      this.isLeaving = true;
      this.beforeSend();
      outgoing.leave(this, gatheredFrom, gatheredTo);
      return;
    }
    if (!this.isLeaving) this.hope();
    outgoing.leave(this, 0, 0);
  }

  /** To be told when it is connected, if it was tried in vain. */
  private hope(): void {
    if (!this.hopes) return;
    this.hopes = false;
    if (this.connecting) this.watch(Ready.out, true);
  }

  sent(to: number, took: number): void {
    const from = this.gatheredFrom;
    this.isLeaving = false;
    this.gatheredFrom = this.gatheredTo;
    if (this.destroyed) return;
    this.lastMs = loop.nowMs;
    this.took(outgoing.bytes.subarray(from, to), took);
    this.hope();
  }

  private sendGathered(): void {
    if (this.isLeaving) outgoing.send();
    const { gatheredFrom, gatheredTo } = this;
    if (gatheredFrom === gatheredTo) return;
    this.gatheredFrom = this.gatheredTo;
    this.send(outgoing.bytes.subarray(gatheredFrom, gatheredTo));
  }

  private send(bytes: Uint8Array): boolean {
    this.lastMs = loop.nowMs;
    const sent = this.give(bytes);
    return this.took(bytes, sent < 0 ? -calls.errno() : sent);
  }

  /** `sent`: how many of the bytes the kernel took, or the errno, negative. */
  private took(bytes: Uint8Array, sent: number): boolean {
    if (sent > 0) this.connecting = false;
    if (sent === bytes.length) {
      if (this.onWritten.length > 0) for (const written of this.onWritten.splice(0)) written();
      return true;
    }
    if (sent < 0 && sent !== -Errno.again) {
      // now, for the kernel tells of an error once: the next event would look like a connection
      this.fail("write", -sent);
      return false;
    }
    this.watch(Ready.out, true);
    return this.keep(bytes, Math.max(sent, 0));
  }

  /** How many bytes the kernel took, -1 with the errno. */
  private give(bytes: Uint8Array): number {
    this.beforeSend();
    return calls.sendOne(this.fd, bytes, bytes.length, NO_SIGNAL) as number;
  }

  private beforeSend(): void {
    if (this.hasSent && this.noDelayWanted) {
      this.noDelayWanted = false;
      calls.setOption(this.fd, TCP_LEVEL, NO_DELAY, ONE, ONE.length);
    }
    this.hasSent = true;
  }

  /** Keeps a copy of what the kernel does not take yet. */
  private keep(bytes: Uint8Array, sent: number): boolean {
    this.backlog.push(Uint8Array.prototype.slice.call(bytes, sent));
    this.backlogBytes += bytes.length - sent;
    this.needsDrain ||= this.backlogBytes > HIGH_WATER_BYTES || !this.connecting;
    return !this.needsDrain;
  }

  private flush(): void {
    while (this.backlog.length > 0) {
      const bytes = this.backlog[0]!;
      const sent = this.give(bytes);
      if (sent < 0) {
        const errno = calls.errno();
        if (errno === Errno.again) this.watch(Ready.out, true);
        else this.fail("write", errno);
        return;
      }
      this.backlogBytes -= sent;
      if (sent < bytes.length) {
        this.backlog[0] = bytes.subarray(sent);
        this.watch(Ready.out, true);
        return;
      }
      this.backlog.shift();
    }
    this.watch(Ready.out, false);
    for (const written of this.onWritten.splice(0)) written();
    if (this.ending !== undefined) this.finish(this.ending);
    else if (this.needsDrain) {
      this.needsDrain = false;
      this.emit("drain");
    }
  }

  end(ended: () => void = () => undefined): this {
    if (this.destroyed || this.writeEnded || this.ending !== undefined) return this;
    this.sendGathered();
    if (this.connecting || this.backlogBytes > 0) this.ending = ended;
    else this.finish(ended);
    return this;
  }

  private finish(ended: () => void): void {
    this.ending = undefined;
    this.writeEnded = true;
    calls.shutdown(this.fd, SHUT_WRITE);
    process.nextTick(ended);
    this.closeWhenBothEnded();
  }

  private closeWhenBothEnded(): void {
    if (this.readEnded && this.writeEnded) this.destroy();
  }

  private fail(call: string, errno: number): void {
    if (!this.destroyed) this.destroy(callError(call, errno));
  }

  destroy(error?: Error): this {
    if (this.destroyed) return this;
    this.destroyed = true;
    this.sendGathered();
    clearTimeout(this.idleTimer);
    loop.close(this.fd);
    this.backlog = [];
    this.held = undefined;
    process.nextTick(() => {
      if (error !== undefined) this.emit("error", error);
      this.emit("close");
    });
    return this;
  }

  resetAndDestroy(): this {
    if (!this.destroyed) calls.setOption(this.fd, SOCKET_LEVEL, LINGER, RESET, RESET.length);
    return this.destroy();
  }

  setNoDelay(on: boolean): this {
    this.noDelayWanted = on;
    return this;
  }

  setKeepAlive(on: boolean, ms: number): this {
    if (this.destroyed) return this;
    number.writeInt32LE(on ? 1 : 0, 0);
    calls.setOption(this.fd, SOCKET_LEVEL, KEEP_ALIVE, number, 4);
    number.writeInt32LE(Math.max(1, Math.round(ms / 1000)), 0);
    if (on) calls.setOption(this.fd, TCP_LEVEL, KEEP_ALIVE_IDLE, number, 4);
    return this;
  }

  setTimeout(ms: number, idle?: () => void): this {
    this.lastMs = performance.now();
    if (idle !== undefined) this.on("timeout", idle);
    if (ms === this.idleMs && this.idleTimer !== undefined) return this;
    clearTimeout(this.idleTimer);
    this.idleTimer = undefined;
    this.idleMs = ms;
    if (ms > 0) this.idleTimer = setTimeout(this.checkIdle, ms).unref();
    return this;
  }

  /** Bytes do not touch the timer: when it ends it looks when the last one came. */
  private readonly checkIdle = (): void => {
    const leftMs = this.lastMs + this.idleMs - performance.now();
    if (leftMs > 0) {
      this.idleTimer = setTimeout(this.checkIdle, leftMs).unref();
      return;
    }
    this.idleTimer = undefined;
    this.emit("timeout");
  };
}
