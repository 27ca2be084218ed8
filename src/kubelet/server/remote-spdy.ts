import { type Duplex, PassThrough, Writable } from "node:stream";
import { parseResize, type RemoteCommand, type RemoteStreams } from "./remote-command.ts";
import { SpdyConnection, type SpdyStream } from "./spdy-connection.ts";

export const SPDY_PROTOCOL = "v4.channel.k8s.io";
const STREAMS_WAIT_MS = 30_000;

function writableOf(stream: SpdyStream): Writable {
  return new Writable({
    write: (chunk: Buffer, _encoding, done) => stream.write(chunk, done),
    final: (done) => {
      stream.end();
      done();
    },
  });
}

function readableOf(stream: SpdyStream, connection: SpdyConnection): PassThrough {
  const input = new PassThrough();
  stream.onData((bytes) => {
    if (input.write(bytes)) return;
    connection.pause();
    input.once("drain", () => connection.resume());
  });
  stream.onEnd(() => input.end());
  return input;
}

function expected(command: RemoteCommand): string[] {
  return ["error", "stdin", "stdout", "stderr", "resize"].filter((name) => {
    if (name === "resize") return command.tty;
    return name === "error" || command[name as "stdin" | "stdout" | "stderr"];
  });
}

/** Waits until the client has opened the streams that its request named. Rejects when they do not come. */
export function acceptSpdyStreams(socket: Duplex, command: RemoteCommand): Promise<RemoteStreams> {
  const missing = new Set(expected(command));
  const found = new Map<string, SpdyStream>();
  return new Promise((resolve, reject) => {
    const connection = new SpdyConnection(socket, (stream) => {
      const name = stream.headers.get("streamtype") ?? "";
      found.set(name, stream);
      missing.delete(name);
      if (missing.size > 0) return;
      clearTimeout(timer);
      resolve(remoteStreams(connection, found));
    });
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error(`the client opened no stream ${[...missing].join(", ")}`));
    }, STREAMS_WAIT_MS);
    connection.onClose(() => {
      clearTimeout(timer);
      reject(new Error("the client has gone"));
    });
  });
}

function remoteStreams(connection: SpdyConnection, found: ReadonlyMap<string, SpdyStream>): RemoteStreams {
  const stdin = found.get("stdin");
  const stdout = found.get("stdout");
  const stderr = found.get("stderr");
  return {
    stdin: stdin && readableOf(stdin, connection),
    stdout: stdout && writableOf(stdout),
    stderr: stderr && writableOf(stderr),
    onResize(listener) {
      found.get("resize")?.onData((bytes) => {
        const size = parseResize(Buffer.from(bytes).toString());
        if (size) listener(size.columns, size.rows);
      });
    },
    onClose: (listener) => connection.onClose(listener),
    finish(status) {
      const error = found.get("error");
      error?.write(Buffer.from(JSON.stringify(status)));
      for (const stream of found.values()) stream.end();
      connection.end();
    },
  };
}
