import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { openConnection } from "../../runtime/netns-socket.ts";
import { SpdyConnection, type SpdyStream } from "./spdy-connection.ts";

export const PORT_FORWARD_PROTOCOL = "portforward.k8s.io";

function connect(
  connection: SpdyConnection,
  data: SpdyStream,
  error: SpdyStream | undefined,
  netnsPath: string,
  port: number,
): void {
  const refuse = (reason: Error) => {
    error?.write(Buffer.from(`error forwarding port ${port} to the pod: ${reason.message}`));
    error?.end();
    data.end();
  };
  try {
    const socket = new Socket({
      fd: openConnection({ netnsPath, host: "127.0.0.1", port }),
      readable: true,
      writable: true,
    });
    socket.on("error", refuse);
    socket.on("data", (chunk: Buffer) => {
      socket.pause();
      data.write(chunk, () => socket.resume());
    });
    socket.on("end", () => {
      error?.end();
      data.end();
    });
    data.onData((bytes) => {
      if (socket.write(bytes)) return;
      connection.pause();
      socket.once("drain", () => connection.resume());
    });
    data.onEnd(() => socket.end());
    connection.onClose(() => socket.destroy());
  } catch (reason) {
    refuse(reason as Error);
  }
}

/** Joins each pair of streams (data and error of one request id) to a port on the pod's loopback. */
export function servePortForward(socket: Duplex, netnsPath: string): void {
  const errors = new Map<string, SpdyStream>();
  const connection = new SpdyConnection(socket, (stream) => {
    const request = stream.headers.get("requestid") ?? "";
    if (stream.headers.get("streamtype") === "error") {
      errors.set(request, stream);
      return;
    }
    const port = Number(stream.headers.get("port"));
    connect(connection, stream, errors.get(request), netnsPath, port);
    errors.delete(request);
  });
}
