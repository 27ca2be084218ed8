import { calls } from "./calls.ts";
import { loop, type TurnEnd } from "./loop.ts";

/** What sends its part of `outgoing` with the others. */
export interface Sender {
  readonly fd: number;
  /** How many of its bytes up to `to` the kernel took, or the errno, negative. */
  sent(to: number, took: number): void;
}

const BYTES = 1024 * 1024;
/** What is longer goes out as it is. */
const LONGEST = 16 * 1024;
const MOST_SENDERS = 512;
/** Numbers of a `struct part` of native/turn.c. */
const PART = 4;

/**
 * What sockets write in a turn: it lies here, and all of it leaves with one call at the turn's end. The parts of a message go
 * out as one, and messages one after the other, because each that goes alone wakes its reader alone.
 */
class Outgoing {
  readonly bytes = new Uint8Array(BYTES);
  private readonly parts = new Int32Array(PART * MOST_SENDERS);
  private senders: Sender[] = [];
  private size = 0;
  private joined = 0;

  /** Has `turnEnds` called, which calls `leave`, when the turn under way is over; false when none is. */
  join(one: TurnEnd): boolean {
    const joined = loop.atTurnEnd(one);
    if (joined) this.joined++;
    return joined;
  }

  /** Where the next bytes would lie; -1 = so many have no place. */
  place(length: number): number {
    return length > LONGEST || this.size + length > BYTES ? -1 : this.size;
  }

  /** Puts bytes to their place; the end of them. */
  put(bytes: Uint8Array): number {
    this.bytes.set(bytes, this.size);
    this.size += bytes.length;
    return this.size;
  }

  /** The turn is over for one that joined. `sent` is called for a part that is not empty, when all have left at the latest. */
  leave(sender: Sender, from: number, to: number): void {
    this.joined--;
    if (from < to) {
      const at = PART * this.senders.length;
      this.parts[at] = sender.fd;
      this.parts[at + 1] = from;
      this.parts[at + 2] = to;
      this.senders.push(sender);
    }
    if (this.joined === 0 || this.senders.length === MOST_SENDERS) this.send();
    if (this.joined === 0) this.size = 0;
  }

  /** Sends what has been left so far. A sender must see to that before its descriptor may become somebody else's. */
  send(): void {
    const { senders, parts } = this;
    if (senders.length === 0) return;
    calls.send(parts, senders.length, this.bytes);
    this.senders = [];
    for (const [index, sender] of senders.entries()) sender.sent(parts[PART * index + 2]!, parts[PART * index + 3]!);
  }
}

export const outgoing = new Outgoing();
