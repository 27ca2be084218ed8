import type { HttpRequestFacts } from "../policy/http-rule.ts";
import { BodyReader } from "../wire/http-body.ts";
import type { HttpRequest } from "../wire/http-request.ts";
import { latin1Bytes } from "../wire/latin1.ts";
import type { RequestFacts } from "./access.ts";
import type { ResponseReader } from "./response-reader.ts";

/** One request and its answer. */
export class Exchange {
  readonly request: HttpRequest;
  readonly facts: RequestFacts;
  readonly startedMs: number;
  readonly body: BodyReader;
  /** Follows the server's answer; undefined when the proxy answers itself. */
  response: ResponseReader | undefined;
  /** The answer is complete. */
  answered = false;
  keepAlive: boolean;
  /** Bytes of a body that nobody reads. */
  discarded = 0;
  /** What may be sent once more when a kept connection turns out to be closed (RFC 9112, 9.3.1). */
  again: Uint8Array | undefined;

  constructor(request: HttpRequest, startedMs: number) {
    this.request = request;
    this.startedMs = startedMs;
    this.facts = { protocol: request.version, method: request.method, url: `http://${request.host}${request.path}` };
    this.body = new BodyReader(request.framing);
    this.keepAlive = request.keepAlive;
  }
}

/** The one upgrade that is passed on; it must leave no doubt about what comes after its head. */
export function isWebSocket(request: HttpRequest): boolean {
  return (
    request.upgrade === "websocket" && request.method === "GET" && request.framing.kind === "none" && request.keepAlive
  );
}

/** May be repeated without harm, and nothing of it is gone (RFC 9110, 9.2.2). */
export function isRepeatable({ method, framing, upgrade }: HttpRequest): boolean {
  return framing.kind === "none" && upgrade === undefined && ["GET", "HEAD", "OPTIONS"].includes(method);
}

/** What policy looks at. */
export function factsOf({ method, path, host, fields }: HttpRequest): HttpRequestFacts {
  return { method, path, host, headers: fields };
}

/** The head as the server gets it: the client's bytes, unless the normal form of the path or rules changed something. */
export function forwardedHead(request: HttpRequest, fields: HttpRequest["fields"], bytes: Uint8Array): Uint8Array {
  const { method, path, version } = request;
  if (fields === request.fields && !request.rewritten) return bytes;
  const lines = fields.map(({ name, value }) => `${name}: ${value}\r\n`).join("");
  return latin1Bytes(`${method} ${path} ${version}\r\n${lines}\r\n`);
}
