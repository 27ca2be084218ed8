import { closeSync, readFileSync } from "node:fs";
import { createServer, isIPv6, type Server, Socket } from "node:net";
import koffi from "koffi";
import { parseAddress } from "../model/cidr.ts";
import { PROXY_MARK_EGRESS, PROXY_MARK_INGRESS, SocketOption } from "../model/proxy-mark.ts";
import type { Direction } from "../model/verdict.ts";
import type { ConnectionFacts } from "./access.ts";
import type { Listening, ProxySockets } from "./listeners.ts";

const AF_INET = 2;
const AF_INET6 = 10;
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
    listen: (port, direction, accept) => listenInAllFamilies(port, direction, accept),
    connect: (facts) =>
      new Socket({ fd: openTransparentConnection(facts), readable: true, writable: true, allowHalfOpen: true }),
  };
}

/** The wildcard addresses of the families that this network namespace has. */
function wildcards(): readonly string[] {
  try {
    const disabled = readFileSync("/proc/sys/net/ipv6/conf/all/disable_ipv6", "utf8").trim();
    return disabled === "0" ? ["0.0.0.0", "::"] : ["0.0.0.0"];
  } catch {
    return ["0.0.0.0"]; // a kernel without IPv6
  }
}

async function listenInAllFamilies(
  port: number,
  direction: Direction,
  accept: (client: Socket) => void,
): Promise<Listening> {
  const servers: Server[] = [];
  const close = () => {
    for (const server of servers) server.close();
  };
  try {
    for (const wildcard of wildcards())
      servers.push(await listenOn(openTransparentListener(port, direction, wildcard), accept));
    return { close };
  } catch (error) {
    close();
    throw error;
  }
}

/** A listening descriptor on every address of a family at `port`; connections that it accepts inherit the mark. */
export function openTransparentListener(port: number, direction: Direction, wildcard = "0.0.0.0"): number {
  const subject = `${wildcard} port ${port}`;
  return openSocket(wildcard, subject, direction, (fd) => {
    setOption(fd, SocketOption.ReuseAddress, 1, subject);
    if (isIPv6(wildcard)) setOption(fd, SocketOption.Only6, 1, subject);
    setOption(fd, transparent(wildcard), 1, subject);
    const address = addressBytes(wildcard, port);
    if (bind(fd, address, address.length) !== 0) throw failure("bind", subject);
    if (listen(fd, BACKLOG) !== 0) throw failure("listen", subject);
  });
}

/** A descriptor that connects to the server with the client's address and a port of the kernel's choice. */
export function openTransparentConnection(facts: ConnectionFacts): number {
  const subject = `${facts.serverAddress} port ${facts.serverPort} from ${facts.clientAddress}`;
  return openSocket(facts.serverAddress, subject, facts.origin.direction, (fd) => {
    setOption(fd, transparent(facts.serverAddress), 1, subject);
    setOption(fd, SocketOption.BindAddressNoPort, 1, subject);
    setOption(fd, NODELAY, 1, subject);
    const local = addressBytes(facts.clientAddress, 0);
    if (bind(fd, local, local.length) !== 0) throw failure("bind", subject);
    const remote = addressBytes(facts.serverAddress, facts.serverPort);
    if (connect(fd, remote, remote.length) !== 0 && koffi.errno() !== EINPROGRESS) throw failure("connect", subject);
  });
}

const transparent = (host: string) => (isIPv6(host) ? SocketOption.Transparent6 : SocketOption.Transparent);

function openSocket(host: string, subject: string, direction: Direction, prepare: (fd: number) => void): number {
  const fd: number = socket(isIPv6(host) ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
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

/** struct sockaddr_in, or sockaddr_in6. */
function addressBytes(host: string, port: number): Uint8Array {
  const isV6 = isIPv6(host);
  const address = parseAddress(host) ?? new Uint8Array(16);
  const bytes = new Uint8Array(isV6 ? 28 : 16);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, isV6 ? AF_INET6 : AF_INET, true);
  view.setUint16(2, port, false);
  bytes.set(isV6 ? address : address.subarray(12), isV6 ? 8 : 4);
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
