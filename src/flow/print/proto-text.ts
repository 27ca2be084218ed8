import type { DescField, DescMessage, Message } from "@bufbuild/protobuf";
import { type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import { quoteGo } from "./go-quote.ts";
import { enumName } from "./names.ts";

function scalarText(field: DescField, value: unknown): string {
  if (field.enum) {
    const names = Object.fromEntries(field.enum.values.map(({ number, name }) => [number, name]));
    return enumName(names, Number(value));
  }
  return typeof value === "string" ? quoteGo(value) : String(value);
}

function fieldTexts(message: ReflectMessage, field: DescField): string[] {
  const one = (value: unknown) =>
    field.message
      ? `${field.name}:{${messageText(value as ReflectMessage)}}`
      : `${field.name}:${scalarText(field, value)}`;
  return field.fieldKind === "list" ? [...message.get(field)].map(one) : [one(message.get(field))];
}

function messageText(message: ReflectMessage): string {
  const set = message.fields.filter((field) => field.fieldKind !== "map" && message.isSet(field));
  return set.flatMap((field) => fieldTexts(message, field)).join("  ");
}

/** A message on one line in protobuf's text format, as Go logs it; fields that are maps are left out. */
export function protoText<D extends DescMessage>(schema: D, message: Message<D["typeName"]>): string {
  return messageText(reflect(schema as DescMessage, message));
}
