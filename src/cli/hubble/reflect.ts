import { type DescField, type DescMessage, fromBinary, isFieldSet, type Message } from "@bufbuild/protobuf";
import { type ReflectMessage, reflect as reflectOn } from "@bufbuild/protobuf/reflect";
import { type FileDescriptorProto, FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { type Client, Code, ConnectError } from "@connectrpc/connect";
import type { ServerReflectionRequest, ServerReflectionResponse } from "../../../proto/gen/reflection_pb.js";
import { ServerReflection } from "../../../proto/gen/reflection_v1alpha_pb.js";
import { escapeJson } from "../../model/json-escape.ts";
import { CommandError, write } from "../cobra/run.ts";
import { callError } from "./call-error.ts";
import type { Connection } from "./connection.ts";

/** Services that every server of gRPC has. */
const EVERYWHERE = ["grpc.reflection.v1alpha.ServerReflection", "grpc.health.v1.Health"];

type Question = ServerReflectionRequest["messageRequest"];
type Answer = ServerReflectionResponse["messageResponse"];

/** Asks one question after the other in one stream. */
class Reflection {
  private readonly questions: Question[] = [];
  private asked = Promise.withResolvers<void>();
  private readonly answers: AsyncIterator<ServerReflectionResponse>;

  constructor(client: Client<typeof ServerReflection>, signal: AbortSignal) {
    this.answers = client.serverReflectionInfo(this.requests(), { signal })[Symbol.asyncIterator]();
  }

  async ask(question: Question): Promise<Answer> {
    this.questions.push(question);
    this.asked.resolve();
    const { value, done } = await this.answers.next();
    if (done === true) throw new ConnectError("EOF", Code.Unknown);
    return value.messageResponse;
  }

  private async *requests() {
    for (;;) {
      await this.asked.promise;
      this.asked = Promise.withResolvers();
      for (const messageRequest of this.questions.splice(0)) yield { host: "", messageRequest };
    }
  }
}

/** A message as Go's encoder writes the struct that was generated for it: what is set, in the order of its declaration. */
function structJson(schema: DescMessage, message: Message): unknown {
  const view = reflectOn(schema, message);
  const set = schema.fields.filter((field) => isFieldSet(message, field));
  return Object.fromEntries(set.map((field) => [field.name, fieldJson(field, view)]));
}

function fieldJson(field: DescField, view: ReflectMessage): unknown {
  const value: unknown = view.get(field);
  if (field.fieldKind === "message") {
    const inner = value as ReflectMessage;
    return structJson(inner.desc, inner.message);
  }
  if (field.fieldKind !== "list") return value;
  const items = [...(value as Iterable<unknown>)];
  return field.listKind === "message"
    ? items.map((item) => structJson((item as ReflectMessage).desc, (item as ReflectMessage).message))
    : items;
}

function unexpected(answer: Answer): CommandError {
  const { value } = answer;
  return new CommandError(`unexpected response: ${value === undefined ? "" : JSON.stringify(value)}`);
}

/** Prints a file and then what it imports, each file once. */
async function printFiles(reflection: Reflection, question: Question, seen: Set<string>): Promise<void> {
  const answer = await reflection.ask(question);
  if (answer.case !== "fileDescriptorResponse") throw unexpected(answer);
  for (const bytes of answer.value.fileDescriptorProto) {
    const file: FileDescriptorProto = fromBinary(FileDescriptorProtoSchema, bytes);
    if (seen.has(file.name)) continue;
    seen.add(file.name);
    await write(`${escapeJson(JSON.stringify(structJson(FileDescriptorProtoSchema, file)))}\n`);
    for (const imported of file.dependency)
      if (!seen.has(imported)) await printFiles(reflection, { case: "fileByFilename", value: imported }, seen);
  }
}

/** `hubble reflect`: the files in which a server's API is written, as it tells itself, a line of JSON each. Throws CommandError. */
export async function reflect(connection: Connection, signal: AbortSignal): Promise<void> {
  const ended = new AbortController();
  const client = connection.client(ServerReflection);
  const reflection = new Reflection(client, AbortSignal.any([signal, ended.signal]));
  try {
    const listed = await reflection.ask({ case: "listServices", value: "" });
    if (listed.case !== "listServicesResponse") throw unexpected(listed);
    const seen = new Set<string>();
    for (const { name } of listed.value.service.filter(({ name }) => !EVERYWHERE.includes(name)))
      await printFiles(reflection, { case: "fileContainingSymbol", value: name }, seen);
  } catch (error) {
    if (!signal.aborted) throw error instanceof CommandError ? error : callError(error);
  } finally {
    ended.abort();
  }
}
