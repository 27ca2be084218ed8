import { closeSync, openSync } from "node:fs";
import { isIPv4 } from "node:net";
import koffi from "koffi";
import { addressPort, parseAddress } from "../model/cidr.ts";
import { callError } from "../model/system-error.ts";

const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const CLONE_NEWNET = 0x40000000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const IPPROTO_ICMP = 1;
const IPPROTO_TCP = 6;
const IPPROTO_ICMPV6 = 58;
const TCP_NODELAY = 1;
const EINPROGRESS = 115;
const SOCKADDR_IN_BYTES = 16;
const SOCKADDR_IN6_BYTES = 28;

const libc = koffi.load("libc.so.6");
const unshare = libc.func("int unshare(int flags)");
const setns = libc.func("int setns(int fd, int nstype)");
const socket = libc.func("int socket(int domain, int type, int protocol)");
const bind = libc.func("int bind(int fd, const uint8_t *address, uint32_t length)");
const connect = libc.func("int connect(int fd, const uint8_t *address, uint32_t length)");
const listen = libc.func("int listen(int fd, int backlog)");
const setsockopt = libc.func("int setsockopt(int fd, int level, int name, const int *value, uint32_t length)");

export interface ListenerOptions {
  /** Path of the network namespace, e.g. `/proc/1/ns/net`; absent = the one of this process. */
  readonly netnsPath?: string;
  /** IPv4 or IPv6 text. */
  readonly host: string;
  /** 0 lets the kernel choose. */
  readonly port: number;
  readonly backlog?: number;
}

export interface ConnectionOptions {
  readonly netnsPath?: string;
  readonly host: string;
  readonly port: number;
}

function failure(call: string, subject: string): Error {
  return callError(`${call} ${subject}`, koffi.errno(), koffi.os.errno);
}

function enter(fd: number, path: string): void {
  if (setns(fd, CLONE_NEWNET) !== 0) throw failure("setns", path);
}

/**
 * Goes to another network namespace by `leave`, runs `fn` there and comes back. Ends the process when there is no way back,
 * because every later socket of this process would be made in a stranger's network.
 */
function away<T>(leave: () => void, fn: () => T): T {
  const home = openSync("/proc/thread-self/ns/net", "r");
  try {
    leave();
    try {
      return fn();
    } finally {
      if (setns(home, CLONE_NEWNET) !== 0) {
        process.stderr.write("netns-socket: no way back from another network namespace\n");
        process.abort();
      }
    }
  } finally {
    closeSync(home);
  }
}

/**
 * Runs `fn` with this thread in the network namespace at `path` (absent: where it is) and comes back.
 * `fn` must be synchronous and must make its sockets itself: what Node defers to a later tick is made outside.
 * Throws when the namespace cannot be entered.
 */
export function withNetns<T>(path: string | undefined, fn: () => T): T {
  if (path === undefined) return fn();
  const leave = () => {
    const target = openSync(path, "r");
    try {
      enter(target, path);
    } finally {
      closeSync(target);
    }
  };
  return away(leave, fn);
}

/** Makes a network namespace without a name: it lives as long as the returned descriptor and the sockets made in it. */
export function newNetns(): number {
  const leave = () => {
    if (unshare(CLONE_NEWNET) !== 0) throw failure("unshare", "a network namespace");
  };
  return away(leave, () => openSync("/proc/thread-self/ns/net", "r"));
}

/** A `struct sockaddr_in` or `sockaddr_in6`: family in the machine's order, port in the network's. */
function addressBytes(host: string, port: number): Uint8Array {
  const address = parseAddress(host);
  if (address === undefined) throw new Error(`${host} is not an IP address: give one such as 127.0.0.1`);
  if (!Number.isInteger(port) || port < 0 || port > 65535) throw new Error(`port ${port} is not between 0 and 65535`);
  const isV4 = isIPv4(host);
  const bytes = new Uint8Array(isV4 ? SOCKADDR_IN_BYTES : SOCKADDR_IN6_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, isV4 ? AF_INET : AF_INET6, true);
  view.setUint16(2, port, false);
  if (isV4) bytes.set(address.subarray(12), 4);
  else bytes.set(address, 8);
  return bytes;
}

function setOption(fd: number, level: number, name: number, subject: string): void {
  if (setsockopt(fd, level, name, [1], 4) !== 0) throw failure("setsockopt", subject);
}

function openStream(address: Uint8Array, subject: string): number {
  const family = address.length === SOCKADDR_IN_BYTES ? AF_INET : AF_INET6;
  const fd: number = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) throw failure("socket", subject);
  return fd;
}

function orClose<T>(fd: number, fn: () => T): T {
  try {
    return fn();
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/**
 * A TCP socket that listens in a network namespace: an open descriptor, non-blocking and close-on-exec, for
 * `server.listen({ fd })`. It stays in that namespace whoever holds it. The error's `code` is the errno's name.
 */
export function openListener(options: ListenerOptions): number {
  const { host, port, netnsPath } = options;
  const subject = `${addressPort(host, port)}${netnsPath === undefined ? "" : ` in ${netnsPath}`}`;
  const address = addressBytes(host, port);
  return withNetns(netnsPath, () => {
    const fd = openStream(address, subject);
    return orClose(fd, () => {
      setOption(fd, SOL_SOCKET, SO_REUSEADDR, subject);
      if (bind(fd, address, address.length) !== 0) throw failure("bind", subject);
      if (listen(fd, options.backlog ?? 511) !== 0) throw failure("listen", subject);
      return fd;
    });
  });
}

/**
 * A TCP connection begun from within a network namespace: an open descriptor, non-blocking and close-on-exec, for
 * `new net.Socket({ fd })`. It is still connecting; a refusal shows as the socket's error on its first read or write.
 */
export function openConnection(options: ConnectionOptions): number {
  const { host, port, netnsPath } = options;
  const subject = `${addressPort(host, port)}${netnsPath === undefined ? "" : ` from ${netnsPath}`}`;
  const address = addressBytes(host, port);
  return withNetns(netnsPath, () => {
    const fd = openStream(address, subject);
    return orClose(fd, () => {
      setOption(fd, IPPROTO_TCP, TCP_NODELAY, subject);
      if (connect(fd, address, address.length) !== 0 && koffi.errno() !== EINPROGRESS)
        throw failure("connect", subject);
      return fd;
    });
  });
}

/**
 * A socket for echo requests in this process's network namespace, for `dgram.Socket.bind({ fd })`: the kernel writes
 * identifier and checksum (icmp(7)) and hands in only what answers this socket. The namespace's `ping_group_range` must have
 * the process's group.
 */
export function openPingSocket(family: 4 | 6): number {
  const [domain, protocol] = family === 4 ? [AF_INET, IPPROTO_ICMP] : [AF_INET6, IPPROTO_ICMPV6];
  const fd: number = socket(domain, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
  if (fd < 0) throw failure("socket", `ICMP for IPv${family}`);
  return fd;
}
