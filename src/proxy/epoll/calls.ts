/** koffi bindings to the calls of libc that sockets of an epoll set need. Linux x86-64. */
import koffi from "koffi";

const libc = koffi.load("libc.so.6");

export const calls = {
  epollCreate: libc.func("int epoll_create1(int flags)"),
  epollControl: libc.func("int epoll_ctl(int epfd, int op, int fd, void *event)"),
  epollWait: libc.func("int epoll_wait(int epfd, void *events, int max, int timeout)"),
  poll: libc.func("int poll(void *fds, uint64_t count, int timeout)"),
  receive: libc.func("int64_t recv(int fd, void *data, size_t length, int flags)"),
  send: libc.func("int64_t send(int fd, const void *data, size_t length, int flags)"),
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
  const name = Object.entries(koffi.os.errno).find(([, value]) => value === errno)?.[0] ?? `errno ${errno}`;
  return Object.assign(new Error(`${call}: ${name}`), { code: name, errno });
}
