const FIRST_BYTES = 64 * 1024;
/** Up to this length a string is written here; beyond, a call into the runtime is quicker. */
const SHORT = 96;
const BYTES_OF_A_UNIT = 3;
const LAST_ASCII = 0x7f;

/** Writes numbers (little-endian) and strings (length in bytes as u32, then UTF-8) one after another. */
export class ByteWriter {
  private bytes = Buffer.allocUnsafe(FIRST_BYTES);
  private view = viewOf(this.bytes);
  private at = 0;

  get size(): number {
    return this.at;
  }

  u8(value: number): void {
    this.reserve(1);
    this.bytes[this.at++] = value;
  }

  u32(value: number): void {
    this.reserve(4);
    this.view.setUint32(this.at, value, true);
    this.at += 4;
  }

  f64(value: number): void {
    this.reserve(8);
    this.view.setFloat64(this.at, value, true);
    this.at += 8;
  }

  text(value: string): void {
    this.reserve(4 + value.length * BYTES_OF_A_UNIT);
    const length = this.ascii(value, this.at + 4) ?? this.bytes.write(value, this.at + 4);
    this.view.setUint32(this.at, length, true);
    this.at += 4 + length;
  }

  /** A copy of what was written; the writer begins anew. */
  take(): Uint8Array<ArrayBuffer> {
    const taken = new Uint8Array(this.at);
    taken.set(this.bytes.subarray(0, this.at));
    this.at = 0;
    if (this.bytes.length > FIRST_BYTES) this.grow(FIRST_BYTES);
    return taken;
  }

  /** The length of a short string of ASCII, written; undefined = it is another. */
  private ascii(value: string, at: number): number | undefined {
    if (value.length > SHORT) return undefined;
    for (let index = 0; index < value.length; index++) {
      const unit = value.charCodeAt(index);
      if (unit > LAST_ASCII) return undefined;
      this.bytes[at + index] = unit;
    }
    return value.length;
  }

  private reserve(size: number): void {
    if (this.at + size > this.bytes.length) this.grow(Math.max(this.bytes.length * 2, this.at + size));
  }

  private grow(size: number): void {
    const bytes = Buffer.allocUnsafe(size);
    this.bytes.copy(bytes, 0, 0, this.at);
    this.bytes = bytes;
    this.view = viewOf(bytes);
  }
}

/** Reads what a `ByteWriter` wrote. Throws a RangeError where the bytes end too early. */
export class ByteReader {
  private readonly bytes: Buffer;
  private readonly view: DataView;
  private at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.view = viewOf(bytes);
  }

  get isAtEnd(): boolean {
    return this.at === this.bytes.length;
  }

  u8(): number {
    return this.view.getUint8(this.at++);
  }

  u32(): number {
    this.at += 4;
    return this.view.getUint32(this.at - 4, true);
  }

  f64(): number {
    this.at += 8;
    return this.view.getFloat64(this.at - 8, true);
  }

  text(): string {
    const length = this.u32();
    if (this.at + length > this.bytes.length) throw new RangeError("a string ends behind the bytes");
    this.at += length;
    return this.bytes.toString("utf8", this.at - length, this.at);
  }
}

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}
