import { callError, calls, Errno } from "./epoll/calls.ts";
import { loop, Ready, type Source } from "./epoll/loop.ts";

const MESSAGE_DONTWAIT = 0x40;
/** Datagrams that are taken at a time, so that other sockets get their turn. */
const TAKEN_AT_A_TIME = 64;

/** The longest datagram that UDP has. */
const received = new Uint8Array(65_535);

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
    for (let count = 0; count < TAKEN_AT_A_TIME && !this.closed; count++) {
      const length = Number(calls.receive(this.fd, received, received.length, MESSAGE_DONTWAIT));
      if (length >= 0) this.hear.message(received.subarray(0, length));
      else {
        const errno = calls.errno();
        if (errno !== Errno.again) this.hear.failed((callError("recv", errno) as NodeJS.ErrnoException).code!);
        return;
      }
    }
  }

  /** False when the bytes could not be sent. */
  send(bytes: Uint8Array): boolean {
    return Number(calls.sendOne(this.fd, bytes, bytes.length, MESSAGE_DONTWAIT)) === bytes.length;
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    loop.close(this.fd);
  }
}
