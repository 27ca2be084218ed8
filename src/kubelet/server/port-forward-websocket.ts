/** Port-forward over a WebSocket, as client libraries speak it that know no SPDY: two channels for each port. */
import { Socket } from "node:net";
import type { WebSocket } from "ws";
import { openConnection } from "../../runtime/netns-socket.ts";
import { toBuffer } from "./remote-websocket.ts";

/** Source: Kubernetes' kubelet, portforward over WebSocket. */
export const PORT_FORWARD_WEBSOCKET = "v4.channel.k8s.io";

/** The ports that a request names: `ports=80&ports=81` or `ports=80,81`. Undefined when one is none, or there are none. */
export function forwardedPorts(query: URLSearchParams): number[] | undefined {
  const ports = [...query.getAll("ports"), ...query.getAll("port")].flatMap((text) => text.split(",")).map(Number);
  const good = ports.length > 0 && ports.every((port) => Number.isInteger(port) && port > 0 && port < 65536);
  return good ? ports : undefined;
}

/** How one port's bytes come and go. */
interface Forwarded {
  readonly socket: Socket | undefined;
}

function forward(web: WebSocket, netnsPath: string, port: number, index: number, ended: () => void): Forwarded {
  const [data, error] = [2 * index, 2 * index + 1];
  const send = (channel: number, bytes: Buffer, sent?: () => void) =>
    web.send(Buffer.concat([Buffer.of(channel), bytes]), () => sent?.());
  // Both channels begin with the port, little-endian.
  for (const channel of [data, error]) send(channel, Buffer.of(port & 0xff, port >> 8));
  const refuse = (reason: Error) => {
    send(error, Buffer.from(`error forwarding port ${port} to the pod: ${reason.message}`), ended);
  };
  try {
    const fd = openConnection({ netnsPath, host: "127.0.0.1", port });
    const socket = new Socket({ fd, readable: true, writable: true });
    socket.on("error", refuse);
    socket.on("data", (chunk: Buffer) => {
      socket.pause();
      send(data, chunk, () => socket.resume());
    });
    socket.on("end", ended);
    return { socket };
  } catch (reason) {
    refuse(reason as Error);
    return { socket: undefined };
  }
}

/** Joins channels 2n (bytes) and 2n+1 (errors) to the n-th port on the pod's loopback; ends when all ports have ended. */
export function serveWebSocketPortForward(web: WebSocket, netnsPath: string, ports: readonly number[]): void {
  const open = new Set(ports.keys());
  const all = ports.map((port, index) =>
    forward(web, netnsPath, port, index, () => {
      open.delete(index);
      if (open.size === 0) web.close(1000);
    }),
  );
  web.on("message", (message) => {
    const bytes = toBuffer(message);
    const channel = bytes[0] ?? 1;
    const socket = channel % 2 === 0 ? all[channel / 2]?.socket : undefined;
    if (socket === undefined || socket.destroyed || socket.write(bytes.subarray(1))) return;
    web.pause();
    socket.once("drain", () => web.resume());
    socket.once("close", () => web.resume());
  });
  web.on("error", () => web.terminate());
  web.on("close", () => {
    for (const { socket } of all) socket?.destroy();
  });
}
