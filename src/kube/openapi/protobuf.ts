/** A writer of protobuf messages: fields are appended in the order of the calls. Zero values are left out (proto3). */
export class MessageWriter {
  #bytes = new Uint8Array(256);
  #length = 0;

  #reserve(count: number): void {
    if (this.#length + count <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + count));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
  }

  #varint(value: number): void {
    this.#reserve(10);
    let rest = value;
    while (rest > 127) {
      this.#bytes[this.#length++] = (rest % 128) | 128;
      rest = Math.floor(rest / 128);
    }
    this.#bytes[this.#length++] = rest;
  }

  #lengthDelimited(field: number, bytes: Uint8Array): this {
    this.#varint(field * 8 + 2);
    this.#varint(bytes.length);
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
    return this;
  }

  /** A non-negative whole number. */
  integer(field: number, value: number | undefined): this {
    if (!value) return this;
    this.#varint(field * 8);
    this.#varint(value);
    return this;
  }

  boolean(field: number, value: boolean | undefined): this {
    return this.integer(field, value ? 1 : 0);
  }

  double(field: number, value: number | undefined): this {
    if (!value) return this;
    this.#varint(field * 8 + 1);
    this.#reserve(8);
    new DataView(this.#bytes.buffer).setFloat64(this.#length, value, true);
    this.#length += 8;
    return this;
  }

  string(field: number, value: string | undefined): this {
    return value ? this.#lengthDelimited(field, Buffer.from(value)) : this;
  }

  /** A repeated text: empty ones are written too. */
  strings(field: number, values: readonly string[] | undefined): this {
    for (const value of values ?? []) this.#lengthDelimited(field, Buffer.from(value));
    return this;
  }

  message(field: number, value: MessageWriter | undefined): this {
    return value ? this.#lengthDelimited(field, value.finish()) : this;
  }

  /** The bytes so far. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }
}
