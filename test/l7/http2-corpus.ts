/** The cases of corpus-http2/*.yaml: frames that try to get a forbidden request through, and what the proxy does with them. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { FrameFlag, FrameType } from "../../src/wire/http2-frame.ts";
import { block, frame, PREFACE, settings } from "../support/http2-frames.ts";

type Section = readonly (readonly [name: string, value: string])[];

/** One step of a client: a request, or a frame of any kind. */
interface Step {
  /** HEADERS of a request of this stream, which ends with them unless it is `open`. */
  readonly ask?: number;
  readonly method?: string;
  readonly path?: string;
  readonly host?: string;
  readonly open?: boolean;
  /** Fields after the pseudo-header fields. */
  readonly fields?: Section;
  /** Any frame, by the name of its type or its number. */
  readonly frame?: keyof typeof FrameType | number;
  readonly stream?: number;
  /** Names of flags, or bits. */
  readonly flags?: readonly (keyof typeof FrameFlag | number)[];
  /** Its payload: text, bytes, or a header block of literal fields; in this order, one after the other. */
  readonly text?: string;
  readonly hex?: string;
  readonly section?: Section;
  /** Bytes of zero behind it. */
  readonly zeros?: number;
  /** In place of everything else: bytes as they are. */
  readonly raw?: string;
  readonly times?: number;
}

interface EnvoyDiffers {
  /** Statuses of streams that it does not refuse; absent = none. */
  readonly streams?: Readonly<Record<number, string>>;
  readonly because: string;
}

interface WrittenCase {
  readonly name: string;
  readonly why: string;
  /** The client's SETTINGS: identifiers and values in turn; absent = empty ones. `none` = no preface either. */
  readonly settings?: readonly number[] | "none";
  readonly send: readonly Step[];
  readonly streams?: Readonly<Record<number, string>>;
  readonly goaway?: number;
  readonly seen?: readonly string[];
  readonly envoy?: EnvoyDiffers;
}

export interface Http2Case {
  readonly name: string;
  readonly sent: Uint8Array;
  /** What each stream gets. */
  readonly streams: Readonly<Record<number, string>>;
  readonly goaway: number | undefined;
  /** Whole requests that the server gets. */
  readonly seen: readonly string[];
  /** What Envoy answers where that is something else, and why. */
  readonly envoy: EnvoyDiffers | undefined;
}

export function http2Corpus(): Http2Case[] {
  const folder = join(import.meta.dirname, "corpus-http2");
  return readdirSync(folder).flatMap((file) => {
    const cases = parse(readFileSync(join(folder, file), "utf8")) as readonly WrittenCase[];
    return cases.map((written) => toCase(written, file));
  });
}

function toCase(written: WrittenCase, file: string): Http2Case {
  const { name, why, send, streams = {}, goaway, seen = [], settings: own = [], envoy } = written;
  if (!why || (envoy !== undefined && !envoy.because)) throw new Error(`${file}: ${name}: says no reason`);
  const begin = own === "none" ? [] : [PREFACE, settings(...own)];
  const sent = Buffer.concat([...begin, ...send.flatMap(bytesOf)]);
  return { name: `${file.replace(".yaml", "")}: ${name}`, sent, streams, goaway, seen: seen.toSorted(), envoy };
}

function bytesOf(step: Step): Uint8Array[] {
  return new Array<Uint8Array>(step.times ?? 1).fill(frameOf(step));
}

function frameOf(step: Step): Uint8Array {
  if (step.raw !== undefined) return Buffer.from(step.raw, "latin1");
  const { text = "", hex = "", section = [], zeros = 0, stream = 0, flags = [] } = step;
  if (step.ask !== undefined) {
    const { method = "GET", path = "/ok", host = "deathstar", fields = [], open = false } = step;
    const asked = [":method", method, ":scheme", "http", ":authority", host, ":path", path, ...fields.flat()];
    return frame(FrameType.Headers, FrameFlag.EndHeaders | (open ? 0 : FrameFlag.EndStream), step.ask, block(...asked));
  }
  const payload = [Buffer.from(hex.replaceAll(" ", ""), "hex"), block(...section.flat()), Buffer.from(text, "latin1")];
  const bits = flags.reduce<number>((sum, one) => sum | (typeof one === "number" ? one : FrameFlag[one]), 0);
  const type = typeof step.frame === "number" ? step.frame : FrameType[step.frame!];
  return frame(type, bits, stream, Buffer.concat([...payload, Buffer.alloc(zeros)]));
}
