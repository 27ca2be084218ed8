import { create, type DescEnum, type DescField, type DescMessage, type Message, ScalarType } from "@bufbuild/protobuf";
import { isWrapperDesc } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";

type Value = fc.Arbitrary<unknown>;

const INT32 = { min: -(2 ** 31), max: 2 ** 31 - 1 };
const UINT32 = { min: 0, max: 2 ** 32 - 1 };
const SCALARS: Partial<Record<ScalarType, Value>> = {
  [ScalarType.STRING]: fc.string({ unit: "grapheme", maxLength: 8 }),
  [ScalarType.BOOL]: fc.boolean(),
  [ScalarType.INT32]: fc.integer(INT32),
  [ScalarType.UINT32]: fc.integer(UINT32),
  [ScalarType.INT64]: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  [ScalarType.UINT64]: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  [ScalarType.DOUBLE]: fc.double({ noNaN: true, noDefaultInfinity: true }),
  [ScalarType.BYTES]: fc.uint8Array({ maxLength: 8 }),
};

function scalar(type: ScalarType): Value {
  const found = SCALARS[type];
  if (found === undefined) throw new Error(`no random values of the scalar type ${ScalarType[type]}`);
  return found;
}

/** Also numbers that have no name yet: proto3 keeps them. */
function enumValue({ values }: DescEnum): Value {
  return fc.oneof(fc.constantFrom(...values.map(({ number }) => number)), fc.integer({ min: 300, max: 400 }));
}

function element(field: DescField, depth: number): Value {
  // wrappers of scalars are the scalars themselves here, except in lists
  if (field.fieldKind === "message" && isWrapperDesc(field.message)) return scalar(field.message.fields[0].scalar);
  if (field.message) return randomMessage(field.message, depth - 1);
  return field.enum ? enumValue(field.enum) : scalar(field.scalar!);
}

function member(field: DescField, depth: number): Value {
  // a message that may be absent ends the recursion of messages in themselves
  if (field.message && depth === 0) return fc.constant(field.fieldKind === "list" ? [] : undefined);
  if (field.fieldKind === "list") return fc.array(element(field, depth), { maxLength: 3 });
  return field.message ? fc.option(element(field, depth), { nil: undefined }) : element(field, depth);
}

/** Messages of this type with every field, one member of each oneof, nested at most `depth` deep. */
export function randomMessage(schema: DescMessage, depth = 3): fc.Arbitrary<Message> {
  // random bytes under a random name are no message
  if (schema.typeName === "google.protobuf.Any") return fc.constant(create(schema));
  const own = schema.fields.filter(({ oneof }) => oneof === undefined);
  const record: Record<string, Value> = Object.fromEntries(
    own.map((field) => [field.localName, fc.oneof(fc.constant(undefined), member(field, depth))]),
  );
  for (const oneof of schema.oneofs) {
    const cases = oneof.fields
      .filter(({ message }) => message === undefined || depth > 0)
      .map((field) => element(field, depth).map((value) => ({ case: field.localName, value })));
    record[oneof.localName] = fc.oneof(fc.constant(undefined), ...cases);
  }
  return fc.record(record).map((init) => create(schema, withoutUndefined(init)));
}

function withoutUndefined(init: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(init).filter(([, value]) => value !== undefined));
}
