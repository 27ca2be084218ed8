const FIRST_BYTES = 4096;
const LAST_ASCII = 0x7f;
/** Up to this length a string is written here; beyond, the runtime's encoder is quicker. */
const SHORT = 64;

/** Bytes that are put one before the other, the last first: a length is put when what it counts stands already. */
export class BackwardBytes {
  private bytes = new Uint8Array(FIRST_BYTES);
  private view = new DataView(this.bytes.buffer);
  private start = FIRST_BYTES;
  private readonly encoder = new TextEncoder();

  clear(): void {
    this.start = this.bytes.length;
  }

  /** What was put so far, in the order in which it is read. */
  copy(): Uint8Array<ArrayBuffer> {
    return this.bytes.slice(this.start);
  }

  /** Bytes put so far. */
  get length(): number {
    return this.bytes.length - this.start;
  }

  raw(data: Uint8Array): void {
    this.reserve(data.length);
    this.bytes.set(data, this.start);
  }

  /** UTF-8. */
  text(value: string): void {
    if (value.length > SHORT || !this.ascii(value)) this.raw(this.encoder.encode(value));
  }

  double(value: number): void {
    this.reserve(8);
    this.view.setFloat64(this.start, value, true);
  }

  float(value: number): void {
    this.reserve(4);
    this.view.setFloat32(this.start, value, true);
  }

  /** The lower 32 bits. */
  fixed32(value: number): void {
    this.reserve(4);
    this.view.setUint32(this.start, value, true);
  }

  /** The lower 64 bits. */
  fixed64(value: bigint): void {
    this.reserve(8);
    this.view.setBigUint64(this.start, BigInt.asUintN(64, value), true);
  }

  /** An integer from 0 to 2^32 - 1 as a varint. */
  varint(value: number): void {
    if (value < 0x80) {
      this.reserve(1);
      this.bytes[this.start] = value;
      return;
    }
    const size = value < 0x4000 ? 2 : value < 0x20_0000 ? 3 : value < 0x1000_0000 ? 4 : 5;
    this.reserve(size);
    let rest = value;
    let at = this.start;
    for (const last = at + size - 1; at < last; at++) {
      this.bytes[at] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.bytes[at] = rest;
  }

  /** The lower 64 bits as a varint. */
  varint64(value: bigint): void {
    const whole = BigInt.asUintN(64, value);
    const low = Number(whole & 0xffff_ffffn);
    const high = Number(whole >> 32n);
    if (high === 0) {
      this.varint(low);
      return;
    }
    // 28 bits below, 36 above: five bits of those still belong to the lower word
    const upper = high * 16 + (low >>> 28);
    this.large(upper);
    this.reserve(4);
    for (let index = 0; index < 4; index++) this.bytes[this.start + index] = ((low >>> (7 * index)) & 0x7f) | 0x80;
  }

  /** Up to 36 bits. */
  private large(value: number): void {
    if (value < 2 ** 32) {
      this.varint(value);
      return;
    }
    const top = Math.floor(value / 2 ** 28);
    this.varint(top);
    const low = value % 2 ** 28;
    this.reserve(4);
    for (let index = 0; index < 4; index++) this.bytes[this.start + index] = ((low >>> (7 * index)) & 0x7f) | 0x80;
  }

  private ascii(value: string): boolean {
    const { length } = value;
    this.reserve(length);
    for (let index = 0; index < length; index++) {
      const unit = value.charCodeAt(index);
      if (unit > LAST_ASCII) {
        this.start += length;
        return false;
      }
      this.bytes[this.start + index] = unit;
    }
    return true;
  }

  /** Makes room, and moves the start there. */
  private reserve(size: number): void {
    if (size > this.start) {
      const bytes = new Uint8Array(2 * this.bytes.length + size);
      bytes.set(this.bytes.subarray(this.start), bytes.length - this.length);
      this.start += bytes.length - this.bytes.length;
      this.bytes = bytes;
      this.view = new DataView(bytes.buffer);
    }
    this.start -= size;
  }
}
