import type { IncomingMessage } from "node:http";
import { badRequest, KubeError, unsupportedMediaType } from "../status.ts";
import type { ProtobufDecoder } from "./protobuf/decode.ts";

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

/** Parses JSON. Throws 400. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw badRequest(`couldn't get version/kind; json parse error: ${(error as Error).message}`);
  }
}

/** Parses YAML with the booleans and octal numbers that Kubernetes' own parser reads. Throws 400. */
export async function parseYaml(text: string): Promise<unknown> {
  // Loaded when first needed: kubectl sends JSON.
  const yaml = await import("yaml");
  try {
    return yaml.parse(text, { version: "1.1", merge: true });
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
export async function readValue(request: IncomingMessage): Promise<unknown> {
  const body = await readBody(request);
  const type = mediaType(request);
  if (body.length === 0) return undefined;
  if (type === "" || type === "application/json") return parseJson(body.toString("utf8"));
  if (type === "application/yaml") return parseYaml(body.toString("utf8"));
  if (type === PROTOBUF) return parseProtobuf(body);
  throw unsupportedMediaType(["application/json", "application/yaml", PROTOBUF]);
}
