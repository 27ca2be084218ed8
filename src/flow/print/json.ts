import { type DescMessage, type Message, toJson } from "@bufbuild/protobuf";
import { type GetFlowsResponse, GetFlowsResponseSchema } from "../../../proto/gen/observer_pb.js";
import { NOTHING, type Printer } from "./printer.ts";

const ESCAPES: Readonly<Record<string, string>> = {
  "<": "\\u003c",
  ">": "\\u003e",
  "&": "\\u0026",
  "\u2028": "\\u2028",
  "\u2029": "\\u2029",
};

/** One line of JSON with the names of the .proto files, escaped as Go's encoder does. */
export function messageJson<D extends DescMessage>(schema: D, message: Message<D["typeName"]>): string {
  const value = toJson(schema as DescMessage, message, { useProtoFieldName: true });
  return JSON.stringify(value).replace(/[<>&\u2028\u2029]/g, (character) => ESCAPES[character] ?? character);
}

/** One response a line, every kind of response included. */
export function jsonPrinter(): Printer {
  return {
    print: (response: GetFlowsResponse) =>
      response.responseTypes.case === undefined
        ? NOTHING
        : { out: `${messageJson(GetFlowsResponseSchema, response)}\n`, err: "" },
    finish: () => "",
  };
}
