import koffi from "koffi";
import { formatAddress } from "../model/cidr.ts";
import { outbox } from "./datagram-outbox.ts";
import { loop, Ready, type Source } from "./epoll/loop.ts";
import { libc } from "./socket-calls.ts";

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
const AF_INET6 = 10;
const MOST_TEXTS = 1024;
const MEMORY = BATCH * (MESSAGE + VECTOR + NAME + CONTROL + DATAGRAM);

const recvmmsg = libc.func("int recvmmsg(int fd, void *messages, uint32_t count, int flags, void *timeout)");

/** Memory for one `recvmmsg`: headers, vectors, names, control data and contents, each an array of `BATCH`. */
class Batch {
  private readonly memory = koffi.alloc("uint8_t", MEMORY);
  private readonly bytes = Buffer.from(koffi.view(this.memory, MEMORY));
  private readonly vectors = BATCH * MESSAGE;
  private readonly names = this.vectors + BATCH * VECTOR;
  private readonly controls = this.names + BATCH * NAME;
  /** Texts of IPv4 addresses: the same few come with every datagram. */
  private readonly texts = new Map<number, string>();
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

  /** Takes what the descriptor has, at most `BATCH`. */
  receive(fd: number, take: (datagram: Datagram) => void): void {
    for (let index = 0; index < BATCH; index++) {
      this.bytes.writeUInt32LE(NAME, index * MESSAGE + 8);
      this.bytes.writeUInt32LE(CONTROL, index * MESSAGE + 40);
    }
    const count: number = recvmmsg(fd, this.memory, BATCH, 0, null);
    for (let index = 0; index < count; index++) {
      const datagram = this.read(index);
      if (datagram !== undefined) take(datagram);
    }
  }

  private read(index: number): Datagram | undefined {
    if (this.bytes.readUInt32LE(index * MESSAGE + 40) < CONTROL_HEADER + 16) return undefined;
    const name = this.names + index * NAME;
    const control = this.controls + index * CONTROL + CONTROL_HEADER;
    const start = this.contents + index * DATAGRAM;
    const length = this.bytes.readUInt32LE(index * MESSAGE + 56);
    return {
      bytes: Buffer.from(this.bytes.subarray(start, start + length)),
      clientAddress: this.address(name),
      clientPort: this.bytes.readUInt16BE(name + 2),
      serverAddress: this.address(control),
      serverPort: this.bytes.readUInt16BE(control + 2),
    };
  }

  /** Of a struct sockaddr_in or sockaddr_in6. */
  private address(at: number): string {
    const { bytes } = this;
    if (bytes.readUInt16LE(at) === AF_INET6) return formatAddress(bytes.subarray(at + 8, at + 24));
    const number = bytes.readUInt32BE(at + 4);
    const known = this.texts.get(number);
    if (known !== undefined) return known;
    if (this.texts.size >= MOST_TEXTS) this.texts.clear();
    const text = `${bytes[at + 4]}.${bytes[at + 5]}.${bytes[at + 6]}.${bytes[at + 7]}`;
    this.texts.set(number, text);
    return text;
  }
}

let batch: Batch | undefined;

/**
 * Reads a UDP descriptor, which it takes over, together with where each datagram was sent (`IP_RECVORIGDSTADDR`, Linux
 * 2.6.30): node's own sockets hide that.
 */
export class DatagramListener implements Source {
  private readonly fd: number;
  private readonly take: (datagram: Datagram) => void;

  constructor(fd: number, take: (datagram: Datagram) => void) {
    this.fd = fd;
    this.take = take;
    batch ??= new Batch();
    loop.add(fd, Ready.in, this);
  }

  /** One batch a turn: a flood at one socket must not keep the others waiting; epoll tells of the rest again. */
  ready(): void {
    outbox.open();
    try {
      batch!.receive(this.fd, this.take);
    } finally {
      outbox.flush();
    }
  }

  close(): void {
    loop.close(this.fd);
  }
}
