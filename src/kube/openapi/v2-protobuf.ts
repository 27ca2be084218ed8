/**
 * The OpenAPI 2.0 document in the protobuf form of gnostic (message openapi.v2.Document), which older clients ask for
 * alone. The numbers are those of openapiv2/OpenAPIv2.proto in github.com/google/gnostic-models v0.7.1.
 */
import { mapValues, type SchemaNode } from "../schema/node.ts";
import { MessageWriter } from "./protobuf.ts";
import type { V2Document, V2Operation, V2Parameter, V2PathItem, V2Response } from "./v2.ts";

const message = (): MessageWriter => new MessageWriter();

/** Any { yaml = 2 }; JSON is YAML. */
const any = (value: unknown): MessageWriter => message().string(2, JSON.stringify(value));

const named = (name: string, value: MessageWriter): MessageWriter => message().string(1, name).message(2, value);

function writeExtensions(writer: MessageWriter, field: number, source: object): MessageWriter {
  for (const [name, value] of Object.entries(source)) {
    if (name.startsWith("x-") && value !== undefined) writer.message(field, named(name, any(value)));
  }
  return writer;
}

function properties(fields: Readonly<Record<string, SchemaNode>>): MessageWriter {
  const writer = message();
  for (const [name, node] of Object.entries(fields)) writer.message(1, named(name, schema(node)));
  return writer;
}

function writeLimits(writer: MessageWriter, node: SchemaNode): MessageWriter {
  return writer
    .double(6, node.multipleOf)
    .double(7, node.maximum)
    .boolean(8, node.exclusiveMaximum)
    .double(9, node.minimum)
    .boolean(10, node.exclusiveMinimum)
    .integer(11, node.maxLength)
    .integer(12, node.minLength)
    .string(13, node.pattern)
    .integer(14, node.maxItems)
    .integer(15, node.minItems)
    .boolean(16, node.uniqueItems)
    .integer(17, node.maxProperties)
    .integer(18, node.minProperties);
}

function schema(node: SchemaNode): MessageWriter {
  const values = mapValues(node);
  const writer = message().string(1, node.$ref).string(2, node.format).string(4, node.description);
  if (node.default !== undefined) writer.message(5, any(node.default));
  writeLimits(writer, node).strings(19, node.required);
  for (const value of node.enum ?? []) writer.message(20, any(value));
  if (values) writer.message(21, message().message(1, schema(values)));
  else if (node.additionalProperties === true) writer.message(21, message().boolean(2, true));
  if (node.type) writer.message(22, message().strings(1, [node.type]));
  if (node.items) writer.message(23, message().message(1, schema(node.items)));
  for (const part of node.allOf ?? []) writer.message(24, schema(part));
  if (node.properties) writer.message(25, properties(node.properties));
  return writeExtensions(writer, 31, node);
}

function queryParameter(parameter: V2Parameter): MessageWriter {
  return message()
    .boolean(1, parameter.required)
    .string(2, parameter.in)
    .string(4, parameter.name)
    .string(6, parameter.type)
    .boolean(20, parameter.uniqueItems);
}

function pathParameter(parameter: V2Parameter): MessageWriter {
  return message()
    .boolean(1, parameter.required)
    .string(2, parameter.in)
    .string(4, parameter.name)
    .string(5, parameter.type)
    .boolean(19, parameter.uniqueItems);
}

function bodyParameter(parameter: V2Parameter): MessageWriter {
  const writer = message().string(2, parameter.name).string(3, parameter.in).boolean(4, parameter.required);
  return writer.message(5, parameter.schema ? schema(parameter.schema) : undefined);
}

/** ParametersItem { parameter = 1 { body_parameter = 1 | non_body_parameter = 2 { query = 3 | path = 4 } } } */
function parametersItem(parameter: V2Parameter): MessageWriter {
  const inner = message();
  if (parameter.in === "body") inner.message(1, bodyParameter(parameter));
  else if (parameter.in === "query") inner.message(2, message().message(3, queryParameter(parameter)));
  else inner.message(2, message().message(4, pathParameter(parameter)));
  return message().message(1, inner);
}

/** NamedResponseValue { name, value = ResponseValue { response = 1 { description = 1, schema = 2 { schema = 1 } } } } */
function responses(all: Readonly<Record<string, V2Response>>): MessageWriter {
  const writer = message();
  for (const [code, response] of Object.entries(all)) {
    const body = message().string(1, response.description);
    if (response.schema) body.message(2, message().message(1, schema(response.schema)));
    writer.message(1, named(code, message().message(1, body)));
  }
  return writer;
}

function operation(value: V2Operation): MessageWriter {
  const writer = message()
    .strings(1, value.tags)
    .string(3, value.description)
    .string(5, value.operationId)
    .strings(6, value.produces)
    .strings(7, value.consumes);
  for (const parameter of value.parameters ?? []) writer.message(8, parametersItem(parameter));
  writer.message(9, responses(value.responses)).strings(10, value.schemes);
  return writeExtensions(writer, 13, value);
}

const METHODS = { get: 2, put: 3, post: 4, delete: 5, patch: 8 } as const;

function pathItem(item: V2PathItem): MessageWriter {
  const writer = message();
  for (const [method, field] of Object.entries(METHODS)) {
    const value = item[method as keyof typeof METHODS];
    if (value) writer.message(field, operation(value));
  }
  for (const parameter of item.parameters ?? []) writer.message(9, parametersItem(parameter));
  return writer;
}

function paths(items: Readonly<Record<string, V2PathItem>>): MessageWriter {
  const writer = message();
  for (const [path, item] of Object.entries(items)) writer.message(2, named(path, pathItem(item)));
  return writer;
}

function securityDefinitions(definitions: V2Document["securityDefinitions"]): MessageWriter {
  const writer = message();
  for (const [name, { type, name: header, in: where, description }] of Object.entries(definitions)) {
    const apiKey = message().string(1, type).string(2, header).string(3, where).string(4, description);
    writer.message(1, named(name, message().message(2, apiKey)));
  }
  return writer;
}

/** The document's bytes: `application/com.github.proto-openapi.spec.v2@v1.0+protobuf`. */
export function openApiV2Protobuf(document: V2Document): Uint8Array {
  const { info } = document;
  const writer = message()
    .string(1, document.swagger)
    .message(2, message().string(1, info.title).string(2, info.version))
    .message(8, paths(document.paths))
    .message(9, properties(document.definitions));
  for (const requirement of document.security) {
    const inner = message();
    for (const [name, scopes] of Object.entries(requirement))
      inner.message(1, named(name, message().strings(1, scopes)));
    writer.message(12, inner);
  }
  return writer.message(13, securityDefinitions(document.securityDefinitions)).finish();
}
