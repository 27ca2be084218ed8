import type { IncomingMessage } from "node:http";
import type { Document } from "yaml";
import { badRequest, KubeError, unsupportedMediaType } from "../status.ts";
import type { ProtobufDecoder } from "./protobuf/decode.ts";
import { NO_REPETITION, type Repetition, repeatedKeys, repeatedYamlKeys } from "./repeated-keys.ts";

/** What a request may weigh; the same as the real API server's limit. */
const MAX_BODY_BYTES = 3 * 1024 * 1024;
const PROTOBUF = "application/vnd.kubernetes.protobuf";

/** The whole body. Throws 413. */
export async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) {
      throw new KubeError(413, "RequestEntityTooLarge", `limit is ${MAX_BODY_BYTES} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** The media type of the body, without parameters. */
export function mediaType(request: IncomingMessage): string {
  return (request.headers["content-type"] ?? "").split(";")[0]!.trim().toLowerCase();
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw badRequest(`couldn't get version/kind; json parse error: ${(error as Error).message}`);
  }
}

/** A body's value, and which of its keys are there twice: the last of them counts. */
export interface ReadBody {
  readonly value: unknown;
  readonly repeated: Repetition;
}

/** Parses JSON, and looks for repeated keys. Throws 400. */
export function readJson(text: string): ReadBody {
  const value = parseJson(text);
  return { value, repeated: repeatedKeys(text, value) };
}

/** Parses YAML with the booleans and octal numbers that Kubernetes' own parser reads. Throws 400. */
export async function parseYaml(text: string): Promise<ReadBody> {
  // Loaded when first needed: kubectl sends JSON.
  const yaml = await import("yaml");
  const document = yaml.parseDocument(text, { version: "1.1", merge: true });
  const again = document.errors.filter(({ code }) => code === "DUPLICATE_KEY");
  const problem = document.errors.find((error) => !again.includes(error));
  if (problem) throw badRequest(`error converting YAML to JSON: ${problem.message}`);
  return {
    value: plainValue(document),
    repeated: repeatedYamlKeys(
      text,
      again.map(({ pos: [offset] }) => offset),
    ),
  };
}

function plainValue(document: Document): unknown {
  try {
    return document.toJS();
  } catch (error) {
    throw badRequest(`error converting YAML to JSON: ${(error as Error).message}`);
  }
}

let decoder: ProtobufDecoder | undefined;

/** Parses Kubernetes' protobuf. Throws 400. */
async function parseProtobuf(body: Buffer): Promise<unknown> {
  if (!decoder) {
    const [table, { ProtobufDecoder }] = await Promise.all([
      import("./protobuf/messages.json", { with: { type: "json" } }),
      import("./protobuf/decode.ts"),
    ]);
    decoder = new ProtobufDecoder(table.default);
  }
  try {
    return decoder.decode(body);
  } catch (error) {
    throw badRequest(`the protobuf body cannot be read: ${(error as Error).message}`);
  }
}

/** The body as a value, by its media type: JSON, YAML or protobuf. Throws 415 for any other. */
export const readValue = async (request: IncomingMessage): Promise<unknown> => (await readObject(request)).value;

/** The body as `readValue` reads it, and which of its keys are there twice. */
export async function readObject(request: IncomingMessage): Promise<ReadBody> {
  const body = await readBody(request);
  const type = mediaType(request);
  if (body.length === 0) return { value: undefined, repeated: NO_REPETITION };
  if (type === "" || type === "application/json") return readJson(body.toString("utf8"));
  if (type === "application/yaml") return parseYaml(body.toString("utf8"));
  if (type === PROTOBUF) return { value: await parseProtobuf(body), repeated: NO_REPETITION };
  throw unsupportedMediaType(["application/json", "application/yaml", PROTOBUF]);
}
