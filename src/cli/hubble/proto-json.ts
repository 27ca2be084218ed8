import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { type Token, TokenReader } from "./json-tokens.ts";

/** Messages whose JSON is a text of a form of its own. */
const TEXT_FORMS: Readonly<Record<string, RegExp>> = {
  "google.protobuf.Timestamp":
    /^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})$/,
  "google.protobuf.Duration": /^-?\d+(\.\d{1,9})?s$/,
  "google.protobuf.FieldMask": /^[\w.,]*$/,
};
const WRAPPER = /^google\.protobuf\.(Bool|String|Bytes|Float|Double|U?Int(32|64))Value$/;
const FREE_FORM = new Set(["google.protobuf.Any", "google.protobuf.Struct", "google.protobuf.Value"]);

const WHOLE_NUMBERS: Readonly<Partial<Record<ScalarType, readonly [name: string, least: bigint, most: bigint]>>> = {
  [ScalarType.INT32]: ["int32", -(2n ** 31n), 2n ** 31n - 1n],
  [ScalarType.SINT32]: ["sint32", -(2n ** 31n), 2n ** 31n - 1n],
  [ScalarType.UINT32]: ["uint32", 0n, 2n ** 32n - 1n],
  [ScalarType.INT64]: ["int64", -(2n ** 63n), 2n ** 63n - 1n],
  [ScalarType.UINT64]: ["uint64", 0n, 2n ** 64n - 1n],
};

/** Whether a token is a whole number in bounds, plain or in quotes, perhaps with a fraction or exponent that cancels. */
function isWholeNumber({ kind, text }: Token, least: bigint, most: bigint): boolean {
  const digits = kind === "string" ? (JSON.parse(text) as string) : text;
  if ((kind !== "number" && kind !== "string") || !/^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(digits)) return false;
  if (!/^-?\d+$/.test(digits)) return Number.isInteger(Number(digits));
  const value = BigInt(digits);
  return value >= least && value <= most;
}

function scalarName(field: DescField): string {
  if (field.enum) return "enum";
  const type = field.scalar ?? ScalarType.STRING;
  return WHOLE_NUMBERS[type]?.[0] ?? ScalarType[type].toLowerCase();
}

function isScalar(field: DescField, token: Token): boolean {
  const whole = WHOLE_NUMBERS[field.scalar ?? ScalarType.STRING];
  if (whole && !field.enum) return isWholeNumber(token, whole[1], whole[2]);
  if (field.enum) {
    const { values } = field.enum;
    if (token.kind === "string") return values.some(({ name }) => JSON.stringify(name) === token.text);
    return token.kind === "number" && isWholeNumber(token, -(2n ** 31n), 2n ** 31n - 1n);
  }
  switch (field.scalar) {
    case ScalarType.BOOL:
      return token.kind === "bool";
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return token.kind === "number" || (token.kind === "string" && !Number.isNaN(Number(JSON.parse(token.text))));
    default:
      return token.kind === "string";
  }
}

/** Reads JSON beside a message's schema, as Go's protojson does, and stops at what does not fit. */
class Checker {
  private readonly tokens: TokenReader;
  private readonly discardUnknown: boolean;

  constructor(text: string, discardUnknown: boolean) {
    this.tokens = new TokenReader(text);
    this.discardUnknown = discardUnknown;
  }

  run(schema: DescMessage): void {
    this.message(schema);
    const token = this.tokens.read();
    if (token.kind !== "eof") throw this.tokens.unexpected(token);
  }

  private message(schema: DescMessage): void {
    const form = TEXT_FORMS[schema.typeName];
    const wrapped = WRAPPER.test(schema.typeName) ? schema.fields[0] : undefined;
    if (form) this.textForm(schema.typeName, form);
    else if (wrapped) this.scalar(wrapped);
    else if (FREE_FORM.has(schema.typeName)) this.tokens.skipValue();
    else this.object(schema);
  }

  private object(schema: DescMessage): void {
    this.open("{");
    const seen = new Set<string>();
    for (let name = this.tokens.readName(); name; name = this.tokens.readName()) {
      const key = JSON.parse(name.text) as string;
      const field = schema.fields.find((one) => one.jsonName === key || one.name === key);
      if (!field && !this.discardUnknown) throw this.tokens.error(name, `unknown field ${name.text}`);
      if (!field) this.tokens.skipValue();
      else this.field(field, name, seen);
    }
  }

  private field(field: DescField, name: Token, seen: Set<string>): void {
    if (this.tokens.peekKind() === "null") {
      this.tokens.read();
      return;
    }
    this.checkOnce(field, name, seen);
    if (field.fieldKind === "list") this.open("[");
    else this.single(field);
    if (field.fieldKind === "list") while (this.tokens.hasElement()) this.single(field);
  }

  private single(field: DescField): void {
    if (field.message) this.message(field.message);
    else this.scalar(field);
  }

  private checkOnce(field: DescField, name: Token, seen: Set<string>): void {
    if (seen.has(field.name)) throw this.tokens.error(name, `duplicate field ${name.text}`);
    seen.add(field.name);
    const group = field.oneof && !field.proto.proto3Optional ? field.oneof : undefined;
    if (!group) return;
    const full = `${group.parent.typeName}.${group.name}`;
    if (seen.has(full)) throw this.tokens.error(name, `error parsing ${name.text}, oneof ${full} is already set`);
    seen.add(full);
  }

  private open(bracket: "{" | "["): void {
    const token = this.tokens.read();
    if (token.text !== bracket) throw this.tokens.unexpected(token);
  }

  private textForm(typeName: string, form: RegExp): void {
    const token = this.tokens.read();
    if (token.kind !== "string") throw this.tokens.unexpected(token);
    if (!form.test(JSON.parse(token.text) as string))
      throw this.tokens.error(token, `invalid ${typeName} value ${token.text}`);
  }

  private scalar(field: DescField): void {
    const token = this.tokens.read();
    if (isScalar(field, token)) return;
    if (field.enum && token.kind === "string" && this.discardUnknown) return;
    throw this.tokens.error(token, `invalid value for ${scalarName(field)} field ${field.jsonName}: ${token.text}`);
  }
}

/**
 * Checks that a text is the JSON of a message. Throws with the words of Go's protojson, whose place is a line and a
 * column.
 */
export function checkProtoJson(schema: DescMessage, text: string, discardUnknown: boolean): void {
  new Checker(text, discardUnknown).run(schema);
}
