import { calls } from "./epoll/calls.ts";

const BYTES = 256 * 1024;
const MOST = 128;
/** Numbers of a `struct datagram` of epoll/native/turn.c. */
const PART = 4;
/** With its headers it fits where IPv6 goes at all (RFC 8200, 5): the kernel does not refuse it for its length. */
const LONGEST = 1200;

/**
 * What is sent while datagrams are read, which leaves with one call when all are: each that goes alone wakes its reader alone,
 * and a reader that is asleep costs the sender more than the sending.
 */
class DatagramOutbox {
  private readonly bytes = new Uint8Array(BYTES);
  private readonly parts = new Int32Array(PART * MOST);
  private count = 0;
  private size = 0;
  private isOpen = false;

  /** Until `flush`, which must follow, `put` takes what is sent. */
  open(): void {
    this.isOpen = true;
  }

  /** Takes a datagram for an address as calls have it, or for where the descriptor is connected to; false = send it yourself. */
  put(fd: number, name: Uint8Array | undefined, datagram: Uint8Array): boolean {
    if (!this.isOpen || datagram.length > LONGEST) return false;
    const nameBytes = name?.length ?? 0;
    if (this.count === MOST || this.size + nameBytes + datagram.length > BYTES) this.send();
    if (name !== undefined) this.bytes.set(name, this.size);
    const from = this.size + nameBytes;
    this.size = from + datagram.length;
    this.bytes.set(datagram, from);
    const at = PART * this.count++;
    this.parts[at] = fd;
    this.parts[at + 1] = from;
    this.parts[at + 2] = this.size;
    this.parts[at + 3] = nameBytes;
    return true;
  }

  /** Sends what is there so far. Whoever closes a descriptor sees to that first: its number may be another's soon. */
  send(): void {
    if (this.count > 0) calls.sendDatagrams(this.parts, this.count, this.bytes);
    this.count = 0;
    this.size = 0;
  }

  flush(): void {
    this.isOpen = false;
    this.send();
  }
}

export const outbox = new DatagramOutbox();
