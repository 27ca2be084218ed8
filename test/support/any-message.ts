import { create, type DescField, type DescMessage, type MessageShape, ScalarType } from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";

/** A linear congruential generator: the same values in every run. */
export class Chance {
  private state: number;

  constructor(seed: number) {
    this.state = seed;
  }

  below(limit: number): number {
    this.state = (Math.imul(this.state, 1_103_515_245) + 12_345) >>> 0;
    return (this.state >>> 8) % limit;
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)] as T;
  }
}

const TEXTS = [
  "a",
  "deathstar-8c4c77fb7-9klws",
  "default",
  "k8s:app=x",
  "reserved:world",
  "10.0.0.1",
  "fd00::1",
  "http://x/?a=<b>&c",
  "\u001b[31mred\u001b[2J\r",
  "tab\there",
  "\u00e9\u4e16\u{1f600}",
  'quote"back\\',
];
const NUMBERS = [1, 2, 3, 4, 5, 7, 80, 129, 133, 255, 65_535, 16_777_217];

function scalar(field: DescField, chance: Chance): unknown {
  switch (field.scalar) {
    case ScalarType.BOOL:
      return chance.below(2) === 1;
    case ScalarType.STRING:
      return chance.pick(TEXTS);
    case ScalarType.BYTES:
      return new Uint8Array([chance.below(256)]);
    case ScalarType.INT64:
    case ScalarType.UINT64:
      return BigInt(chance.pick(NUMBERS)) << BigInt(chance.pick([0, 8, 38]));
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return chance.pick([0.5, 1.25, 3]);
    default:
      return chance.pick(NUMBERS);
  }
}

function anyValue(field: DescField, chance: Chance, depth: number): unknown {
  if (field.enum) return chance.pick(field.enum.values).number;
  if (!field.message) return scalar(field, chance);
  return reflect(field.message, anyMessage(field.message, chance, depth + 1));
}

/** Deeper than any message of a flow. */
const DEEPEST = 6;

/**
 * A message with a value in some of its fields, by its schema alone: every field, every member of a oneof and every
 * value of an enum comes up in time.
 */
export function anyMessage<D extends DescMessage>(schema: D, chance: Chance, depth = 0): MessageShape<D> {
  const message = create(schema as DescMessage);
  const writer = reflect(schema as DescMessage, message);
  if (schema.typeName === "google.protobuf.Timestamp") {
    const nanos = chance.pick([0, 1, 999_999_999, 120_000_000, 5_000]);
    Object.assign(message, { seconds: BigInt(chance.below(16_000_000)), nanos });
    return message as MessageShape<D>;
  }
  for (const field of schema.fields) {
    if (field.message?.typeName === "google.protobuf.Any" || depth > DEEPEST) continue;
    if (chance.below(field.oneof ? field.oneof.fields.length + 1 : 3) > 0) continue;
    if (field.fieldKind === "list") {
      const list = writer.get(field);
      for (let i = chance.below(4); i > 0; i--) list.add(anyValue(field, chance, depth) as never);
    } else if (field.fieldKind !== "map") writer.set(field, anyValue(field, chance, depth) as never);
  }
  return message as MessageShape<D>;
}
