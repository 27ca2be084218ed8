import { once } from "node:events";
import { closeSync, createReadStream, existsSync, openSync, readdirSync, readSync, statSync } from "node:fs";
import { join } from "node:path";
import { pipeline, type Readable } from "node:stream";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { create } from "@bufbuild/protobuf";
import { type GetFlowsResponse, GetFlowsResponseSchema } from "../../../proto/gen/observer_pb.js";
import { messageJson } from "../../flow/print/index.ts";
import { entriesOfFile, isHistoryFile } from "../../history/index.ts";
import type { Recording } from "../../prove/replay/recording.ts";
import type { FlowLineReader } from "./flow-line-reader.ts";
import { inputKind, namedInputKind } from "./input.ts";

const CHUNK_BYTES = 1 << 20;
const LONGEST_LINE = 4 << 20;
const NEWLINE = 10;
const RECORDING = /\.(jsonl?|jsonpb|ndjson|log|json\.\d+)(\.(gz|zst))?$/i;

/** Reads every recording that the paths name: files, `-`, folders of them or of the lab's history. Throws an Error where there is none. */
export async function readRecordings(
  paths: readonly string[],
  reader: FlowLineReader,
  recording: Recording,
): Promise<void> {
  for (const path of paths) {
    for (const file of filesOf(path)) {
      if (isHistoryFile(file)) await readHistory(file, reader, recording);
      else await readLines(file, reader, recording);
    }
  }
}

function filesOf(path: string): string[] {
  if (path !== "-" && !existsSync(path)) throw new Error(`${path}: there is no such file or folder`);
  if (namedInputKind(path) !== "folder") return [path];
  const found = readdirSync(path, { recursive: true, encoding: "utf8" })
    .map((name) => join(path, name))
    .filter((file) => (RECORDING.test(file) || isHistoryFile(file)) && statSync(file).isFile())
    .sort();
  if (found.length === 0)
    throw new Error(`${path}: holds no recording (*.jsonl, *.json, *.log, *.gz, or a flow history)`);
  return found;
}

async function readHistory(file: string, reader: FlowLineReader, recording: Recording): Promise<void> {
  let line = 0;
  for await (const entry of entriesOfFile(file)) {
    line++;
    if (entry.kind === "damaged") recording.complain({ source: file, line }, `${entry.bytes} damaged bytes`);
    else if (entry.kind === "flow")
      readResponse(
        create(GetFlowsResponseSchema, { responseTypes: { case: "flow", value: entry.flow } }),
        reader,
        file,
        line,
      );
    else if (entry.kind === "lost")
      readResponse(
        create(GetFlowsResponseSchema, { responseTypes: { case: "lostEvents", value: entry.lost } }),
        reader,
        file,
        line,
      );
  }
}

/** Takes what a server of flows says. */
export function readResponse(response: GetFlowsResponse, reader: FlowLineReader, source: string, line: number): void {
  const bytes = Buffer.from(messageJson(GetFlowsResponseSchema, response));
  reader.read(bytes, 0, bytes.length, source, line);
}

/** Lines in the bytes of a file, packed or not. What is cut off is told, and what came before counts. */
async function readLines(file: string, reader: FlowLineReader, recording: Recording): Promise<void> {
  const name = file === "-" ? "(standard input)" : file;
  const cutter = new LineCutter(name, reader, recording);
  try {
    if (inputKind(file) === "file") await takeFile(file, cutter);
    else await takeStream(await unpackedStream(file === "-" ? process.stdin : createReadStream(file)), cutter);
  } catch (error) {
    cutter.end();
    recording.complain({ source: name, line: cutter.line }, `cannot be read any further: ${(error as Error).message}`);
    return;
  }
  cutter.end();
}

async function takeStream(stream: AsyncIterable<unknown>, cutter: LineCutter): Promise<void> {
  for await (const chunk of stream) cutter.take(chunk as Buffer);
}

/** A file that is not packed is read into the same bytes again and again: pieces of their own are what the collector spends its time on. */
async function takeFile(file: string, cutter: LineCutter): Promise<void> {
  const descriptor = openSync(file, "r");
  try {
    const piece = Buffer.allocUnsafe(CHUNK_BYTES);
    let length = readSync(descriptor, piece);
    const packing = packingOf(piece.subarray(0, length));
    if (packing !== undefined) {
      await takeStream(unpackedWith(createReadStream(file, { highWaterMark: CHUNK_BYTES }), packing), cutter);
      return;
    }
    for (; length > 0; length = readSync(descriptor, piece)) cutter.take(piece.subarray(0, length));
  } finally {
    closeSync(descriptor);
  }
}

/** A stream tells what it is by its first bytes, which come once. */
async function unpackedStream(stream: Readable): Promise<AsyncIterable<unknown>> {
  for (let first = stream.read() as Buffer | null; ; first = stream.read() as Buffer | null) {
    if (first !== null) {
      stream.unshift(first);
      const packing = packingOf(first);
      return packing === undefined ? stream : unpackedWith(stream, packing);
    }
    if (stream.readableEnded || stream.destroyed) return stream;
    await Promise.race([once(stream, "readable"), once(stream, "end")]);
  }
}

/** In place of what an older Node has not. */
function zstdMissing(): never {
  throw new Error(
    "it is packed with zstd, which needs Node 22.15 or newer (`zstd -dc FILE | shieldgate policy replay -` does without)",
  );
}

const PACKINGS = [
  { magic: Buffer.from([0x1f, 0x8b]), unpack: createGunzip },
  { magic: Buffer.from([0x28, 0xb5, 0x2f, 0xfd]), unpack: createZstdDecompress ?? zstdMissing },
];

function packingOf(first: Buffer) {
  return PACKINGS.find(({ magic }) => first.subarray(0, magic.length).equals(magic));
}

function unpackedWith(stream: Readable, { unpack }: (typeof PACKINGS)[number]): AsyncIterable<unknown> {
  // failures come out of the reading of what is unpacked
  return pipeline(stream, unpack({ chunkSize: CHUNK_BYTES }), () => undefined);
}

/** Cuts bytes into lines. Holds one line and one chunk. */
class LineCutter {
  line = 0;
  private readonly source: string;
  private readonly reader: FlowLineReader;
  private readonly recording: Recording;
  private rest: Buffer[] = [];
  private restBytes = 0;

  constructor(source: string, reader: FlowLineReader, recording: Recording) {
    this.source = source;
    this.reader = reader;
    this.recording = recording;
  }

  take(chunk: Buffer): void {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      if (this.restBytes > 0) {
        this.keep(chunk.subarray(start, end));
        this.flush();
      } else this.give(chunk, start, end);
      start = end + 1;
    }
    this.keep(chunk.subarray(start));
  }

  end(): void {
    if (this.restBytes > 0) this.flush();
  }

  private keep(part: Buffer): void {
    this.restBytes += part.length;
    if (this.restBytes > LONGEST_LINE) this.rest = [];
    else if (part.length > 0) this.rest.push(Buffer.from(part));
  }

  private flush(): void {
    const isTooLong = this.restBytes > LONGEST_LINE;
    const bytes = Buffer.concat(this.rest);
    this.rest = [];
    this.restBytes = 0;
    if (!isTooLong) {
      this.give(bytes, 0, bytes.length);
      return;
    }
    this.line++;
    this.recording.complain({ source: this.source, line: this.line }, `longer than ${LONGEST_LINE} bytes`);
  }

  private give(bytes: Buffer, start: number, end: number): void {
    this.line++;
    this.reader.read(bytes, start, end, this.source, this.line);
  }
}
