import { type DescField, type DescMessage, type MessageShape, ScalarType } from "@bufbuild/protobuf";
import { isWrapperDesc } from "@bufbuild/protobuf/wkt";
import { BackwardBytes } from "./backward-bytes.ts";

type Fields = Readonly<Record<string, unknown>>;
/** Puts what a message has of one field, or all that it has. */
type Put = (bytes: BackwardBytes, message: Fields) => void;
/** Puts one value without its tag. */
type PutValue = (bytes: BackwardBytes, value: never) => void;

const VARINT = 0;
const FIXED64 = 1;
const LENGTH_DELIMITED = 2;
const FIXED32 = 5;
/** `DescField.presence` of a plain field of proto3, which is left out when it is zero. */
const IMPLICIT = 2;

/**
 * An encoder of protobuf messages that gives the library's bytes in a fraction of its time: it writes from the end to the
 * beginning, so that each length is known when it is put, into memory that it keeps. Throws for a schema with what Hubble's
 * messages do not have: maps, groups, and JSON in the place of `google.protobuf.Struct`.
 */
export function messageEncoder<S extends DescMessage>(
  schema: S,
): (message: MessageShape<S>) => Uint8Array<ArrayBuffer> {
  const put = compiled(schema, new Map());
  const bytes = new BackwardBytes();
  return (message) => {
    bytes.clear();
    put(bytes, message as unknown as Fields);
    return bytes.copy();
  };
}

interface UnknownField {
  readonly no: number;
  readonly wireType: number;
  readonly data: Uint8Array;
}

/** `known`: a message may hold messages of its own kind. */
function compiled(schema: DescMessage, known: Map<DescMessage, Put>): Put {
  const before = known.get(schema);
  if (before !== undefined) return before;
  const fields: Put[] = [];
  const put: Put = (bytes, message) => {
    // What was not known when the message was read comes last.
    const unknown = message["$unknown"] as readonly UnknownField[] | undefined;
    if (unknown !== undefined) {
      for (const { no, wireType, data } of unknown.toReversed()) {
        bytes.raw(data);
        bytes.varint((no << 3) | wireType);
      }
    }
    for (let index = 0; index < fields.length; index++) fields[index]!(bytes, message);
  };
  known.set(schema, put);
  for (const field of [...schema.fields].sort((a, b) => b.number - a.number)) fields.push(putField(field, known));
  return put;
}

function putField(field: DescField, known: Map<DescMessage, Put>): Put {
  const name = field.localName;
  if (field.fieldKind === "list" && field.packed) return putPacked(name, field.number, scalarOf(field));
  const value = putTagged(field, known);
  if (field.fieldKind === "list") {
    return (bytes, message) => {
      const list = message[name] as readonly never[];
      for (let index = list.length - 1; index >= 0; index--) value(bytes, list[index]!);
    };
  }
  const oneof = field.oneof?.localName;
  if (oneof !== undefined) {
    return (bytes, message) => {
      const chosen = message[oneof] as { readonly case?: string; readonly value: never };
      if (chosen.case === name) value(bytes, chosen.value);
    };
  }
  if (field.presence !== IMPLICIT) {
    return (bytes, message) => {
      if (message[name] !== undefined) value(bytes, message[name] as never);
    };
  }
  const isZero = zeroTest(scalarOf(field));
  return (bytes, message) => {
    const one = message[name] as never;
    if (!isZero(one)) value(bytes, one);
  };
}

/** What one value is: a scalar's kind (an enum's is a number's), or a message's. */
function scalarOf(field: DescField): ScalarType | undefined {
  return field.enum === undefined ? field.scalar : ScalarType.INT32;
}

function zeroTest(scalar: ScalarType | undefined): (value: never) => boolean {
  if (scalar === ScalarType.BYTES) return (value: Uint8Array) => value.length === 0;
  if (scalar === ScalarType.DOUBLE || scalar === ScalarType.FLOAT) return (value: number) => Object.is(value, 0);
  return (value: unknown) => value === 0 || value === "" || value === false || value === 0n;
}

/** One value of a field, with its tag. */
function putTagged(field: DescField, known: Map<DescMessage, Put>): PutValue {
  const scalar = scalarOf(field);
  if (scalar !== undefined) {
    const tag = (field.number << 3) | wireTypeOf(scalar);
    const put = putScalar(scalar);
    return (bytes, value) => {
      put(bytes, value);
      bytes.varint(tag);
    };
  }
  const child = field.message;
  if (child === undefined || field.fieldKind === "map" || child.typeName === "google.protobuf.Struct" || isGroup(field))
    throw new Error(`${field}: no encoder for such a field`);
  const tag = (field.number << 3) | LENGTH_DELIMITED;
  const put = compiled(child, known);
  const delimited: PutValue = (bytes, value) => {
    const behind = bytes.length;
    put(bytes, value);
    bytes.varint(bytes.length - behind);
    bytes.varint(tag);
  };
  const isUnwrapped = field.fieldKind === "message" && field.oneof === undefined && isWrapperDesc(child);
  return isUnwrapped ? (bytes, value) => delimited(bytes, { value } as never) : delimited;
}

function isGroup(field: DescField): boolean {
  return "delimitedEncoding" in field && field.delimitedEncoding === true;
}

function putPacked(name: string, number: number, scalar: ScalarType | undefined): Put {
  const put = putScalar(scalar!);
  return (bytes, message) => {
    const list = message[name] as readonly never[];
    if (list.length === 0) return;
    const behind = bytes.length;
    for (let index = list.length - 1; index >= 0; index--) put(bytes, list[index]!);
    bytes.varint(bytes.length - behind);
    bytes.varint((number << 3) | LENGTH_DELIMITED);
  };
}

function wireTypeOf(scalar: ScalarType): number {
  switch (scalar) {
    case ScalarType.STRING:
    case ScalarType.BYTES:
      return LENGTH_DELIMITED;
    case ScalarType.DOUBLE:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return FIXED64;
    case ScalarType.FLOAT:
    case ScalarType.FIXED32:
    case ScalarType.SFIXED32:
      return FIXED32;
    default:
      return VARINT;
  }
}

function putScalar(scalar: ScalarType): PutValue {
  switch (scalar) {
    case ScalarType.STRING:
      return (bytes, value: string) => {
        const behind = bytes.length;
        bytes.text(value);
        bytes.varint(bytes.length - behind);
      };
    case ScalarType.BYTES:
      return (bytes, value: Uint8Array) => {
        bytes.raw(value);
        bytes.varint(value.length);
      };
    case ScalarType.BOOL:
      return (bytes, value: boolean) => bytes.varint(value ? 1 : 0);
    case ScalarType.DOUBLE:
      return (bytes, value: number) => bytes.double(value);
    case ScalarType.FLOAT:
      return (bytes, value: number) => bytes.float(value);
    case ScalarType.INT32: // a negative one has ten bytes (Protocol Buffers, encoding: signed integers)
      return (bytes, value: number) => (value < 0 ? bytes.varint64(BigInt(value)) : bytes.varint(value));
    case ScalarType.UINT32:
      return (bytes, value: number) => bytes.varint(value);
    case ScalarType.SINT32:
      return (bytes, value: number) => bytes.varint(((value << 1) ^ (value >> 31)) >>> 0);
    case ScalarType.FIXED32:
    case ScalarType.SFIXED32:
      return (bytes, value: number) => bytes.fixed32(value);
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return (bytes, value: bigint | string) => bytes.fixed64(BigInt(value));
    case ScalarType.SINT64:
      return (bytes, value: bigint | string) => bytes.varint64((BigInt(value) << 1n) ^ (BigInt(value) >> 63n));
    case ScalarType.INT64:
    case ScalarType.UINT64:
      return (bytes, value: bigint | string) => bytes.varint64(BigInt(value));
  }
}
