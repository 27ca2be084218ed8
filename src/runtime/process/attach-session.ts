import { closeSync, openSync } from "node:fs";
import { createConnection, type Socket } from "node:net";
import { basename, dirname } from "node:path";
import { PassThrough, Writable } from "node:stream";
import { type ExecSession, RuntimeError } from "../port.ts";
import type { ContainerRecord } from "./container.ts";

/** Frames as src/runtime/process/native/attach.h says. */
const HEAD = 5;
const INPUT = 0;
const INPUT_END = 1;
const SIZE = 2;
const LARGEST_INPUT = 65_536;

function frame(what: number, value: number, bytes: Uint8Array = new Uint8Array()): Buffer {
  const head = Buffer.alloc(HEAD);
  head.writeUInt8(what);
  head.writeUInt32LE(value, 1);
  return Buffer.concat([head, bytes]);
}

/** The bytes of a shim's frames, each on its own stream, as they come. */
class OutputReader {
  readonly #streams: readonly PassThrough[];
  #head = Buffer.alloc(0);
  #left = 0;
  #stream: PassThrough | undefined;

  constructor(streams: readonly PassThrough[]) {
    this.#streams = streams;
  }

  /** Returns the stream that wants no more for now, if one does. */
  take(chunk: Buffer): PassThrough | undefined {
    let full: PassThrough | undefined;
    for (let rest = chunk; rest.length > 0; ) {
      if (this.#left === 0) {
        const head = Buffer.concat([this.#head, rest.subarray(0, HEAD - this.#head.length)]);
        rest = rest.subarray(HEAD - this.#head.length);
        this.#head = head.length < HEAD ? head : Buffer.alloc(0);
        if (head.length < HEAD) break;
        this.#stream = this.#streams[head.readUInt8()];
        this.#left = head.readUInt32LE(1);
        continue;
      }
      const part = rest.subarray(0, this.#left);
      rest = rest.subarray(part.length);
      this.#left -= part.length;
      if (this.#stream?.write(part) === false) full = this.#stream;
    }
    return full;
  }
}

/** A socket's path is short, a container's is not: it is reached through its directory. */
async function connectTo(path: string): Promise<Socket> {
  const directory = openSync(dirname(path), "r");
  try {
    return await new Promise<Socket>((resolve, reject) => {
      const socket = createConnection(`/proc/self/fd/${directory}/${basename(path)}`, () => resolve(socket));
      socket.once("error", reject);
    });
  } catch (error) {
    throw new RuntimeError("ContainerNotRunning", `the container takes nobody: ${(error as Error).message}`);
  } finally {
    closeSync(directory);
  }
}

/**
 * What is fed goes to the container's input. Its end closes the input of a container that is fed once and has no terminal; any other
 * goes on for the next one, and this session is over.
 */
function inputOf(socket: Socket, record: ContainerRecord): Writable {
  return new Writable({
    write(chunk: Buffer, _encoding, done) {
      for (let start = 0; start < chunk.length; start += LARGEST_INPUT) {
        const part = chunk.subarray(start, start + LARGEST_INPUT);
        socket.write(frame(INPUT, part.length, part));
      }
      if (socket.writableNeedDrain) socket.once("drain", done);
      else done();
    },
    final(done) {
      if (record.stdin === "once" && !record.tty) socket.write(frame(INPUT_END, 0));
      else socket.end();
      done();
    },
  });
}

/** Joins the streams of a container's own program. Rejects when its shim does not answer. */
export async function attachToContainer(
  path: string,
  record: ContainerRecord,
  wantsInput: boolean,
): Promise<ExecSession> {
  const socket = await connectTo(path);
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const reader = new OutputReader([stdout, stderr]);
  const feeds = wantsInput && record.stdin !== undefined;
  if (feeds) socket.write(frame(INPUT, 0));
  socket.on("data", (chunk: Buffer) => {
    const full = reader.take(chunk);
    if (full === undefined) return;
    socket.pause();
    full.once("drain", () => socket.resume());
  });
  socket.on("error", () => socket.destroy());
  const exit = new Promise<number>((resolve) => {
    socket.on("close", () => {
      stdout.end();
      stderr.end();
      resolve(0);
    });
  });
  return {
    stdin: feeds ? inputOf(socket, record) : undefined,
    stdout,
    stderr: record.tty ? undefined : stderr,
    resize: (columns, rows) => void socket.write(frame(SIZE, columns + rows * 65_536)),
    kill: () => void socket.destroy(),
    exit,
  };
}
