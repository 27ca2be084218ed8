/** One field of a protobuf message: a number for varints, bytes for everything that has a length. */
export interface WireField {
  readonly number: number;
  readonly value: bigint | Uint8Array;
}

/** A message that ends in the middle of a field, or holds a kind of field that Kubernetes does not write. */
export class MalformedMessage extends Error {}

class Cursor {
  readonly bytes: Uint8Array;
  at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  varint(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.bytes[this.at++];
      if (byte === undefined) throw new MalformedMessage("the message ends inside a number");
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw new MalformedMessage("a number has more than ten bytes");
  }

  take(length: number): Uint8Array {
    const end = this.at + length;
    if (end > this.bytes.length) throw new MalformedMessage("the message ends inside a field");
    const part = this.bytes.subarray(this.at, end);
    this.at = end;
    return part;
  }
}

/** The fields of a message in their order. Throws MalformedMessage. */
export function readFields(bytes: Uint8Array): WireField[] {
  const cursor = new Cursor(bytes);
  const fields: WireField[] = [];
  while (cursor.at < bytes.length) {
    const tag = Number(cursor.varint());
    const number = tag >>> 3;
    switch (tag & 7) {
      case 0:
        fields.push({ number, value: cursor.varint() });
        break;
      case 1:
        fields.push({ number, value: cursor.take(8) });
        break;
      case 2:
        fields.push({ number, value: cursor.take(Number(cursor.varint())) });
        break;
      case 5:
        fields.push({ number, value: cursor.take(4) });
        break;
      default:
        throw new MalformedMessage(`field ${number} has wire type ${tag & 7}`);
    }
  }
  return fields;
}
