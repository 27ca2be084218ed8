import { latin1 } from "./latin1.ts";

/** Most bytes of a name on the wire, with its lengths and the root (RFC 1035, 3.1). */
const MAX_NAME_BYTES = 255;
const MAX_LABEL_BYTES = 63;
const POINTER = 0xc0;
/** Where a name's text is put together: unlike strings that grow it leaves nothing behind. A byte has four characters at most. */
const written = new Uint8Array(4 * MAX_NAME_BYTES);
const DOT = 0x2e;
/** Bytes of a message's header: no name lies in it. */
const HEADER_BYTES = 12;
/** A name has no more labels, so that more pointers only cost time. */
const MAX_POINTERS = 127;

/** A name as its labels, each in bytes' latin-1 text, without the root; case as sent. */
export type DnsName = readonly string[];

export interface ReadName {
  readonly name: DnsName;
  /** Offset after the name where it stands. */
  readonly end: number;
}

/**
 * Goes through the labels of the name at `offset` of a message (RFC 1035, 4.1.4) and returns the offset after it where it
 * stands. Undefined when it is none: pointers must lead back, always further back than the last, so that a loop cannot
 * be, never into the header, and there are no more than labels fit.
 */
function walkName(bytes: Uint8Array, offset: number, label: (start: number, end: number) => void): number | undefined {
  let at = offset;
  let end = -1;
  let limit = offset;
  let size = 1;
  let pointers = 0;
  for (;;) {
    const length = bytes[at];
    if (length === undefined) return undefined;
    if (length === 0) return end < 0 ? at + 1 : end;
    if ((length & POINTER) === POINTER) {
      const low = bytes[at + 1];
      if (low === undefined) return undefined;
      if (end < 0) end = at + 2;
      at = ((length & 0x3f) << 8) | low;
      if (at >= limit || at < HEADER_BYTES || ++pointers > MAX_POINTERS) return undefined;
      limit = at;
      continue;
    }
    size += length + 1;
    if (length > MAX_LABEL_BYTES || size > MAX_NAME_BYTES || at + 1 + length > bytes.length) return undefined;
    label(at + 1, at + 1 + length);
    at += 1 + length;
  }
}

/** Reads the name at `offset`; undefined when it is none. */
export function readName(bytes: Uint8Array, offset: number): ReadName | undefined {
  const labels: string[] = [];
  const end = walkName(bytes, offset, (start, stop) => labels.push(latin1(bytes, start, stop)));
  return end === undefined ? undefined : { name: labels, end };
}

/** Reads the name at `offset` as `absoluteName` writes it; undefined when it is none. */
export function readAbsoluteName(bytes: Uint8Array, offset: number): { text: string; end: number } | undefined {
  let length = 0;
  const end = walkName(bytes, offset, (start, stop) => {
    for (let at = start; at < stop; at++) length = writeByte(bytes[at]!, length);
    written[length++] = DOT;
  });
  if (end === undefined) return undefined;
  return { text: length === 0 ? "." : latin1(written, 0, length), end };
}

/** Puts the text of a label's byte at `at` of `written`; returns where it ends. */
function writeByte(byte: number, at: number): number {
  const text = BYTE_TEXT[byte]!;
  for (let index = 0; index < text.length; index++) written[at + index] = text.charCodeAt(index);
  return at + text.length;
}

/** Labels of plain dotted text such as `kube-dns.kube-system.svc.cluster.local`; a final dot is allowed. */
export function nameOf(text: string): DnsName {
  const bare = text.endsWith(".") ? text.slice(0, -1) : text;
  return bare === "" ? [] : bare.split(".");
}

/** Dotted text in lower case, for comparing and for people. */
export function nameText(name: DnsName): string {
  return name.join(".").toLowerCase();
}

/** How each byte of a label is written: letters in lower case, what could be mistaken for structure escaped. */
const BYTE_TEXT: readonly string[] = Array.from({ length: 256 }, (_, byte) => {
  const character = String.fromCharCode(byte);
  if (byte < 0x21 || byte > 0x7e) return `\\${String(byte).padStart(3, "0")}`;
  return `.\\"();@$`.includes(character) ? `\\${character}` : character.toLowerCase();
});

/**
 * The one text of a name, for comparing with rules: lower case (only ASCII letters have case: RFC 4343, 3), with the dot
 * of the root, and what no host name has escaped as in zone files (RFC 1035, 5.1), so that a dot within a label is
 * never one between labels.
 */
export function absoluteName(name: DnsName): string {
  let text = "";
  for (const label of name) {
    for (let index = 0; index < label.length; index++) text += BYTE_TEXT[label.charCodeAt(index) & 255];
    text += ".";
  }
  return text === "" ? "." : text;
}

/** Can the name be sent? Labels of 1 to 63 bytes, 255 in all. */
export function isSendable(name: DnsName): boolean {
  const size = name.reduce((sum, label) => sum + label.length + 1, 1);
  return size <= MAX_NAME_BYTES && name.every((label) => label.length > 0 && label.length <= MAX_LABEL_BYTES);
}
