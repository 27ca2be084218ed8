import { EpollListener } from "../../src/proxy/epoll/listener.ts";
import { EpollSocket } from "../../src/proxy/epoll/socket.ts";
import type { ProxySockets } from "../../src/proxy/listeners.ts";
import { bindTo, connectTo, libc, openPlainSocket } from "../../src/proxy/socket-calls.ts";

const HOST = "127.0.0.1";
const listen = libc.func("int listen(int fd, int backlog)");
const getsockname = libc.func("int getsockname(int fd, void *address, void *length)");

function portOf(fd: number): number {
  const name = Buffer.alloc(16);
  getsockname(fd, name, Buffer.from([16, 0, 0, 0]));
  return name.readUInt16BE(2);
}

/** The proxy's own streams on loopback; `bound` learns the port that the kernel chose. */
export function loopbackStreams(
  upstreamPort: () => number,
  bound: (asked: number, port: number) => void,
): Pick<ProxySockets, "listenStreams" | "connectStream"> {
  return {
    async listenStreams(asked, _direction, accept) {
      const fd = openPlainSocket(HOST);
      bindTo(fd, HOST, 0, "loopback");
      listen(fd, 512);
      bound(asked, portOf(fd));
      return new EpollListener(fd, accept);
    },
    connectStream() {
      const fd = openPlainSocket(HOST);
      connectTo(fd, HOST, upstreamPort(), "loopback");
      const socket = new EpollSocket(fd, { connecting: true });
      socket.setNoDelay(true);
      return socket;
    },
  };
}
