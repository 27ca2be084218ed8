import { createSocket } from "node:dgram";
import type { AddressInfo } from "node:net";
import type { DatagramSockets } from "../../src/proxy/datagrams.ts";

/** Where clients of the loopback proxy believe their server to be. */
export const SERVER = { serverAddress: "192.0.2.53", serverPort: 53 };

/** As in the real ones: what is heard is lent for the moment. */
const received = new Uint8Array(65_535);

/** Plain UDP on loopback in place of the kernel's redirect. `port` = where what was asked to listen does so. */
export function loopbackDatagrams(
  upstreamPort: () => number,
): DatagramSockets & { port(asked: number): Promise<number> } {
  const ports = new Map<number, Promise<number>>();
  const listeners = new Map<string, ReturnType<typeof createSocket>>();
  return {
    listen(port, direction, take) {
      const socket = createSocket("udp4");
      const bound = new Promise<number>((resolve) => {
        socket.bind(0, "127.0.0.1", () => resolve((socket.address() as AddressInfo).port));
      });
      ports.set(port, bound);
      listeners.set(direction, socket);
      socket.on("message", (bytes, { address, port: clientPort }) =>
        take({ bytes, clientAddress: address, clientPort, ...SERVER }),
      );
      return { close: () => socket.close() };
    },
    answer({ clientAddress, clientPort }, direction, bytes) {
      if (bytes.length > 1400) return false;
      listeners.get(direction)?.send(Uint8Array.from(bytes), clientPort, clientAddress);
      return true;
    },
    connect(_path, _direction, hear) {
      const socket = createSocket("udp4");
      socket.on("message", (bytes) => {
        received.set(bytes);
        hear.message(received.subarray(0, bytes.length));
      });
      socket.on("error", ({ message }) => hear.failed(message));
      return {
        send: (bytes) => {
          socket.send(Uint8Array.from(bytes), upstreamPort(), "127.0.0.1");
          return true;
        },
        close: () => socket.close(),
      };
    },
    port: (asked) => ports.get(asked) ?? Promise.reject(new Error(`nobody listens for ${asked}`)),
  };
}
