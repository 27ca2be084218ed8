import { decodeHuffman } from "./hpack-huffman.ts";
import { DynamicTable, fieldSize, STATIC_TABLE, type TableEntry } from "./hpack-table.ts";
import { copyOf, latin1 } from "./latin1.ts";

/** What a header block says. Nobody may change it: the same object may be given out again. */
export interface HeaderSection {
  /** Names and values in turn, one character a byte. */
  readonly section: readonly string[];
  /** Names of the fields that must never be indexed (RFC 7541, 7.1.3). */
  readonly sensitive: readonly string[];
  /** More fields or bytes than allowed: `section` is not all of it. */
  readonly tooLarge: boolean;
  /** This object is given out again where the same bytes come again and mean the same. */
  readonly isKept: boolean;
}

/** A block that was read, and what it said. */
interface KnownBlock {
  readonly bytes: Uint8Array;
  readonly head: HeaderSection;
}

/** Size of the table that senders may count on (SETTINGS_HEADER_TABLE_SIZE, its initial value). */
const TABLE_SIZE = 4096;
const MAX_INTEGER = 2 ** 28;
/** Blocks that are kept, and the longest of them in bytes. */
const MOST_KNOWN = 8;
const LONGEST_KNOWN = 512;

class BlockFault extends Error {}

/**
 * Reads the header blocks of one direction of a connection (RFC 7541). Blocks that left the table as it was are remembered
 * until it changes: the same bytes by the same table say the same, and change nothing again.
 */
export class HpackDecoder {
  private readonly table = new DynamicTable(TABLE_SIZE);
  private readonly maxFields: number;
  private readonly maxBytes: number;
  private bytes: Uint8Array = new Uint8Array();
  private at = 0;
  private end = 0;
  private known: KnownBlock[] = [];
  private nextKnown = 0;
  /** Changes of the table before which `known` was read. */
  private knownAt = 0;

  /** `maxBytes`: of all fields, each with 32 more (RFC 9113, 6.5.2). */
  constructor(maxFields: number, maxBytes: number) {
    this.maxFields = maxFields;
    this.maxBytes = maxBytes;
  }

  /** Reads the bytes `from` to `to`; undefined when they are no block: nothing after it can be read (COMPRESSION_ERROR). */
  decode(bytes: Uint8Array, from: number, to: number): HeaderSection | undefined {
    if (this.table.changes === this.knownAt)
      for (const one of this.known) if (isSame(one.bytes, bytes, from, to)) return one.head;
    this.bytes = bytes;
    this.at = from;
    this.end = to;
    try {
      const head = this.fields();
      if (head.isKept) this.keep(head, from);
      return head;
    } catch (error) {
      if (error instanceof BlockFault) return undefined;
      throw error;
    }
  }

  private keep(head: HeaderSection, from: number): void {
    this.known[this.nextKnown] = { bytes: copyOf(this.bytes, from, this.end), head };
    this.nextKnown = (this.nextKnown + 1) % MOST_KNOWN;
  }

  /** True when the block that was read may be kept: it has changed nothing. */
  private isUnchanged(): boolean {
    const { changes } = this.table;
    if (changes === this.knownAt) return true;
    this.known = [];
    this.nextKnown = 0;
    this.knownAt = changes;
    return false;
  }

  private fields(): HeaderSection {
    const section: string[] = [];
    const sensitive: string[] = [];
    const isShort = this.end - this.at <= LONGEST_KNOWN;
    let size = 0;
    let tooLarge = false;
    while (this.at < this.end) {
      const first = this.bytes[this.at]!;
      if ((first & 0xe0) === 0x20) {
        if (section.length > 0 || tooLarge) throw new BlockFault("table size in the middle of a block");
        this.resize();
        continue;
      }
      const { name, value } = first >= 0x80 ? this.entry(this.integer(7)) : this.literal(first);
      size += fieldSize(name, value);
      tooLarge ||= section.length >= this.maxFields * 2 || size > this.maxBytes;
      if (tooLarge) continue;
      section.push(name, value);
      if ((first & 0xf0) === 0x10) sensitive.push(name);
    }
    return { section, sensitive, tooLarge, isKept: this.isUnchanged() && isShort && !tooLarge };
  }

  private resize(): void {
    const size = this.integer(5);
    if (size > TABLE_SIZE) throw new BlockFault("table larger than allowed");
    this.table.resize(size);
  }

  private literal(first: number): TableEntry {
    const isIndexed = (first & 0xc0) === 0x40;
    const index = this.integer(isIndexed ? 6 : 4);
    const name = index === 0 ? this.text() : this.entry(index).name;
    const value = this.text();
    if (isIndexed) this.table.insert(name, value);
    return { name, value };
  }

  private entry(index: number): TableEntry {
    const entry =
      index <= STATIC_TABLE.length ? STATIC_TABLE[index - 1] : this.table.at(index - STATIC_TABLE.length - 1);
    if (entry === undefined) throw new BlockFault("index of no entry");
    return entry;
  }

  /** RFC 7541, 5.1. */
  private integer(prefixBits: number): number {
    const mask = 2 ** prefixBits - 1;
    let value = this.byte() & mask;
    if (value < mask) return value;
    for (let factor = 1; ; factor *= 128) {
      const byte = this.byte();
      value += (byte & 127) * factor;
      if (value > MAX_INTEGER || factor > MAX_INTEGER) throw new BlockFault("integer that is too large");
      if (byte < 128) return value;
    }
  }

  /** RFC 7541, 5.2. */
  private text(): string {
    const isHuffman = this.at < this.end && this.bytes[this.at]! >= 0x80;
    const length = this.integer(7);
    const start = this.at;
    const end = start + length;
    if (end > this.end) throw new BlockFault("text beyond the block");
    this.at = end;
    if (!isHuffman) return latin1(this.bytes, start, end);
    const text = decodeHuffman(this.bytes, start, end);
    if (text === undefined) throw new BlockFault("text that is no Huffman code");
    return text;
  }

  private byte(): number {
    if (this.at >= this.end) throw new BlockFault("block that is cut off");
    return this.bytes[this.at++]!;
  }
}

function isSame(known: Uint8Array, bytes: Uint8Array, from: number, to: number): boolean {
  if (known.length !== to - from) return false;
  // from its end: blocks that differ mostly begin alike
  for (let at = known.length - 1; at >= 0; at--) if (known[at] !== bytes[from + at]) return false;
  return true;
}
