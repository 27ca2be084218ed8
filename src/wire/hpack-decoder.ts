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

/** A block that was read, what it said, and what it put into the table. */
interface KnownBlock {
  readonly bytes: Uint8Array;
  readonly head: HeaderSection;
  readonly inserted: readonly TableEntry[];
  /** The table, by its changes, of which the block took fields; `ANY_TABLE` = of none. */
  readonly table: number;
}

/** Size of the table that senders may count on (SETTINGS_HEADER_TABLE_SIZE, its initial value). */
const TABLE_SIZE = 4096;
const MAX_INTEGER = 2 ** 28;
/** Blocks that are kept, and the longest of them in bytes. */
const MOST_KNOWN = 8;
const LONGEST_KNOWN = 512;
const ANY_TABLE = -1;
const NONE: readonly TableEntry[] = [];

class BlockFault extends Error {}

/**
 * Reads the header blocks of one direction of a connection (RFC 7541). The latest ones are remembered: a block that takes nothing
 * of the table always says the same and puts the same into it; one that takes something of it and leaves it as it was says the
 * same until it changes. Others are read anew each time.
 */
export class HpackDecoder {
  private readonly table = new DynamicTable(TABLE_SIZE);
  private readonly maxFields: number;
  private readonly maxBytes: number;
  private bytes: Uint8Array = new Uint8Array();
  private at = 0;
  private end = 0;
  private readonly known: KnownBlock[] = [];
  private nextKnown = 0;
  /** The block being read has taken something of the table. */
  private usesTable = false;
  /** The block being read says how large the table is to be. */
  private hasResized = false;
  private inserted: TableEntry[] = [];

  /** `maxBytes`: of all fields, each with 32 more (RFC 9113, 6.5.2). */
  constructor(maxFields: number, maxBytes: number) {
    this.maxFields = maxFields;
    this.maxBytes = maxBytes;
  }

  /** Reads the bytes `from` to `to`; undefined when they are no block: nothing after it can be read (COMPRESSION_ERROR). */
  decode(bytes: Uint8Array, from: number, to: number): HeaderSection | undefined {
    for (const one of this.known) if (isSame(one.bytes, bytes, from, to) && this.isValid(one)) return this.again(one);
    this.bytes = bytes;
    this.at = from;
    this.end = to;
    this.usesTable = false;
    this.hasResized = false;
    if (this.inserted.length > 0) this.inserted = [];
    try {
      const head = this.fields();
      if (head.isKept) this.keep(head, from);
      return head;
    } catch (error) {
      if (error instanceof BlockFault) return undefined;
      throw error;
    }
  }

  private isValid({ table }: KnownBlock): boolean {
    return table === ANY_TABLE || table === this.table.changes;
  }

  private again({ head, inserted }: KnownBlock): HeaderSection {
    for (const entry of inserted) this.table.insert(entry);
    return head;
  }

  private keep(head: HeaderSection, from: number): void {
    this.known[this.nextKnown] = {
      bytes: copyOf(this.bytes, from, this.end),
      head,
      inserted: this.inserted.length === 0 ? NONE : this.inserted,
      table: this.usesTable ? this.table.changes : ANY_TABLE,
    };
    this.nextKnown = (this.nextKnown + 1) % MOST_KNOWN;
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
    return { section, sensitive, tooLarge, isKept: this.isRepeatable() && isShort && !tooLarge };
  }

  private isRepeatable(): boolean {
    return !this.hasResized && !(this.usesTable && this.inserted.length > 0);
  }

  private resize(): void {
    this.hasResized = true;
    const size = this.integer(5);
    if (size > TABLE_SIZE) throw new BlockFault("table larger than allowed");
    this.table.resize(size);
  }

  private literal(first: number): TableEntry {
    const isIndexed = (first & 0xc0) === 0x40;
    const index = this.integer(isIndexed ? 6 : 4);
    const name = index === 0 ? this.text() : this.entry(index).name;
    const value = this.text();
    const entry = { name, value };
    if (isIndexed) {
      this.table.insert(entry);
      this.inserted.push(entry);
    }
    return entry;
  }

  private entry(index: number): TableEntry {
    if (index <= STATIC_TABLE.length) return STATIC_TABLE[index - 1] ?? noEntry();
    this.usesTable = true;
    return this.table.at(index - STATIC_TABLE.length - 1) ?? noEntry();
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

function noEntry(): never {
  throw new BlockFault("index of no entry");
}

function isSame(known: Uint8Array, bytes: Uint8Array, from: number, to: number): boolean {
  if (known.length !== to - from) return false;
  // from its end: blocks that differ mostly begin alike
  for (let at = known.length - 1; at >= 0; at--) if (known[at] !== bytes[from + at]) return false;
  return true;
}
