import { DynamicTable, fieldSize, STATIC_TABLE } from "./hpack-table.ts";

/** The most that the table takes here, whatever the reader offers. */
const TABLE_SIZE = 4096;
/** Fields whose values hardly ever come again, or are worth guessing: they are not put into the table. */
const NOT_INDEXED: ReadonlySet<string> = new Set([
  ":path",
  "age",
  "authorization",
  "content-length",
  "cookie",
  "etag",
  "if-modified-since",
  "if-none-match",
  "location",
  "set-cookie",
]);
/** Entries beyond this many bytes would drive out too many others. */
const MAX_INDEXED = 1024;

const STATIC_FIELDS = new Map(STATIC_TABLE.map(({ name, value }, at) => [`${name}\0${value}`, at + 1]));
const STATIC_NAMES = new Map([...STATIC_TABLE].map(({ name }, at) => [name, at + 1] as const).reverse());

/** Blocks that are kept, and the longest of them in bytes. */
const MOST_KNOWN = 8;
const LONGEST_KNOWN = 512;

/** A block that was written, and of what: arrays that nobody changes. */
interface KnownBlock {
  readonly section: readonly string[];
  readonly sensitive: readonly string[];
  readonly bytes: Uint8Array;
}

/**
 * Writes the header blocks of one direction of a connection (RFC 7541); texts as they are, without Huffman's code. A block that
 * left the table as it was is remembered until it changes: the same array, written again, makes the same block.
 */
export class HpackEncoder {
  /** Numbers, in order of insertion, of what is in the table. */
  private readonly numbers = new Map<string, number>();
  private readonly table = new DynamicTable(TABLE_SIZE, ({ name, value }, number) => {
    const key = `${name}\0${value}`;
    if (this.numbers.get(key) === number) this.numbers.delete(key);
  });
  /** Table sizes that the reader has to be told of before the next block. */
  private sizes: number[] = [];
  private bytes = new Uint8Array(512);
  private length = 0;
  private known: KnownBlock[] = [];
  private nextKnown = 0;
  /** Changes of the table before which `known` was written. */
  private knownAt = 0;

  /** The reader keeps a table of this size (SETTINGS_HEADER_TABLE_SIZE). */
  resize(size: number): void {
    const limit = Math.min(size, TABLE_SIZE);
    this.table.resize(limit);
    // only the smallest and the last one matter (RFC 7541, 4.2)
    this.sizes = [...this.sizes.filter((before) => before < limit).slice(0, 1), limit];
  }

  /**
   * The block of a header section (names and values in turn, one character a byte), valid until the next; `sensitive` names
   * are never indexed. Neither array may change any more.
   */
  encode(section: readonly string[], sensitive: readonly string[]): Uint8Array {
    if (this.table.changes === this.knownAt)
      for (const one of this.known) if (one.section === section && one.sensitive === sensitive) return one.bytes;
    this.length = 0;
    for (const size of this.sizes) this.integer(0x20, 5, size);
    const isOnceOnly = this.sizes.length > 0;
    this.sizes = [];
    for (let at = 0; at < section.length; at += 2) {
      const name = section[at]!;
      const value = section[at + 1]!;
      if (sensitive.length > 0 && sensitive.includes(name)) this.literal(0x10, 4, name, value);
      else this.field(name, value);
    }
    if (!isOnceOnly) this.remember(section, sensitive);
    return this.bytes.subarray(0, this.length);
  }

  private remember(section: readonly string[], sensitive: readonly string[]): void {
    const { changes } = this.table;
    if (changes !== this.knownAt) {
      this.known = [];
      this.nextKnown = 0;
      this.knownAt = changes;
    } else if (this.length <= LONGEST_KNOWN) {
      this.known[this.nextKnown] = { section, sensitive, bytes: this.bytes.slice(0, this.length) };
      this.nextKnown = (this.nextKnown + 1) % MOST_KNOWN;
    }
  }

  private field(name: string, value: string): void {
    const key = `${name}\0${value}`;
    const number = this.numbers.get(key);
    const index =
      STATIC_FIELDS.get(key) ?? (number === undefined ? undefined : STATIC_TABLE.length + this.table.inserted - number);
    if (index !== undefined) {
      this.integer(0x80, 7, index);
      return;
    }
    if (NOT_INDEXED.has(name) || fieldSize(name, value) > MAX_INDEXED) {
      this.literal(0, 4, name, value);
      return;
    }
    this.literal(0x40, 6, name, value);
    const before = this.table.inserted;
    this.table.insert({ name, value });
    if (this.table.inserted > before) this.numbers.set(key, before);
  }

  private literal(pattern: number, prefixBits: number, name: string, value: string): void {
    const index = STATIC_NAMES.get(name);
    this.integer(pattern, prefixBits, index ?? 0);
    if (index === undefined) this.text(name);
    this.text(value);
  }

  private integer(pattern: number, prefixBits: number, value: number): void {
    const mask = 2 ** prefixBits - 1;
    if (value < mask) {
      this.byte(pattern | value);
      return;
    }
    this.byte(pattern | mask);
    let rest = value - mask;
    for (; rest >= 128; rest = Math.floor(rest / 128)) this.byte((rest % 128) + 128);
    this.byte(rest);
  }

  private text(value: string): void {
    this.integer(0, 7, value.length);
    if (this.length + value.length > this.bytes.length) this.grow(value.length);
    for (let at = 0; at < value.length; at++) this.bytes[this.length++] = value.charCodeAt(at);
  }

  private byte(byte: number): void {
    if (this.length === this.bytes.length) this.grow(1);
    this.bytes[this.length++] = byte;
  }

  private grow(room: number): void {
    const grown = new Uint8Array((this.length + room) * 2);
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
  }
}
