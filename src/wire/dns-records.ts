/** Where one record lies in a message, and its fixed fields (RFC 1035, 4.1.3). */
export interface RawRecord {
  /** Offset of its owner's name. */
  readonly at: number;
  readonly type: number;
  readonly class: number;
  /** Unsigned, as sent. */
  readonly ttl: number;
  /** The data are the bytes from `start` to before `end`. */
  readonly start: number;
  readonly end: number;
}

export function wordAt(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}

/** The offset after a name, which is not followed through its pointer; undefined when there is none. */
export function skipName(bytes: Uint8Array, offset: number): number | undefined {
  for (let at = offset; at < bytes.length; ) {
    const length = bytes[at]!;
    if (length === 0) return at + 1;
    if (length >= 0xc0) return at + 2 <= bytes.length ? at + 2 : undefined;
    if (length > 63) return undefined;
    at += length + 1;
  }
  return undefined;
}

/** Reads the frame of the record at `at`; undefined when the message ends before it does. */
export function rawRecord(bytes: Uint8Array, at: number): RawRecord | undefined {
  const fixed = skipName(bytes, at);
  if (fixed === undefined || fixed + 10 > bytes.length) return undefined;
  const start = fixed + 10;
  const end = start + wordAt(bytes, fixed + 8);
  if (end > bytes.length) return undefined;
  const ttl = wordAt(bytes, fixed + 4) * 65536 + wordAt(bytes, fixed + 6);
  return { at, type: wordAt(bytes, fixed), class: wordAt(bytes, fixed + 2), ttl, start, end };
}
