import type { IncomingHttpHeaders, IncomingMessage } from "node:http";

/** An error with the status that the caller gets. */
export class ApiError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export type Answer = readonly [status: number, body: unknown];

/** One call of the API, taken apart. */
export interface ApiCall {
  readonly method: string;
  /** Words of the path after `/v1/SUBJECT`. */
  readonly rest: readonly string[];
  readonly params: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  /** The whole body; empty when there is none. Rejects with ApiError 413 when it is longer than any call needs. */
  body(): Promise<string>;
}

/** No request of the API is longer. */
const BODY_LIMIT = 64 * 1024;

/** Reads a body to its end, as long as it is not longer than any call needs. */
export async function readBody(request: IncomingMessage, limit = BODY_LIMIT): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > limit) throw new ApiError(413, `the body is longer than ${limit} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The body of a call that must have one. Throws ApiError 400 when it is no JSON object. */
export async function objectBody(call: ApiCall): Promise<Record<string, unknown>> {
  const value = parsed(await call.body());
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new ApiError(400, "the body must be a JSON object");
}

/** Labels that a GET asks for, which Cilium's API takes in its body; empty = all. */
export async function labelsBody(call: ApiCall): Promise<readonly string[]> {
  const text = await call.body();
  if (text === "") return [];
  const value = parsed(text);
  if (value === null) return [];
  if (Array.isArray(value) && value.every((label) => typeof label === "string")) return value;
  throw new ApiError(400, "the body must be a JSON list of labels");
}

/** A field that must be there. */
export function text(body: Record<string, unknown>, field: string): string {
  const value = body[field];
  if (typeof value !== "string" || value === "") throw new ApiError(400, `${field} must be a text that is not empty`);
  return value;
}

/** A field of a form, of which `example` is one. */
export function matching(body: Record<string, unknown>, field: string, pattern: RegExp, example: string): string {
  const value = text(body, field);
  if (!pattern.test(value)) throw new ApiError(400, `${field} must be like ${example}, not ${value}`);
  return value;
}

/** Refuses a method that the path does not have. */
export function notACall({ method }: ApiCall, path: string): ApiError {
  return new ApiError(405, `${method} is not a call on /v1/${path}`);
}
