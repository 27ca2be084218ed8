import type { AccessRecord } from "../model/access-record.ts";

/** Requests whose answers have not been seen. */
const MOST_WAITING = 10_000;
const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/s;
const ZEROS = /^0+$/;
const BY_ID = "id ";
/** Flags that version 0 knows. */
const MAX_FLAGS = 3;

function headerOf({ headers }: AccessRecord, name: string): string | undefined {
  return headers.find((header) => header.name.toLowerCase() === name)?.value;
}

/** The trace id of a W3C `traceparent`, empty when it is none. */
export function parseTraceparent(text: string): string {
  const [, version, traceId = "", spanId = "", flags = "", more] = TRACEPARENT.exec(text) ?? [];
  if (version === undefined || version === "ff" || ZEROS.test(traceId) || ZEROS.test(spanId)) return "";
  if (version === "00" && ((more !== undefined && more !== "-") || Number.parseInt(flags, 16) > MAX_FLAGS)) return "";
  return traceId;
}

/**
 * The trace of requests, and of the answers that belong to them: by `x-request-id` where both have it, and by the connection with
 * HTTP/1, which answers one after the other.
 */
export class TraceContexts {
  private readonly waiting = new Map<string, string>();

  /** Empty when there is none. */
  idOf(record: AccessRecord): string {
    if (record.dns !== undefined || record.tls !== undefined) return "";
    const key = keyOf(record);
    if (record.type === "response") {
      const traceId = key === undefined ? undefined : this.waiting.get(key);
      if (key !== undefined && traceId !== undefined) this.waiting.delete(key);
      return traceId ?? "";
    }
    const header = headerOf(record, "traceparent");
    const traceId = header === undefined ? "" : parseTraceparent(header);
    if (key !== undefined) this.remember(key, traceId);
    return traceId;
  }

  private remember(key: string, traceId: string): void {
    if (traceId === "") {
      // the connection's next answer belongs to this request; an id names one request alone
      if (!key.startsWith(BY_ID)) this.waiting.delete(key);
      return;
    }
    this.waiting.delete(key);
    this.waiting.set(key, traceId);
    const [oldest] = this.waiting.keys();
    if (this.waiting.size > MOST_WAITING && oldest !== undefined) this.waiting.delete(oldest);
  }
}

function keyOf(record: AccessRecord): string | undefined {
  const id = headerOf(record, "x-request-id");
  if (id !== undefined && id !== "") return BY_ID + id;
  if (record.protocol === "HTTP/2") return undefined;
  return `${record.sourceAddress} ${record.sourcePort} ${record.destinationAddress} ${record.destinationPort}`;
}
