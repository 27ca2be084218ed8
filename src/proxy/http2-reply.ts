/** An answer that the proxy gives itself in a stream. */
export interface Http2Reply {
  readonly status: number;
  /** Names and values in turn. */
  readonly section: readonly string[];
  /** Empty: the stream ends with the headers. */
  readonly body: string;
}

interface AnsweredRequest {
  readonly method: string;
  readonly isGrpc: boolean;
}

/** gRPC's codes for the statuses that the proxy gives, as Envoy maps them; others are UNKNOWN. */
const GRPC_CODES: Readonly<Record<number, number>> = { 400: 13, 403: 7, 404: 12, 429: 14, 502: 14, 503: 14, 504: 14 };
const GRPC_UNKNOWN = 2;

/**
 * The answer to a request: `status` with the body, or for gRPC a stream that is all trailers, with gRPC's code and the
 * body as its message. A body of `""` is none.
 */
export function http2Reply(request: AnsweredRequest, status: number, body: string, location?: string): Http2Reply {
  if (request.isGrpc) {
    const code = String(GRPC_CODES[status] ?? GRPC_UNKNOWN);
    const section = [":status", "200", "content-type", "application/grpc", "grpc-status", code];
    if (body !== "") section.push("grpc-message", percentEncoded(body));
    return { status: 200, section: [...section, "server", "shieldgate"], body: "" };
  }
  const section = [":status", String(status), "content-length", String(body.length), "content-type", "text/plain"];
  if (location !== undefined) section.push("location", location);
  return { status, section: [...section, "server", "shieldgate"], body: request.method === "HEAD" ? "" : body };
}

/** gRPC's Percent-Encoded: printable ASCII but the percent sign stands for itself. */
function percentEncoded(text: string): string {
  return text.replace(/[^\x20-\x24\x26-\x7e]/g, (character) => {
    return `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`;
  });
}
