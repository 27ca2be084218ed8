import { type DescMessage, type JsonValue, type Message, toJson } from "@bufbuild/protobuf";
import { FlowSchema, LostEventSchema } from "../../../proto/gen/flow_pb.js";
import { type GetFlowsResponse, GetFlowsResponseSchema } from "../../../proto/gen/observer_pb.js";
import { escapeJson } from "../../model/json-escape.ts";
import { isToldStatus } from "./node-status.ts";
import { NOTHING, type Printer, type PrintOptions } from "./printer.ts";

/** Puts the fields of a message's JSON in the order in which the .proto file declares them, as Go does. */
function inDeclaredOrder(schema: DescMessage, value: JsonValue): JsonValue {
  if (value === null || typeof value !== "object" || Array.isArray(value) || schema.typeName.startsWith("google."))
    return value;
  const ordered: { [key: string]: JsonValue } = {};
  for (const field of schema.fields) {
    const inner = value[field.name];
    if (inner === undefined) continue;
    const nested = field.message;
    if (!nested) ordered[field.name] = inner;
    else if (Array.isArray(inner)) ordered[field.name] = inner.map((one) => inDeclaredOrder(nested, one));
    else ordered[field.name] = inDeclaredOrder(nested, inner);
  }
  return ordered;
}

/** One line of JSON with the names of the .proto files, escaped as Go's encoder does. */
export function messageJson<D extends DescMessage>(schema: D, message: Message<D["typeName"]>): string {
  const value = inDeclaredOrder(schema, toJson(schema as DescMessage, message, { useProtoFieldName: true }));
  return escapeJson(JSON.stringify(value));
}

/** One response a line; what the nodes' status is goes to standard error. */
export function jsonPrinter(options: PrintOptions): Printer<GetFlowsResponse> {
  return {
    print(response) {
      const { responseTypes } = response;
      if (responseTypes.case === undefined) return NOTHING;
      const line = () => `${messageJson(GetFlowsResponseSchema, response)}\n`;
      if (responseTypes.case !== "nodeStatus") return { out: line(), err: "" };
      return { out: "", err: isToldStatus(responseTypes.value, options) ? line() : "" };
    },
    finish: () => "",
  };
}

/** The flow or the lost events of a response alone, as hubble did before 0.11. */
export function legacyJsonPrinter(): Printer<GetFlowsResponse> {
  return {
    print({ responseTypes }) {
      if (responseTypes.case === "flow") return { out: `${messageJson(FlowSchema, responseTypes.value)}\n`, err: "" };
      if (responseTypes.case !== "lostEvents") return NOTHING;
      return { out: `${messageJson(LostEventSchema, responseTypes.value)}\n`, err: "" };
    },
    finish: () => "",
  };
}
