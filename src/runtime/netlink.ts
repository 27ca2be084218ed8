import { closeSync } from "node:fs";
import koffi from "koffi";
import { callError } from "../model/system-error.ts";
import { answerTo, withSequence } from "../wire/rtnetlink.ts";
import { withNetns } from "./netns-socket.ts";

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const NETLINK_ROUTE = 0;
/** An acknowledgement holds the request that it is for. */
const ANSWER_BYTES = 8192;

const libc = koffi.load("libc.so.6");
const socket = libc.func("int socket(int domain, int type, int protocol)");
const send = libc.func("int64_t send(int fd, const uint8_t *data, size_t length, int flags)");
const recv = libc.func("int64_t recv(int fd, _Out_ uint8_t *data, size_t length, int flags)");

function failure(what: string, errno = koffi.errno()): Error {
  return callError(what, errno, koffi.os.errno);
}

/** Asks the kernel of one network namespace for changes of its links, addresses and routes; it answers before `ask` returns. */
export class Netlink {
  private readonly fd: number;
  private readonly answer = Buffer.alloc(ANSWER_BYTES);
  private sequence = 0;

  /** Of the namespace at `path`; absent = the one of this thread. Throws when there is no socket. */
  constructor(path: string | undefined) {
    this.fd = withNetns(path, () => socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE) as number);
    if (this.fd < 0) throw failure("netlink");
  }

  /** `what` is for the error that says that the kernel refused. */
  ask(what: string, request: Buffer): void {
    const sequence = ++this.sequence;
    withSequence(request, sequence);
    if (send(this.fd, request, request.length, 0) < 0) throw failure(what);
    let errno: number | undefined;
    while (errno === undefined) {
      const length = Number(recv(this.fd, this.answer, this.answer.length, 0));
      if (length < 0) throw failure(what);
      errno = answerTo(sequence, this.answer.subarray(0, length));
    }
    if (errno !== 0) throw failure(what, errno);
  }

  close(): void {
    closeSync(this.fd);
  }
}

/** Opens a socket for the time of `work`. */
export function withNetlink<T>(path: string | undefined, work: (netlink: Netlink) => T): T {
  const netlink = new Netlink(path);
  try {
    return work(netlink);
  } finally {
    netlink.close();
  }
}
