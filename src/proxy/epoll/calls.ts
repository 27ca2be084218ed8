/** koffi bindings to the calls of libc that sockets of an epoll set need, one or many at a time. Linux x86-64. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import koffi from "koffi";
import { callError as namedError } from "../../model/system-error.ts";

const libc = koffi.load("libc.so.6");
const native = koffi.load(nativeHalf());

/** native/turn.c, which stands below the bundles. Throws when it was not built. */
function nativeHalf(): string {
  const bundles = import.meta.filename.endsWith(".ts")
    ? join(import.meta.dirname, "../../../dist")
    : import.meta.dirname;
  const path = join(bundles, "native/shieldgate-turn.so");
  if (!existsSync(path)) throw new Error(`${path} is missing: npm run setup`);
  return path;
}

export const calls = {
  epollCreate: libc.func("int epoll_create1(int flags)"),
  epollControl: libc.func("int epoll_ctl(int epfd, int op, int fd, void *event)"),
  /** Of native/turn.c. */
  wait: native.func("int sg_wait(int set, void *events, int most, int ms, void *bytes, int size, void *outcomes)"),
  send: native.func("void sg_send(void *parts, int count, const void *bytes)"),
  receiveDatagrams: native.func("int sg_receive(int fd, void *bytes, int room, void *lengths)"),
  sendDatagrams: native.func("void sg_send_datagrams(const void *datagrams, int count, const void *bytes)"),
  poll: libc.func("int poll(void *fds, uint64_t count, int timeout)"),
  receive: libc.func("int64_t recv(int fd, void *data, size_t length, int flags)"),
  sendOne: libc.func("int64_t send(int fd, const void *data, size_t length, int flags)"),
  accept: libc.func("int accept4(int fd, void *address, void *length, int flags)"),
  localName: libc.func("int getsockname(int fd, void *address, void *length)"),
  setOption: libc.func("int setsockopt(int fd, int level, int name, const void *value, uint32_t length)"),
  option: libc.func("int getsockopt(int fd, int level, int name, void *value, void *length)"),
  shutdown: libc.func("int shutdown(int fd, int how)"),
  close: libc.func("int close(int fd)"),
  errno: () => koffi.errno(),
};

export const Errno = { again: 11, tooManyFilesInAll: 23, tooManyFiles: 24, inProgress: 115 } as const;

/** An error as node's own sockets give it: with the errno's name as `code`. */
export function callError(call: string, errno: number): Error {
  return namedError(call, errno, koffi.os.errno);
}
