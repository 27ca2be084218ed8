import type { ServerResponse } from "node:http";
import { groupVersion, type KubeObject } from "../object.ts";
import { internalError, KubeError, type Status } from "../status.ts";
import type { ResourceKind } from "./kind.ts";
import type { Format } from "./negotiate.ts";

const NO_CACHE = "no-cache, private";
/** What is written at once of a long answer, in characters. */
const PIECE_LENGTH = 64 << 10;

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

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const next = (): void => {
      response.off("drain", next).off("close", next);
      resolve();
    };
    response.on("drain", next).on("close", next);
  });
}

/**
 * Writes JSON that is long, piece by piece, no faster than its reader takes it: others are served between two pieces, and
 * there is never a copy of the whole. Ends early when the reader goes away.
 */
export async function writePieces(response: ServerResponse, code: number, pieces: Iterable<string>): Promise<void> {
  let gathered = "";
  for (const piece of pieces) {
    gathered += piece;
    if (gathered.length < PIECE_LENGTH) continue;
    if (!response.headersSent)
      response.writeHead(code, { "Content-Type": "application/json", "Cache-Control": NO_CACHE });
    if (!response.write(gathered)) await drained(response);
    if (response.destroyed) return;
    gathered = "";
  }
  if (response.headersSent) response.end(gathered);
  else writeText(response, code, "application/json", gathered);
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
  writeText(response, code, `application/json${shape}`, JSON.stringify(value), warnings);
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
