import { decodeHuffman } from "./hpack-huffman.ts";
import { DynamicTable, fieldSize, STATIC_TABLE, type TableEntry } from "./hpack-table.ts";
import { latin1 } from "./latin1.ts";

/** What a header block says. */
export interface HeaderSection {
  /** Names and values in turn, one character a byte. */
  readonly section: string[];
  /** Names of the fields that must never be indexed (RFC 7541, 7.1.3). */
  readonly sensitive: string[];
  /** More fields or bytes than allowed: `section` is not all of it. */
  readonly tooLarge: boolean;
}

/** Size of the table that senders may count on (SETTINGS_HEADER_TABLE_SIZE, its initial value). */
const TABLE_SIZE = 4096;
const MAX_INTEGER = 2 ** 28;

class BlockFault extends Error {}

/** Reads the header blocks of one direction of a connection (RFC 7541). */
export class HpackDecoder {
  private readonly table = new DynamicTable(TABLE_SIZE);
  private readonly maxFields: number;
  private readonly maxBytes: number;
  private bytes: Uint8Array = new Uint8Array();
  private at = 0;

  /** `maxBytes`: of all fields, each with 32 more (RFC 9113, 6.5.2). */
  constructor(maxFields: number, maxBytes: number) {
    this.maxFields = maxFields;
    this.maxBytes = maxBytes;
  }

  /** Undefined when the block is none: nothing that comes after it can be read (COMPRESSION_ERROR). */
  decode(block: Uint8Array): HeaderSection | undefined {
    this.bytes = block;
    this.at = 0;
    try {
      return this.fields();
    } catch (error) {
      if (error instanceof BlockFault) return undefined;
      throw error;
    }
  }

  private fields(): HeaderSection {
    const section: string[] = [];
    const sensitive: string[] = [];
    let size = 0;
    let tooLarge = false;
    while (this.at < this.bytes.length) {
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
    return { section, sensitive, tooLarge };
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
    const isHuffman = (this.bytes[this.at] ?? 0) >= 0x80;
    const length = this.integer(7);
    const start = this.at;
    const end = start + length;
    if (end > this.bytes.length) throw new BlockFault("text beyond the block");
    this.at = end;
    if (!isHuffman) return latin1(this.bytes, start, end);
    const text = decodeHuffman(this.bytes, start, end);
    if (text === undefined) throw new BlockFault("text that is no Huffman code");
    return text;
  }

  private byte(): number {
    const byte = this.bytes[this.at++];
    if (byte === undefined) throw new BlockFault("block that is cut off");
    return byte;
  }
}
