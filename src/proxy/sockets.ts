import { createServer, type Server, Socket } from "node:net";
import { SocketOption } from "../model/proxy-mark.ts";
import type { Direction } from "../model/verdict.ts";
import type { ConnectionFacts } from "./access.ts";
import { EpollListener } from "./epoll/listener.ts";
import { EpollSocket } from "./epoll/socket.ts";
import type { Listening, ProxySockets } from "./listeners.ts";
import {
  bindTo,
  connectTo,
  failure,
  isV6,
  libc,
  openSocket,
  SocketType,
  setOption,
  transparent,
  wildcards,
} from "./socket-calls.ts";

const BACKLOG = 4096;

const listen = libc.func("int listen(int fd, int backlog)");

/** Sockets as the datapath wants them: transparent and marked. Needs CAP_NET_ADMIN in the node's network namespace. */
export function transparentSockets(): ProxySockets {
  return {
    listen: (port, direction, accept) => listenInAllFamilies(port, direction, (fd) => listenOn(fd, accept)),
    connect: (facts) =>
      new Socket({
        fd: openTransparentConnection(facts),
        readable: true,
        writable: true,
        allowHalfOpen: true,
      }).setNoDelay(true),
    listenStreams: (port, direction, accept) =>
      listenInAllFamilies(port, direction, async (fd) => new EpollListener(fd, accept)),
    connectStream: (facts) => new EpollSocket(openTransparentConnection(facts), { connecting: true }).setNoDelay(true),
  };
}

async function listenInAllFamilies(
  port: number,
  direction: Direction,
  open: (fd: number) => Promise<Listening>,
): Promise<Listening> {
  const servers: Listening[] = [];
  const close = () => {
    for (const server of servers) server.close();
  };
  try {
    for (const wildcard of wildcards()) servers.push(await open(openTransparentListener(port, direction, wildcard)));
    return { close };
  } catch (error) {
    close();
    throw error;
  }
}

/** A listening descriptor on every address of a family at `port`; connections that it accepts inherit the mark. */
export function openTransparentListener(port: number, direction: Direction, wildcard = "0.0.0.0"): number {
  const subject = `${wildcard} port ${port}`;
  return openSocket({ type: SocketType.Stream, host: wildcard, direction, subject }, (fd) => {
    setOption(fd, SocketOption.ReuseAddress, 1, subject);
    if (isV6(wildcard)) setOption(fd, SocketOption.Only6, 1, subject);
    setOption(fd, transparent(wildcard), 1, subject);
    bindTo(fd, wildcard, port, subject);
    if (listen(fd, BACKLOG) !== 0) throw failure("listen", subject);
  });
}

/** A descriptor that connects to the server with the client's address and a port of the kernel's choice. */
export function openTransparentConnection(facts: ConnectionFacts): number {
  const subject = `${facts.serverAddress} port ${facts.serverPort} from ${facts.clientAddress}`;
  const kind = { type: SocketType.Stream, host: facts.serverAddress, direction: facts.origin.direction, subject };
  return openSocket(kind, (fd) => {
    setOption(fd, transparent(facts.serverAddress), 1, subject);
    setOption(fd, SocketOption.BindAddressNoPort, 1, subject);
    bindTo(fd, facts.clientAddress, 0, subject);
    connectTo(fd, facts.serverAddress, facts.serverPort, subject);
  });
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
