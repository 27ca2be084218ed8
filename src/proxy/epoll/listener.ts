import { formatAddress } from "../../model/cidr.ts";
import { calls, Errno } from "./calls.ts";
import { loop, Ready, type Source } from "./loop.ts";
import { type Ends, EpollSocket } from "./socket.ts";

const NONBLOCK_CLOEXEC = 0o2004000;
/** Connections that are taken at a time, so that the open ones get their turn. */
const ACCEPTED_AT_A_TIME = 64;
const NO_FILES_PAUSE_MS = 100;
const AF_INET6 = 10;
const ADDRESS_BYTES = 28;

const peer = Buffer.alloc(ADDRESS_BYTES);
const own = Buffer.alloc(ADDRESS_BYTES);
const length = Buffer.alloc(4);

/** Accepts from a listening, non-blocking descriptor, which it takes over. */
export class EpollListener implements Source {
  private readonly fd: number;
  private readonly accept: (client: EpollSocket) => void;
  private pause: NodeJS.Timeout | undefined;
  private closed = false;

  constructor(fd: number, accept: (client: EpollSocket) => void) {
    this.fd = fd;
    this.accept = accept;
    loop.add(fd, Ready.in, this);
  }

  ready(): void {
    for (let count = 0; count < ACCEPTED_AT_A_TIME && !this.closed; count++) {
      length.writeUInt32LE(ADDRESS_BYTES);
      const fd = calls.accept(this.fd, peer, length, NONBLOCK_CLOEXEC) as number;
      if (fd < 0) {
        this.refused(calls.errno());
        return;
      }
      length.writeUInt32LE(ADDRESS_BYTES);
      if (calls.localName(fd, own, length) !== 0) calls.close(fd);
      else this.accept(new EpollSocket(fd, { connecting: false, ends: endsOf(peer, own) }));
    }
  }

  /** Without a free descriptor the connection waits in the kernel, and would wake us at once. */
  private refused(errno: number): void {
    if (errno !== Errno.tooManyFiles && errno !== Errno.tooManyFilesInAll) return;
    loop.modify(this.fd, 0);
    this.pause = setTimeout(() => loop.modify(this.fd, Ready.in), NO_FILES_PAUSE_MS);
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    clearTimeout(this.pause);
    loop.close(this.fd);
  }
}

function endsOf(peerName: Buffer, ownName: Buffer): Ends {
  return {
    remoteAddress: addressOf(peerName),
    remotePort: peerName.readUInt16BE(2),
    localAddress: addressOf(ownName),
    localPort: ownName.readUInt16BE(2),
  };
}

function addressOf(name: Buffer): string {
  if (name.readUInt16LE(0) === AF_INET6) return formatAddress(name.subarray(8, 24));
  return `${name[4]}.${name[5]}.${name[6]}.${name[7]}`;
}
