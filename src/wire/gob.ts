/** A type of Go's encoding/gob, as far as it is written here. Fields and keys are matched by their names where it is read. */
export type GobType =
  /** `isKept`: of a field that is written when it is zero as well, for readers that read every message into the same struct. */
  | { readonly kind: "int" | "uint" | "bytes" | "string" | "binary"; readonly isKept?: true }
  | { readonly kind: "list"; readonly of: GobType }
  | { readonly kind: "map"; readonly of: GobType }
  | { readonly kind: "struct"; readonly name: string; readonly fields: readonly GobField[] };

export type GobField = readonly [name: string, type: GobType];

/** A value of a type. A field that is absent, zero or empty is left out, as Go does. A `binary` is what its type's MarshalBinary gives. */
export type GobValue = number | string | Uint8Array | readonly GobValue[] | ReadonlyMap<string, GobValue> | GobStruct;

interface GobStruct {
  readonly [field: string]: GobValue | undefined;
}

/** Numbers of the types that need no definition. */
const BUILT_IN: Readonly<Record<string, number>> = { int: 2, uint: 3, bytes: 5, string: 6 };
/** The first number that a definition may take. */
const FIRST_DEFINED = 65;

/** Fields of Go's `wireType`, one for each kind of definition. */
const DEFINITION = { list: 1, struct: 2, map: 3, binary: 5 } as const;

const encoder = new TextEncoder();

/** Bytes that grow. */
class Bytes {
  private buffer = new Uint8Array(256);
  length = 0;

  byte(value: number): void {
    if (this.length === this.buffer.length) this.grow(1);
    this.buffer[this.length++] = value;
  }

  add(bytes: Uint8Array): void {
    if (this.length + bytes.length > this.buffer.length) this.grow(bytes.length);
    this.buffer.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** Below 128 one byte; else how many bytes follow, negated, and the number, most significant byte first. */
  uint(value: number): void {
    if (value < 0x80) {
      this.byte(value);
      return;
    }
    let count = 1;
    for (let rest = Math.floor(value / 256); rest > 0; rest = Math.floor(rest / 256)) count++;
    this.byte(256 - count);
    for (let at = count - 1; at >= 0; at--) this.byte(Math.floor(value / 256 ** at) % 256);
  }

  /** The lowest bit says that the others are inverted. */
  int(value: number): void {
    this.uint(value < 0 ? -value * 2 - 1 : value * 2);
  }

  counted(bytes: Uint8Array): void {
    this.uint(bytes.length);
    this.add(bytes);
  }

  done(): Uint8Array {
    return this.buffer.subarray(0, this.length);
  }

  private grow(by: number): void {
    const larger = new Uint8Array(Math.max(this.buffer.length * 2, this.length + by));
    larger.set(this.done());
    this.buffer = larger;
  }
}

function isZero(value: GobValue | undefined): boolean {
  if (value === undefined || value === 0 || value === "") return true;
  if (value instanceof Uint8Array || Array.isArray(value)) return value.length === 0;
  return value instanceof Map && value.size === 0;
}

/** One type as streams know it: its number, and the definitions that must come before its first value. */
export class GobEncoder {
  private readonly ids = new Map<GobType, number>();
  private readonly type: GobType;
  /** The definitions, each with its length: a stream has them once, at its beginning. */
  readonly definitions: Uint8Array;

  /** `type` is a struct: what else may stand alone has a form of its own. */
  constructor(type: Extract<GobType, { kind: "struct" }>) {
    this.type = type;
    const out = new Bytes();
    this.define(type, out);
    this.definitions = out.done();
  }

  /** A value with its length, to be added to a stream that has the definitions. */
  message(value: GobValue): Uint8Array {
    const body = new Bytes();
    body.int(this.idOf(this.type));
    this.write(body, this.type, value);
    return framed(body);
  }

  /** A stream of one value alone. */
  alone(value: GobValue): Uint8Array {
    const message = this.message(value);
    const both = new Uint8Array(this.definitions.length + message.length);
    both.set(this.definitions);
    both.set(message, this.definitions.length);
    return both;
  }

  private idOf(type: GobType): number {
    return BUILT_IN[type.kind] ?? this.ids.get(type) ?? 0;
  }

  private define(type: GobType, out: Bytes): void {
    if (BUILT_IN[type.kind] !== undefined || this.ids.has(type)) return;
    this.ids.set(type, FIRST_DEFINED + this.ids.size);
    // what it is made of must have a number before it is written
    const parts = type.kind === "struct" ? type.fields.map(([, part]) => part) : "of" in type ? [type.of] : [];
    const inner = new Bytes();
    for (const part of parts) this.define(part, inner);
    const body = new Bytes();
    body.int(-this.idOf(type));
    this.writeDefinition(body, type);
    out.add(framed(body));
    out.add(inner.done());
  }

  /** Go's `wireType`: in one of its fields what all definitions have, a name and a number, and then the parts. */
  private writeDefinition(body: Bytes, type: GobType): void {
    body.uint(DEFINITION[type.kind as keyof typeof DEFINITION] + 1);
    body.uint(1);
    if (type.kind === "struct") {
      body.uint(1);
      body.counted(encoder.encode(type.name));
      body.uint(1);
    } else body.uint(2);
    body.int(this.idOf(type));
    body.uint(0);
    if (type.kind === "struct") this.writeFields(body, type.fields);
    if (type.kind === "map") {
      body.uint(1);
      body.int(BUILT_IN["string"]!);
    }
    if ("of" in type) {
      body.uint(1);
      body.int(this.idOf(type.of));
    }
    body.uint(0);
    body.uint(0);
  }

  private writeFields(body: Bytes, fields: readonly GobField[]): void {
    body.uint(1);
    body.uint(fields.length);
    for (const [name, type] of fields) {
      body.uint(1);
      body.counted(encoder.encode(name));
      body.uint(1);
      body.int(this.idOf(type));
      body.uint(0);
    }
  }

  private write(body: Bytes, type: GobType, value: GobValue): void {
    if (type.kind === "int") body.int(value as number);
    else if (type.kind === "uint") body.uint(value as number);
    else if (type.kind === "string") body.counted(encoder.encode(value as string));
    else if (type.kind === "list") this.writeList(body, type.of, value as readonly GobValue[]);
    else if (type.kind === "map") this.writeMap(body, type.of, value as ReadonlyMap<string, GobValue>);
    else if (type.kind === "struct") this.writeStruct(body, type.fields, value as GobStruct);
    else body.counted(value as Uint8Array);
  }

  private writeList(body: Bytes, of: GobType, items: readonly GobValue[]): void {
    body.uint(items.length);
    for (const item of items) this.write(body, of, item);
  }

  private writeMap(body: Bytes, of: GobType, entries: ReadonlyMap<string, GobValue>): void {
    body.uint(entries.size);
    for (const [key, value] of entries) {
      body.counted(encoder.encode(key));
      this.write(body, of, value);
    }
  }

  /** Each field is preceded by how far it stands behind the last one that was written; 0 ends them. */
  private writeStruct(body: Bytes, fields: readonly GobField[], value: GobStruct): void {
    let last = -1;
    for (const [at, [name, type]] of fields.entries()) {
      const own = value[name];
      if (own === undefined || (isZero(own) && !("isKept" in type))) continue;
      body.uint(at - last);
      this.write(body, type, own);
      last = at;
    }
    body.uint(0);
  }
}

function framed(body: Bytes): Uint8Array {
  const out = new Bytes();
  out.counted(body.done());
  return out.done();
}
