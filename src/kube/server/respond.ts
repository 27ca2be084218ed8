import type { ServerResponse } from "node:http";
import { pipeline, type Writable } from "node:stream";
import { createGzip } from "node:zlib";
import { groupVersion, type KubeObject } from "../object.ts";
import { internalError, KubeError, type Status } from "../status.ts";
import type { ResourceKind } from "./kind.ts";
import type { Format } from "./negotiate.ts";

const NO_CACHE = "no-cache, private";
/** What is written at once of a long answer, in characters. */
const PIECE_LENGTH = 64 << 10;
/** Answers from this length on are long, in characters: they go piece by piece, and compressed where the client takes it. */
const LONG = 128 << 10;

function quoteWarning(text: string): string {
  return `299 - "${text.replace(/["\\]/g, "\\$&").replace(/[\r\n]+/g, " ")}"`;
}

/** Adds a Warning header to the answer, whatever it will be; kubectl prints it. */
export function addWarning(response: ServerResponse, text: string): void {
  response.appendHeader("Warning", quoteWarning(text));
}

/** Writes text with its type; `warnings` become Warning headers, which kubectl prints. */
export function writeText(
  response: ServerResponse,
  code: number,
  type: string,
  body: string | Uint8Array,
  warnings: readonly string[] = [],
): void {
  for (const warning of warnings) addWarning(response, warning);
  response.writeHead(code, {
    "Content-Type": type,
    "Content-Length": typeof body === "string" ? Buffer.byteLength(body) : body.length,
    "Cache-Control": NO_CACHE,
  });
  response.end(body);
}

function drained(out: Writable): Promise<void> {
  return new Promise((resolve) => {
    const next = (): void => {
      out.off("drain", next).off("close", next);
      resolve();
    };
    out.on("drain", next).on("close", next);
  });
}

/** Whether the client reads gzip: as kube-apiserver asks it, by the bare word, and of reads alone. */
function takesGzip({ req }: ServerResponse): boolean {
  const encodings = String(req.headers["accept-encoding"] ?? "").split(",");
  return req.method === "GET" && encodings.some((encoding) => encoding.trim() === "gzip");
}

/** Begins a long answer; what is written to the returned stream is its body. */
function begin(response: ServerResponse, code: number, type: string): Writable {
  const headers = { "Content-Type": type, "Cache-Control": NO_CACHE };
  if (!takesGzip(response)) return response.writeHead(code, headers);
  response.writeHead(code, { ...headers, "Content-Encoding": "gzip", Vary: "Accept-Encoding" });
  const gzip = createGzip({ level: 1 });
  // a reader that goes away ends both
  pipeline(gzip, response, () => {});
  return gzip;
}

/**
 * Writes JSON that may be long, piece by piece, no faster than its reader takes it: others are served between two pieces, and
 * there is never a copy of the whole. Ends early when the reader goes away.
 */
export async function writePieces(
  response: ServerResponse,
  code: number,
  pieces: Iterable<string>,
  type = "application/json",
): Promise<void> {
  let gathered = "";
  let out: Writable | undefined;
  for (const piece of pieces) {
    gathered += piece;
    if (gathered.length < (out === undefined ? LONG : PIECE_LENGTH)) continue;
    out ??= begin(response, code, type);
    if (!out.write(gathered)) await drained(out);
    if (out.destroyed) return;
    gathered = "";
  }
  if (out === undefined) writeText(response, code, type, gathered);
  else out.end(gathered);
}

/** Writes a value in the format asked for. */
export async function writeValue(
  response: ServerResponse,
  code: number,
  format: Format,
  value: unknown,
  warnings: readonly string[] = [],
): Promise<void> {
  if (format.encoding === "yaml") {
    const yaml = await import("yaml");
    writeText(response, code, "application/yaml", yaml.stringify(value), warnings);
    return;
  }
  const shape =
    format.as === "APIGroupDiscoveryList" ? `;g=apidiscovery.k8s.io;v=${format.version};as=${format.as}` : "";
  for (const warning of warnings) addWarning(response, warning);
  return writePieces(response, code, [JSON.stringify(value)], `application/json${shape}`);
}

/** Any error as a Status; what is not a KubeError is our fault. */
export function statusOfError(error: unknown): Status {
  const known =
    error instanceof KubeError ? error : internalError(error instanceof Error ? error.message : String(error));
  return known.toStatus();
}

/** Answers a failed request. */
export function writeError(response: ServerResponse, error: unknown): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const status = statusOfError(error);
  writeText(response, status.code ?? 500, "application/json", JSON.stringify(status));
}

/** Only what metadata.k8s.io clients ask for. */
export function metadataOnly(object: KubeObject, version: string): KubeObject {
  return { apiVersion: `meta.k8s.io/${version}`, kind: "PartialObjectMetadata", metadata: object.metadata };
}

/** The head of a list answer. */
export function listHead(kind: ResourceKind): { kind: string; apiVersion: string } {
  return { kind: `${kind.kind}List`, apiVersion: groupVersion(kind.group, kind.version) };
}
