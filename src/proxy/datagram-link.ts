import { outbox } from "./datagram-outbox.ts";
import { callError, calls, Errno } from "./epoll/calls.ts";
import { loop, Ready, type Source } from "./epoll/loop.ts";

const MESSAGE_DONTWAIT = 0x40;
/** Datagrams that are taken at a time, so that other sockets get their turn; as native/turn.c has it. */
const TAKEN_AT_A_TIME = 16;
/** The longest datagram that UDP has. */
const LONGEST = 65_535;

const received = new Uint8Array(TAKEN_AT_A_TIME * LONGEST);
const lengths = new Int32Array(TAKEN_AT_A_TIME);

/** The proxy's own way to a server, in a client's name: a connected UDP descriptor, which it takes over. */
export class DatagramLink implements Source {
  private readonly fd: number;
  private readonly hear: { message(bytes: Uint8Array): void; failed(reason: string): void };
  private closed = false;

  /** The kernel lets only the connected server's datagrams in, each the hearer's for the moment. `failed` = the server refuses. */
  constructor(fd: number, hear: DatagramLink["hear"]) {
    this.fd = fd;
    this.hear = hear;
    loop.add(fd, Ready.in, this);
  }

  ready(): void {
    const count = calls.receiveDatagrams(this.fd, received, LONGEST, lengths) as number;
    if (count < 0) {
      if (count !== -Errno.again) this.hear.failed((callError("recv", -count) as NodeJS.ErrnoException).code!);
      return;
    }
    outbox.open();
    try {
      for (let index = 0; index < count && !this.closed; index++) {
        const at = index * LONGEST;
        this.hear.message(received.subarray(at, at + lengths[index]!));
      }
    } finally {
      outbox.flush();
    }
  }

  /** False when the bytes cannot be sent. */
  send(bytes: Uint8Array): boolean {
    if (outbox.put(this.fd, undefined, bytes)) return true;
    return Number(calls.sendOne(this.fd, bytes, bytes.length, MESSAGE_DONTWAIT)) === bytes.length;
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    outbox.send();
    loop.close(this.fd);
  }
}
