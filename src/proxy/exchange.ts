import type { HttpRequestFacts } from "../policy/http-rule.ts";
import { BodyReader } from "../wire/http-body.ts";
import { type HttpFault, isFault, type RawHead } from "../wire/http-head.ts";
import { type HttpRequest, readRequest } from "../wire/http-request.ts";
import { latin1Bytes } from "../wire/latin1.ts";
import type { RequestFacts } from "./access.ts";
import type { ResponseReader } from "./response-reader.ts";

/** A request as it was read, and what everything else makes of it. */
export interface AskedHead {
  readonly request: HttpRequest;
  /** What policy looks at. */
  readonly judged: HttpRequestFacts;
  /** What records say. */
  readonly facts: RequestFacts;
}

/** Reads a request's head. Depends on what is given alone. */
export function readAskedHead(head: RawHead): AskedHead | HttpFault {
  const request = readRequest(head);
  if (isFault(request)) return request;
  const { method, path, host, fields, version } = request;
  return {
    request,
    judged: { method, path, host, headers: fields },
    facts: { protocol: version, method, url: `http://${host}${path}` },
  };
}

/** One request and its answer. */
export class Exchange {
  readonly asked: AskedHead;
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

  /** `isJudged` is asked for names of trailers, as `BodyReader` has it. */
  constructor(asked: AskedHead, startedMs: number, isJudged: (name: string) => boolean) {
    this.asked = asked;
    this.startedMs = startedMs;
    this.body = new BodyReader(asked.request.framing, isJudged);
    this.keepAlive = asked.request.keepAlive;
  }

  get request(): HttpRequest {
    return this.asked.request;
  }

  get facts(): RequestFacts {
    return this.asked.facts;
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

/** The head as the server gets it: the client's bytes, unless the normal form of the path or rules changed something. */
export function forwardedHead(request: HttpRequest, fields: HttpRequest["fields"], bytes: Uint8Array): Uint8Array {
  const { method, path, version } = request;
  if (fields === request.fields && !request.rewritten) return bytes;
  const lines = fields.map(({ name, value }) => `${name}: ${value}\r\n`).join("");
  return latin1Bytes(`${method} ${path} ${version}\r\n${lines}\r\n`);
}
