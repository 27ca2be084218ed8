import { latin1Bytes } from "../wire/latin1.ts";
import type { UpstreamFailure } from "./upstream-link.ts";

/** An answer that the proxy gives itself. */
export interface LocalReply {
  readonly status: number;
  readonly bytes: Uint8Array;
  readonly headers: readonly { readonly name: string; readonly value: string }[];
}

const PHRASES: Readonly<Record<number, string>> = {
  307: "Temporary Redirect",
  400: "Bad Request",
  403: "Forbidden",
  408: "Request Timeout",
  431: "Request Header Fields Too Large",
  501: "Not Implemented",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
  505: "HTTP Version Not Supported",
};

interface ReplyOptions {
  readonly status: number;
  readonly body: string;
  /** The connection ends after this answer. */
  readonly close: boolean;
  /** Answer to HEAD: the length is told, the body is not sent. */
  readonly headOnly?: boolean;
  readonly location?: string;
}

/** A whole answer as bytes. The bodies are Cilium's where users know them (`Access denied`). */
export function localReply(options: ReplyOptions): LocalReply {
  const headers = [
    { name: "content-length", value: String(options.body.length) },
    { name: "content-type", value: "text/plain" },
    ...(options.location === undefined ? [] : [{ name: "location", value: options.location }]),
    { name: "server", value: "shieldgate" },
    ...(options.close ? [{ name: "connection", value: "close" }] : []),
  ];
  const lines = headers.map(({ name, value }) => `${name}: ${value}\r\n`).join("");
  const head = `HTTP/1.1 ${options.status} ${PHRASES[options.status] ?? "Error"}\r\n${lines}\r\n`;
  const body = options.headOnly === true ? "" : options.body;
  return { status: options.status, bytes: latin1Bytes(head + body), headers };
}

/** What a client is told of a failure, and Envoy's flag for it. */
export interface FailureReply {
  readonly status: number;
  readonly body: string;
  readonly flag: string;
}

/** The answer that Envoy gives in place of a server's. */
export function failureReply(failure: UpstreamFailure): FailureReply {
  const body = `upstream connect error or disconnect/reset before headers. reset reason: ${failure}`;
  if (failure === "protocol error") return { status: 502, body, flag: "UPE" };
  const isReset = failure === "remote reset" || failure === "remote refused stream reset";
  return { status: 503, body, flag: failure === "connection termination" ? "UC" : isReset ? "UR" : "UF" };
}

/** What a record says of a failure; `detail` may be empty. */
export function failureNote(failure: UpstreamFailure, detail: string): { flag: string; reason: string } {
  return { flag: failureReply(failure).flag, reason: detail === "" ? failure : `${failure}: ${detail}` };
}

export const ACCESS_DENIED = "Access denied\r\n";
