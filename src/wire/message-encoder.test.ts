import {
  create,
  createFileRegistry,
  type DescField,
  type DescMessage,
  fromBinary,
  type Message,
  ScalarType,
  toBinary,
} from "@bufbuild/protobuf";
import {
  FileDescriptorProtoSchema,
  isWrapperDesc,
  FieldDescriptorProto_Label as Label,
  StructSchema,
  FieldDescriptorProto_Type as Type,
} from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { GetFlowsResponseSchema } from "../../proto/gen/observer_pb.js";
import { messageEncoder } from "./message-encoder.ts";

const TYPES = Object.entries(Type).filter(
  ([name, type]) => typeof type === "number" && !["GROUP", "MESSAGE", "ENUM"].includes(name),
) as [string, Type][];

/** One message with every scalar: alone, with presence of its own, in a list, in a packed list, and in a choice. */
function everyScalar(): DescMessage {
  const field = (name: string, number: number, type: Type, more: object) => ({
    name,
    jsonName: name,
    number,
    type,
    label: Label.OPTIONAL,
    ...more,
  });
  const packable = (name: string) => !["STRING", "BYTES"].includes(name);
  const file = create(FileDescriptorProtoSchema, {
    name: "every.proto",
    package: "test",
    syntax: "proto3",
    messageType: [
      {
        name: "Every",
        oneofDecl: [{ name: "choice" }, ...TYPES.map(([name]) => ({ name: `_own_${name}` }))],
        field: TYPES.flatMap(([name, type], index) => [
          field(`plain_${name}`, 1 + index, type, {}),
          field(`own_${name}`, 1000 + index, type, { proto3Optional: true, oneofIndex: 1 + index }),
          field(`list_${name}`, 20 + index, type, {
            label: Label.REPEATED,
            options: packable(name) ? { packed: false } : undefined,
          }),
          ...(packable(name) ? [field(`packed_${name}`, 100_000 + index, type, { label: Label.REPEATED })] : []),
          field(`choice_${name}`, 5_000_000 + index, type, { oneofIndex: 0 }),
        ]),
      },
    ],
  });
  return createFileRegistry(file, () => undefined).getMessage("test.Every")!;
}

const BIG = { min: -(2n ** 63n), max: 2n ** 63n - 1n };
const i32 = fc.oneof(fc.integer(), fc.constantFrom(0, 127, 128, 16_384, 2_097_152, 268_435_456, -1));
const u64 = fc.oneof(
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  fc.nat({ max: 70 }).map((bits) => (1n << BigInt(bits % 64)) - (bits > 63 ? 0n : 1n)),
);

function scalar(type: ScalarType): fc.Arbitrary<unknown> {
  switch (type) {
    case ScalarType.STRING:
      return fc.oneof(fc.string(), fc.string({ unit: "grapheme" }), fc.string({ minLength: 60, maxLength: 300 }));
    case ScalarType.BYTES:
      return fc.uint8Array();
    case ScalarType.BOOL:
      return fc.boolean();
    case ScalarType.DOUBLE:
      return fc.double();
    case ScalarType.FLOAT:
      return fc.float();
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return i32.map((value) => value >>> 0);
    case ScalarType.INT32:
    case ScalarType.SINT32:
    case ScalarType.SFIXED32:
      return i32;
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return u64;
    default:
      return fc.bigInt(BIG);
  }
}

/** The local value of a field alone. */
function localValue(field: DescField, depth: number): fc.Arbitrary<unknown> {
  if (field.enum !== undefined) return fc.constantFrom(...field.enum.values.map(({ number }) => number), 77_777, -5);
  if (field.message === undefined) return scalar(field.scalar!);
  // such a field holds the value alone
  if (field.fieldKind === "message" && isWrapperDesc(field.message)) return scalar(field.message.fields[0]!.scalar!);
  return messageOf(field.message, depth - 1);
}

function messageOf(schema: DescMessage, depth = 3): fc.Arbitrary<Message> {
  const entries = schema.fields
    .filter((field) => field.message === undefined || depth > 0)
    .map((field) => {
      const value = localValue(field, depth);
      const whole = field.fieldKind === "list" ? fc.array(value, { maxLength: 3 }) : value;
      return fc.option(whole, { nil: undefined, freq: 2 }).map((chosen) => [field, chosen] as const);
    });
  return fc.tuple(...entries).map((fields) => {
    const message = create(schema) as Message & Record<string, unknown>;
    for (const [field, value] of fields) {
      if (value === undefined) continue;
      if (field.oneof !== undefined) message[field.oneof.localName] = { case: field.localName, value };
      else message[field.localName] = value;
    }
    return message;
  });
}

describe("the encoder gives the library's bytes", () => {
  test.each([
    ["for the messages of a stream of flows", GetFlowsResponseSchema],
    ["for every kind of scalar", everyScalar()],
  ])("%s", (_, schema: DescMessage) => {
    const encode = messageEncoder(schema);
    fc.assert(
      fc.property(messageOf(schema), (message) => {
        expect(encode(message)).toEqual(toBinary(schema, message));
      }),
      { numRuns: 500 },
    );
  });

  test("for fields that the message's reader did not know", () => {
    const bytes = Uint8Array.of(0x08, 1, 0xfa, 0xff, 0x0f, 2, 1, 2, 0xf8, 0xff, 0x7f, 5);
    const message = fromBinary(GetFlowsResponseSchema, bytes.subarray(2));
    expect(messageEncoder(GetFlowsResponseSchema)(message)).toEqual(bytes.subarray(2));
  });

  test("when a message is longer than all before", () => {
    const encode = messageEncoder(GetFlowsResponseSchema);
    for (const length of [1, 5000, 3, 300_000, 0]) {
      const message = create(GetFlowsResponseSchema, { nodeName: "é".repeat(length) });
      expect(encode(message)).toEqual(toBinary(GetFlowsResponseSchema, message));
    }
  });
});

test("what it cannot encode it refuses when it is made", () => {
  expect(() => messageEncoder(StructSchema)).toThrow("no encoder for such a field");
});
