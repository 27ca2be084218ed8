import { closeSync } from "node:fs";
import { createServer, type Server, Socket } from "node:net";
import koffi from "koffi";
import { PROXY_MARK_EGRESS, PROXY_MARK_INGRESS, SocketOption } from "../model/proxy-mark.ts";
import type { Direction } from "../model/verdict.ts";
import type { ConnectionFacts } from "./access.ts";
import type { ProxySockets } from "./listeners.ts";

const AF_INET = 2;
const SOCK_STREAM = 1;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const EINPROGRESS = 115;
const BACKLOG = 4096;
const NODELAY = { level: 6, name: 1 };

const libc = koffi.load("libc.so.6");
const socket = libc.func("int socket(int domain, int type, int protocol)");
const bind = libc.func("int bind(int fd, const uint8_t *address, uint32_t length)");
const connect = libc.func("int connect(int fd, const uint8_t *address, uint32_t length)");
const listen = libc.func("int listen(int fd, int backlog)");
const setsockopt = libc.func("int setsockopt(int fd, int level, int name, const int *value, uint32_t length)");

/** Sockets as the datapath wants them: transparent and marked. Needs CAP_NET_ADMIN in the node's network namespace. */
export function transparentSockets(): ProxySockets {
  return {
    listen: async (port, direction, accept) => listenOn(openTransparentListener(port, direction), accept),
    connect: (facts) =>
      new Socket({ fd: openTransparentConnection(facts), readable: true, writable: true, allowHalfOpen: true }),
  };
}

/** A listening descriptor on every address at `port`; connections that it accepts inherit the mark. */
export function openTransparentListener(port: number, direction: Direction): number {
  const subject = `0.0.0.0:${port}`;
  return openSocket(subject, direction, (fd) => {
    setOption(fd, SocketOption.ReuseAddress, 1, subject);
    setOption(fd, SocketOption.Transparent, 1, subject);
    const address = addressBytes("0.0.0.0", port);
    if (bind(fd, address, address.length) !== 0) throw failure("bind", subject);
    if (listen(fd, BACKLOG) !== 0) throw failure("listen", subject);
  });
}

/** A descriptor that connects to the server with the client's address and a port of the kernel's choice. */
export function openTransparentConnection(facts: ConnectionFacts): number {
  const subject = `${facts.serverAddress}:${facts.serverPort} from ${facts.clientAddress}`;
  return openSocket(subject, facts.origin.direction, (fd) => {
    setOption(fd, SocketOption.Transparent, 1, subject);
    setOption(fd, SocketOption.BindAddressNoPort, 1, subject);
    setOption(fd, NODELAY, 1, subject);
    const local = addressBytes(facts.clientAddress, 0);
    if (bind(fd, local, local.length) !== 0) throw failure("bind", subject);
    const remote = addressBytes(facts.serverAddress, facts.serverPort);
    if (connect(fd, remote, remote.length) !== 0 && koffi.errno() !== EINPROGRESS) throw failure("connect", subject);
  });
}

function openSocket(subject: string, direction: Direction, prepare: (fd: number) => void): number {
  const fd: number = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) throw failure("socket", subject);
  try {
    setOption(fd, SocketOption.Mark, direction === "ingress" ? PROXY_MARK_INGRESS : PROXY_MARK_EGRESS, subject);
    prepare(fd);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function setOption(fd: number, option: { level: number; name: number }, value: number, subject: string): void {
  if (setsockopt(fd, option.level, option.name, [value], 4) !== 0) throw failure(`setsockopt ${option.name}`, subject);
}

function addressBytes(host: string, port: number): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, AF_INET, true);
  view.setUint16(2, port, false);
  bytes.set(host.split(".").map(Number), 4);
  return bytes;
}

function failure(call: string, subject: string): Error {
  const number = koffi.errno();
  const name = Object.entries(koffi.os.errno).find(([, value]) => value === number)?.[0] ?? `errno ${number}`;
  return Object.assign(new Error(`${call} ${subject}: ${name}`), { code: name, errno: number });
}

function listenOn(fd: number, accept: (client: Socket) => void): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, accept);
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ fd }, () => {
      server.off("error", reject);
      resolve(server);
    });
  });
}
