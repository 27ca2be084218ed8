/** SPDY/3 header blocks in plain form, and their "compression" by stored blocks. */
import { latin1, latin1Bytes } from "./latin1.ts";
import { concatBytes } from "./spdy-bytes.ts";
import { SpdyError } from "./spdy-frame.ts";

const STORED_LIMIT = 65_535;
/** An empty stored block: Go's inflater gives out what it has when it sees one, and not before. */
const FLUSH = Uint8Array.of(0, 0, 0, 0xff, 0xff);
/** zlib head: deflate, 32 KiB window, no dictionary. */
const ZLIB_HEAD = Uint8Array.of(0x78, 0x01);

function number(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff);
}

/** Names in lower case, each with one value. */
export function encodeHeaderBlock(headers: ReadonlyMap<string, string>): Uint8Array {
  const parts = [number(headers.size)];
  for (const pair of headers) {
    for (const text of pair) parts.push(number(text.length), latin1Bytes(text));
  }
  return concatBytes(...parts);
}

/** Names in lower case. Throws SpdyError when lengths do not fit. */
export function decodeHeaderBlock(bytes: Uint8Array): Map<string, string> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const take = (): number => {
    if (at + 4 > bytes.length) throw new SpdyError("header block ends within a length");
    at += 4;
    return view.getUint32(at - 4);
  };
  const text = (): string => {
    const length = take();
    if (at + length > bytes.length) throw new SpdyError("header block ends within a text");
    at += length;
    return latin1(bytes, at - length, at);
  };
  const headers = new Map<string, string>();
  for (let left = take(); left > 0; left--) {
    const name = text().toLowerCase();
    headers.set(name, text());
  }
  return headers;
}

/**
 * The bytes as one portion of a zlib stream, stored uncompressed: what any inflater reads, without a compressor's
 * memory. `first` for the first portion of a connection. At most 65535 bytes.
 */
export function storedPortion(bytes: Uint8Array, first: boolean): Uint8Array {
  if (bytes.length > STORED_LIMIT) throw new SpdyError(`header block of ${bytes.length} bytes`);
  const low = bytes.length & 0xff;
  const high = bytes.length >>> 8;
  const head = Uint8Array.of(0, low, high, ~low & 0xff, ~high & 0xff);
  return concatBytes(first ? ZLIB_HEAD : new Uint8Array(0), head, bytes, FLUSH);
}
