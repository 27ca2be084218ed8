import { EventEmitter } from "node:events";
import type { ByteStream } from "../byte-stream.ts";
import { callError, calls, Errno } from "./calls.ts";
import { loop, Ready, type Source, type TurnEnd } from "./loop.ts";

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

/** Where every socket reads to: what is read is passed on or copied before the next read. */
const readBuffer = new Uint8Array(READ_BYTES);
/** Where sockets gather what they write in a turn: the parts of a message go out as one, and messages one after the other,
 * because each that goes alone wakes its reader alone. */
const gathered = new Uint8Array(1024 * 1024);
let gatheredBytes = 0;
let gathering = 0;
/** What is longer goes out as it is. */
const MOST_GATHERED_BYTES = 16 * 1024;
const number = Buffer.alloc(8);
const ONE = Buffer.from([1, 0, 0, 0]);
const RESET = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]);

/** A TCP socket of the epoll set. Half-open: `end` of one direction leaves the other. */
export class EpollSocket extends EventEmitter implements ByteStream, Source, TurnEnd {
  private readonly fd: number;
  private interest: number;
  private connecting: boolean;
  /** What is written first is tried at the turn's end: to a pod of this machine the connection is there by then. */
  private hopes = false;
  /** Before the second time that bytes are sent: until then there is nothing that they could wait for. */
  private noDelayWanted = false;
  private hasSent = false;
  private paused = false;
  private readEnded = false;
  private ending: (() => void) | undefined;
  private writeEnded = false;
  private destroyed = false;
  /** What the kernel has not taken yet. */
  private backlog: Uint8Array[] = [];
  private backlogBytes = 0;
  private onWritten: ((error?: Error | null) => void)[] = [];
  private needsDrain = false;
  /** Its part of `gathered`; empty = nothing gathered. */
  private gatheredFrom = 0;
  private gatheredTo = 0;
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
    this.hopes = connecting && this.joinTurn();
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
    if (this.paused || this.readEnded) this.sleep(events);
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
    if (length > 0) {
      this.emit("data", readBuffer.subarray(0, length));
      return;
    }
    if (length < 0) {
      const errno = calls.errno();
      if (errno !== Errno.again) this.fail("read", errno);
      return;
    }
    this.readEnded = true;
    this.emit("end");
    this.closeWhenBothEnded();
  }

  /** Nobody reads, or nothing more comes: an event that would come again and again is not asked for. A hang-up cannot be unasked. */
  private sleep(events: number): void {
    if ((events & Ready.error) !== 0) this.fail("read", this.error());
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
    if (!this.readEnded && !this.connecting) this.watch(Ready.in, true);
    return this;
  }

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
    const { length } = bytes;
    if (length > MOST_GATHERED_BYTES || gatheredBytes + length > gathered.length) return false;
    if (this.gatheredTo > this.gatheredFrom) {
      if (this.gatheredTo !== gatheredBytes) return false;
    } else {
      if (!this.joinTurn()) return false;
      this.gatheredFrom = gatheredBytes;
    }
    gathered.set(bytes, gatheredBytes);
    gatheredBytes += length;
    this.gatheredTo = gatheredBytes;
    return true;
  }

  private joinTurn(): boolean {
    const joined = loop.atTurnEnd(this);
    if (joined) gathering++;
    return joined;
  }

  turnEnds(): void {
    this.sendGathered();
    gathering--;
    if (gathering === 0) gatheredBytes = 0;
    if (!this.hopes) return;
    this.hopes = false;
    if (this.connecting) this.watch(Ready.out, true);
  }

  private sendGathered(): void {
    const { gatheredFrom, gatheredTo } = this;
    if (gatheredFrom === gatheredTo) return;
    this.gatheredFrom = this.gatheredTo;
    this.send(gathered.subarray(gatheredFrom, gatheredTo));
  }

  private send(bytes: Uint8Array): boolean {
    this.lastMs = loop.nowMs;
    const sent = this.give(bytes);
    if (sent > 0) this.connecting = false;
    if (sent === bytes.length) {
      if (this.onWritten.length > 0) for (const written of this.onWritten.splice(0)) written();
      return true;
    }
    const errno = sent < 0 ? calls.errno() : Errno.again;
    if (errno !== Errno.again) {
      // now, for the kernel tells of an error once: the next event would look like a connection
      this.fail("write", errno);
      return false;
    }
    this.watch(Ready.out, true);
    return this.keep(bytes, Math.max(sent, 0));
  }

  /** How many bytes the kernel took, -1 with the errno. */
  private give(bytes: Uint8Array): number {
    if (this.hasSent && this.noDelayWanted) {
      this.noDelayWanted = false;
      calls.setOption(this.fd, TCP_LEVEL, NO_DELAY, ONE, ONE.length);
    }
    this.hasSent = true;
    return calls.send(this.fd, bytes, bytes.length, NO_SIGNAL) as number;
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
