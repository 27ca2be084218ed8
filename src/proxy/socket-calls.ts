import { closeSync, readFileSync } from "node:fs";
import koffi from "koffi";
import { parseAddress } from "../model/cidr.ts";
import { PROXY_MARK_EGRESS, PROXY_MARK_INGRESS, SocketOption } from "../model/proxy-mark.ts";
import type { Direction } from "../model/verdict.ts";
import { callError, Errno } from "./epoll/calls.ts";

const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;

/** Types of sockets on Linux. */
export const SocketType = { Stream: 1, Datagram: 2, Raw: 3 } as const;

export const libc = koffi.load("libc.so.6");
const socket = libc.func("int socket(int domain, int type, int protocol)");
const setsockopt = libc.func("int setsockopt(int fd, int level, int name, const void *value, uint32_t length)");
const bind = libc.func("int bind(int fd, const void *address, uint32_t length)");
const connect = libc.func("int connect(int fd, const void *address, uint32_t length)");

const optionValue = new Int32Array(1);
/** Names of addresses that calls were given lately, each with the port of its last call. */
const names = new Map<string, Uint8Array>();
const MOST_NAMES = 1024;

/** What a socket is, beside what is set before it is used. */
export interface SocketKind {
  readonly type: number;
  readonly protocol?: number;
  /** An address of the family. */
  readonly host: string;
  readonly direction: Direction;
  /** For errors: who is meant. */
  readonly subject: string;
}

/** A non-blocking TCP descriptor of the family of `host`. Throws with the errno's name as `code`. */
export function openPlainSocket(host: string): number {
  return descriptor(host, SocketType.Stream, 0, host);
}

function descriptor(host: string, type: number, protocol: number, subject: string): number {
  const domain = isV6(host) ? AF_INET6 : AF_INET;
  const fd: number = socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
  if (fd < 0) throw failure("socket", subject);
  return fd;
}

/** A marked, non-blocking descriptor; it is closed again when `prepare` throws. Throws with the errno's name as `code`. */
export function openSocket(kind: SocketKind, prepare: (fd: number) => void): number {
  const { host, direction, subject } = kind;
  const fd = descriptor(host, kind.type, kind.protocol ?? 0, subject);
  try {
    setOption(fd, SocketOption.Mark, direction === "ingress" ? PROXY_MARK_INGRESS : PROXY_MARK_EGRESS, subject);
    prepare(fd);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** Of an address, which is all that hosts are here. */
export function isV6(host: string): boolean {
  return host.includes(":");
}

export const transparent = (host: string) => (isV6(host) ? SocketOption.Transparent6 : SocketOption.Transparent);

export function setOption(fd: number, option: { level: number; name: number }, value: number, subject: string): void {
  optionValue[0] = value;
  if (setsockopt(fd, option.level, option.name, optionValue, 4) !== 0)
    throw failure(`setsockopt ${option.name}`, subject);
}

/** Throws when the address cannot be had. */
export function bindTo(fd: number, host: string, port: number, subject: string): void {
  const address = nameOf(host, port);
  if (bind(fd, address, address.length) !== 0) throw failure("bind", subject);
}

/** Connects, or begins to. Throws when that is impossible at once. */
export function connectTo(fd: number, host: string, port: number, subject: string): void {
  const address = nameOf(host, port);
  if (connect(fd, address, address.length) !== 0 && koffi.errno() !== Errno.inProgress)
    throw failure("connect", subject);
}

/** As `addressBytes`, for the call that comes next only: the same few addresses come again and again. */
function nameOf(host: string, port: number): Uint8Array {
  let name = names.get(host);
  if (name === undefined) {
    if (names.size >= MOST_NAMES) names.clear();
    name = addressBytes(host, 0);
    names.set(host, name);
  }
  name[2] = port >>> 8;
  name[3] = port;
  return name;
}

/** struct sockaddr_in, or sockaddr_in6. */
export function addressBytes(host: string, port: number): Uint8Array {
  const is6 = isV6(host);
  const address = parseAddress(host) ?? new Uint8Array(16);
  const bytes = new Uint8Array(is6 ? 28 : 16);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, is6 ? AF_INET6 : AF_INET, true);
  view.setUint16(2, port, false);
  bytes.set(is6 ? address : address.subarray(12), is6 ? 8 : 4);
  return bytes;
}

/** The error of the call that failed last, with the errno's name as `code`. */
export function failure(call: string, subject: string): Error {
  return callError(`${call} ${subject}`, koffi.errno());
}

/** The wildcard addresses of the families that this network namespace has. */
export function wildcards(): readonly string[] {
  try {
    const disabled = readFileSync("/proc/sys/net/ipv6/conf/all/disable_ipv6", "utf8").trim();
    return disabled === "0" ? ["0.0.0.0", "::"] : ["0.0.0.0"];
  } catch {
    return ["0.0.0.0"]; // a kernel without IPv6
  }
}
