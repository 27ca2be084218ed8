import { PassThrough, Writable } from "node:stream";
import type { WebSocket } from "ws";
import { parseResize, type RemoteCommand, type RemoteStreams } from "./remote-command.ts";

/** v5 adds that one channel can be closed: how the end of stdin is told. Source: Kubernetes remotecommand. */
export const WEBSOCKET_PROTOCOLS = ["v5.channel.k8s.io", "v4.channel.k8s.io"];

const CHANNEL = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4, close: 255 } as const;

function writableOf(socket: WebSocket, channel: number): Writable {
  return new Writable({
    write: (chunk: Buffer, _encoding, done) =>
      socket.send(Buffer.concat([Buffer.of(channel), chunk]), (error) => done(error)),
  });
}

/** A message in one piece, however it came. */
export function toBuffer(data: Buffer | ArrayBuffer | Buffer[]): Buffer {
  if (Array.isArray(data)) return Buffer.concat(data);
  return Buffer.isBuffer(data) ? data : Buffer.from(data);
}

/** The streams of an exec over a WebSocket that has been accepted with one of WEBSOCKET_PROTOCOLS. */
export function webSocketStreams(socket: WebSocket, command: RemoteCommand): RemoteStreams {
  const stdin = command.stdin ? new PassThrough() : undefined;
  let lastSize: { columns: number; rows: number } | undefined;
  let resize: ((columns: number, rows: number) => void) | undefined;
  socket.on("message", (data) => {
    const message = toBuffer(data);
    const [channel] = message;
    const body = message.subarray(1);
    if (channel === CHANNEL.close && body[0] === CHANNEL.stdin) stdin?.end();
    if (channel === CHANNEL.resize) {
      lastSize = parseResize(body.toString()) ?? lastSize;
      if (lastSize) resize?.(lastSize.columns, lastSize.rows);
    }
    if (channel !== CHANNEL.stdin || stdin === undefined || stdin.writableEnded || stdin.write(body)) return;
    socket.pause();
    stdin.once("drain", () => socket.resume());
  });
  socket.on("error", () => socket.terminate());
  return {
    stdin,
    stdout: command.stdout ? writableOf(socket, CHANNEL.stdout) : undefined,
    stderr: command.stderr ? writableOf(socket, CHANNEL.stderr) : undefined,
    onResize(listener) {
      resize = listener;
      // a client tells its size at once, and not again
      if (lastSize) listener(lastSize.columns, lastSize.rows);
    },
    onClose(listener) {
      socket.on("close", listener);
    },
    finish(status) {
      socket.send(Buffer.concat([Buffer.of(CHANNEL.error), Buffer.from(JSON.stringify(status))]), () =>
        socket.close(1000),
      );
    },
  };
}
