/** The smallest transparent proxy: accepts what the datapath redirects, connects on with the client's address. */
import { createServer, Socket } from "node:net";
import koffi from "koffi";
import type { ProxyOrigin, ProxyOrigins } from "../../src/datapath/port.ts";
import { SocketOption } from "../../src/model/proxy-mark.ts";

const libc = koffi.load("libc.so.6");
const socket = libc.func("int socket(int domain, int type, int protocol)");
const setsockopt = libc.func("int setsockopt(int fd, int level, int name, const void *value, uint32_t length)");
const bind = libc.func("int bind(int fd, const void *address, uint32_t length)");
const listen = libc.func("int listen(int fd, int backlog)");
const connect = libc.func("int connect(int fd, const void *address, uint32_t length)");

const AF_INET = 2;
const SOCK_STREAM_NONBLOCK = 1 | 0o4000;
const EINPROGRESS = 115;

export interface Listener {
  readonly port: number;
  readonly accepted: Record<string, unknown>[];
  close(): void;
}

function setOption(fd: number, option: { level: number; name: number }, value: number): void {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  if (setsockopt(fd, option.level, option.name, bytes, 4) < 0) throw new Error(`setsockopt ${option.name} failed`);
}

function socketAddress(address: string, port: number): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt16LE(AF_INET, 0);
  bytes.writeUInt16BE(port, 2);
  bytes.set(address.split(".").map(Number), 4);
  return bytes;
}

function transparentSocket(mark: number): number {
  const fd = socket(AF_INET, SOCK_STREAM_NONBLOCK, 0);
  setOption(fd, SocketOption.Transparent, 1);
  setOption(fd, SocketOption.Mark, mark);
  return fd;
}

function dial(mark: number, client: string, server: string, port: number): Socket {
  const fd = transparentSocket(mark);
  setOption(fd, SocketOption.BindAddressNoPort, 1);
  if (bind(fd, socketAddress(client, 0), 16) < 0) throw new Error(`bind ${client}: errno ${koffi.errno()}`);
  const failed = connect(fd, socketAddress(server, port), 16);
  if (failed < 0 && koffi.errno() !== EINPROGRESS) throw new Error(`connect: errno ${koffi.errno()}`);
  return new Socket({ fd });
}

function serve(client: Socket, mark: number, origins: ProxyOrigins, accepted: Record<string, unknown>[]): void {
  const { remoteAddress = "", remotePort = 0, localAddress = "", localPort = 0 } = client;
  const origin: ProxyOrigin | undefined = origins.lookup(remoteAddress, remotePort, localAddress, localPort);
  accepted.push({ client: remoteAddress, server: localAddress, port: localPort, origin: origin ?? null });
  const follow = origins.follow(remoteAddress, remotePort, localAddress, localPort);
  let known = origin?.sourceIdentity;
  client.on("data", () => {
    const now = follow()?.sourceIdentity;
    if (now !== known) accepted.push({ client: remoteAddress, became: now ?? null });
    known = now;
  });
  const upstream = dial(mark, remoteAddress, localAddress, localPort);
  client.on("close", () => upstream.destroy()); // it may still be trying to connect
  for (const [a, b] of [
    [client, upstream],
    [upstream, client],
  ] as const) {
    a.on("error", () => b.destroy());
    a.pipe(b);
  }
}

/** Listens on 0.0.0.0:`port` with IP_TRANSPARENT and the mark, and pipes every connection on. */
export function listenTransparently(port: number, mark: number, origins: ProxyOrigins): Listener {
  const fd = transparentSocket(mark);
  setOption(fd, SocketOption.ReuseAddress, 1);
  if (bind(fd, socketAddress("0.0.0.0", port), 16) < 0 || listen(fd, 128) < 0) throw new Error(`listen ${port} failed`);
  const accepted: Record<string, unknown>[] = [];
  const server = createServer((client) => serve(client, mark, origins, accepted));
  server.listen({ fd });
  return { port, accepted, close: () => server.close() };
}
