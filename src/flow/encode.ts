import { type DescField, type DescMessage, type Message, ScalarType } from "@bufbuild/protobuf";
import { FeatureSet_FieldPresence } from "@bufbuild/protobuf/wkt";
import { FlowSchema } from "../../proto/gen/flow_pb.js";
import { ENCODED } from "./messages.ts";

const VARINT = 0;
const LENGTH_DELIMITED = 2;
const FIRST_BYTES = 64 << 10;
const utf8 = new TextEncoder();

/** Bytes that grow; `at` is where the next one goes. */
export class EncodedBytes {
  bytes: Uint8Array;
  at = 0;

  constructor(bytes = FIRST_BYTES) {
    this.bytes = new Uint8Array(bytes);
  }

  ensure(more: number): void {
    if (this.at + more <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(this.bytes.length * 2, this.at + more));
    grown.set(this.bytes.subarray(0, this.at));
    this.bytes = grown;
  }

  /** What was written, and empty from now on: the bytes are the caller's. `next` is taken in their place. */
  take(next: Uint8Array = new Uint8Array(FIRST_BYTES)): Uint8Array {
    const taken = this.bytes.subarray(0, this.at);
    this.bytes = next;
    this.at = 0;
    return taken;
  }

  varint(value: number): void {
    this.ensure(10);
    let rest = value;
    while (rest > 0x7f) {
      this.bytes[this.at++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    this.bytes[this.at++] = rest;
  }

  varint64(value: bigint): void {
    if (value >= 0n && value <= 0x1fffffffffffffn) {
      this.varint(Number(value));
      return;
    }
    this.ensure(10);
    let rest = BigInt.asUintN(64, value);
    while (rest > 0x7fn) {
      this.bytes[this.at++] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    this.bytes[this.at++] = Number(rest);
  }

  raw(bytes: Uint8Array): void {
    this.ensure(bytes.length);
    this.bytes.set(bytes, this.at);
    this.at += bytes.length;
  }

  text(value: string): void {
    this.ensure(value.length * 3);
    const start = this.at;
    for (let i = 0; i < value.length; i++) {
      const code = value.charCodeAt(i);
      if (code > 0x7f) {
        this.at = start + utf8.encodeInto(value, this.bytes.subarray(start)).written;
        return;
      }
      this.bytes[this.at++] = code;
    }
  }

  /** Makes room for the length of what follows; `end` with what this gives writes it. */
  begin(): number {
    this.ensure(1);
    return ++this.at;
  }

  end(start: number): void {
    const length = this.at - start;
    if (length <= 0x7f) {
      this.bytes[start - 1] = length;
      return;
    }
    let extra = 1;
    for (let rest = length >> 14; rest > 0; rest >>= 7) extra++;
    this.ensure(extra);
    this.bytes.copyWithin(start + extra, start, this.at);
    const end = this.at + extra;
    this.at = start - 1;
    this.varint(length);
    this.at = end;
  }
}

/** Bytes that a whole number from 0 on takes as a varint. */
export function varintLength(value: number): number {
  let length = 1;
  for (let rest = value; rest > 0x7f; rest = Math.floor(rest / 128)) length++;
  return length;
}

type Write<T> = (out: EncodedBytes, value: T) => void;
type Fields = Readonly<Record<string, unknown>>;

/** The value alone, without its tag. Throws on a type that no flow has. */
function scalarWriter(field: DescField, type: ScalarType): { wire: number; write: Write<never> } {
  switch (type) {
    case ScalarType.STRING:
      return {
        wire: LENGTH_DELIMITED,
        write: ((out, value: string) => {
          const start = out.begin();
          out.text(value);
          out.end(start);
        }) as Write<never>,
      };
    case ScalarType.BYTES:
      return {
        wire: LENGTH_DELIMITED,
        write: ((out, value: Uint8Array) => {
          out.varint(value.length);
          out.raw(value);
        }) as Write<never>,
      };
    case ScalarType.BOOL:
      return { wire: VARINT, write: ((out, value: boolean) => out.varint(value ? 1 : 0)) as Write<never> };
    case ScalarType.UINT32:
      return { wire: VARINT, write: ((out, value: number) => out.varint(value)) as Write<never> };
    case ScalarType.INT32:
      return { wire: VARINT, write: int32 as Write<never> };
    case ScalarType.INT64:
    case ScalarType.UINT64:
      return { wire: VARINT, write: ((out, value: bigint) => out.varint64(BigInt(value))) as Write<never> };
    default:
      throw new Error(`${field.parent.typeName}.${field.name}: cannot be encoded`);
  }
}

const int32: Write<number> = (out, value) => (value < 0 ? out.varint64(BigInt(value)) : out.varint(value));

/** One value of a field with its tag. */
function valueWriter(field: DescField): Write<never> {
  if (field.message !== undefined) {
    const wrapped = field.fieldKind === "message" && field.message.typeName === "google.protobuf.BoolValue";
    const tag = field.number * 8 + LENGTH_DELIMITED;
    const message = field.message;
    const write: Write<never> = wrapped
      ? (((out, value: boolean) => {
          if (!value) return;
          out.varint(8);
          out.varint(1);
        }) as Write<never>)
      : messageWriter(message);
    return (out, value: { [ENCODED]?: Uint8Array | null }) => {
      const known = value[ENCODED];
      const first = out.at;
      out.varint(tag);
      if (known) {
        out.raw(known);
        return;
      }
      const tagBytes = out.at - first;
      const start = out.begin();
      write(out, value as never);
      out.end(start);
      if (known === null) value[ENCODED] = out.bytes.slice(first + tagBytes, out.at);
    };
  }
  const { wire, write } =
    field.enum === undefined
      ? scalarWriter(field, field.scalar as ScalarType)
      : { wire: VARINT, write: int32 as Write<never> };
  const tag = field.number * 8 + wire;
  return (out, value) => {
    out.varint(tag);
    write(out, value);
  };
}

function listWriter(field: DescField): Write<readonly never[]> {
  const packed = field.enum !== undefined || (field.scalar !== undefined && field.scalar !== ScalarType.STRING);
  if (packed) throw new Error(`${field.parent.typeName}.${field.name}: packed lists cannot be encoded`);
  const write = valueWriter(field);
  /** Bytes of those that were seen more than once: labels, workloads and policies are the same list in many flows. */
  const lists = new WeakMap<readonly unknown[], Uint8Array | "seen once">();
  return (out, values) => {
    if (values.length === 0) return;
    const known = lists.get(values);
    if (known instanceof Uint8Array) {
      out.raw(known);
      return;
    }
    const start = out.at;
    for (const value of values) write(out, value);
    lists.set(values, known === undefined ? "seen once" : out.bytes.slice(start, out.at));
  };
}

/** Writes what a message has under one of its own names. */
function fieldWriter(field: DescField): Write<never> {
  if (field.fieldKind === "list") return listWriter(field) as Write<never>;
  const write = valueWriter(field);
  if (field.presence !== FeatureSet_FieldPresence.IMPLICIT)
    return (out, value: never) => {
      if (value !== undefined) write(out, value);
    };
  return (out, value: unknown) => {
    if (value !== undefined && value !== 0 && value !== "" && value !== false && value !== 0n)
      write(out, value as never);
  };
}

function oneofWriter(fields: readonly DescField[]): Write<{ readonly case?: string; readonly value?: unknown }> {
  const cases = new Map(fields.map((field) => [field.localName, valueWriter(field)]));
  return (out, chosen) => {
    if (chosen.case !== undefined) cases.get(chosen.case)?.(out, chosen.value as never);
  };
}

function membersOf(schema: DescMessage): Map<string, Write<never>> {
  const plain = schema.fields.filter((field) => field.oneof === undefined);
  return new Map([
    ...plain.map((field) => [field.localName, fieldWriter(field)] as const),
    ...schema.oneofs.map((group) => [group.localName, oneofWriter(group.fields) as Write<never>] as const),
  ]);
}

const writers = new Map<string, Write<never>>();

/** Reads the descriptor once, and of a message its own fields alone: the others have no value. */
function messageWriter(schema: DescMessage): Write<never> {
  const known = writers.get(schema.typeName);
  if (known !== undefined) return known;
  let members: Map<string, Write<never>> | undefined;
  const write = ((out: EncodedBytes, message: Fields) => {
    members ??= membersOf(schema);
    for (const name in message) members.get(name)?.(out, message[name] as never);
  }) as Write<never>;
  writers.set(schema.typeName, write);
  return write;
}

/**
 * Appends a message, as the library's `toBinary` would encode it but several times faster: fields that are not known are left out,
 * and lists must not change once they were encoded. Throws on a kind of field that Hubble's flows do not have.
 */
export function encodeMessage<T extends Message>(schema: DescMessage, message: T, out: EncodedBytes): void {
  messageWriter(schema)(out, message as never);
}

/** Appends a flow. */
export function encodeFlow(flow: Message, out: EncodedBytes): void {
  encodeMessage(FlowSchema, flow, out);
}
