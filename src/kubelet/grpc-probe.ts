import { type ClientHttp2Session, connect } from "node:http2";
import type { Duplex } from "node:stream";
import { pause } from "./pause.ts";

const CHECK = "/grpc.health.v1.Health/Check";
const PREFIX_BYTES = 5;
/** Field 1 of HealthCheckRequest, the service's name, and of HealthCheckResponse, the status: 1 is SERVING. */
const SERVICE_TAG = (1 << 3) | 2;
const STATUS_TAG = 1 << 3;
const SERVING = 1;
const STATUSES = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];
const LONGEST_SERVICE = 127;
/** After how long a connection that was refused is tried again. */
const AGAIN_MS = 100;
/** gRPC's codes, by number, in the names that Go prints. */
const CODES =
  "OK Canceled Unknown InvalidArgument DeadlineExceeded NotFound AlreadyExists PermissionDenied ResourceExhausted FailedPrecondition Aborted OutOfRange Unimplemented Internal Unavailable DataLoss Unauthenticated".split(
    " ",
  );

function unescaped(words: string): string {
  try {
    return decodeURIComponent(words);
  } catch {
    return words;
  }
}

/** What a failed call is called in Kubernetes' kubelet; servers escape their words as in a URL. */
function callFailure(status: string, words: string): string {
  const code = CODES[Number(status)] ?? `Code(${status})`;
  const said = unescaped(words);
  if (code === "Unimplemented")
    return `error: this server does not implement the grpc health protocol (grpc.health.v1.Health): ${said}`;
  return `error: health rpc probe failed: rpc error: code = ${code} desc = ${said}`;
}

function requestOf(service: string): Buffer {
  const name = Buffer.from(service);
  if (name.length > LONGEST_SERVICE) throw new Error(`the service's name is longer than ${LONGEST_SERVICE} bytes`);
  const message = name.length === 0 ? Buffer.alloc(0) : Buffer.concat([Buffer.from([SERVICE_TAG, name.length]), name]);
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** The status of an answer; 0, which is not written out, when there is none. */
function statusOf(answer: Buffer): number {
  return answer[PREFIX_BYTES] === STATUS_TAG ? (answer[PREFIX_BYTES + 1] ?? 0) : 0;
}

function ask(session: ClientHttp2Session, service: string): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const headers = { ":method": "POST", ":path": CHECK, "content-type": "application/grpc", te: "trailers" };
    const stream = session.request({ ...headers, "user-agent": "kube-probe/1.34" });
    const chunks: Buffer[] = [];
    let status: unknown;
    let message: unknown;
    const take = (fields: NodeJS.Dict<string | string[]>) => {
      status = fields["grpc-status"] ?? status;
      message = fields["grpc-message"] ?? message;
    };
    stream.on("response", (fields) => take(fields as NodeJS.Dict<string | string[]>));
    stream.on("trailers", (fields) => take(fields as NodeJS.Dict<string | string[]>));
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.once("error", reject);
    stream.once("end", () => {
      if (status !== "0") return resolve(callFailure(String(status ?? "2"), String(message ?? "")));
      const found = statusOf(Buffer.concat(chunks));
      resolve(found === SERVING ? undefined : `service unhealthy (responded with "${STATUSES[found] ?? found}")`);
    });
    stream.end(requestOf(service));
  });
}

/** A server, and how to connect to it. */
export interface HealthServer {
  /** `address:port` */
  readonly where: string;
  readonly open: () => Duplex;
}

async function askOnce(connection: Duplex, service: string, late: Promise<never>): Promise<string | undefined> {
  const session = connect("http://health", { createConnection: () => connection });
  const { promise: broken, reject } = Promise.withResolvers<never>();
  session.once("error", reject);
  try {
    return await Promise.race([ask(session, service), broken, late]);
  } finally {
    session.destroy();
    connection.destroy();
  }
}

/** A call that waits for its connection is cancelled for the connection's error. */
const isRefused = ({ code, cause }: NodeJS.ErrnoException): boolean =>
  code === "ECONNREFUSED" || (cause as NodeJS.ErrnoException | undefined)?.code === "ECONNREFUSED";

/**
 * Asks a server's health by gRPC's health protocol (grpc.health.v1) in clear, and waits for one that does not listen yet. Undefined
 * when it serves, else what is wrong. Rejects when the connection breaks.
 */
export async function checkHealth(
  { where, open }: HealthServer,
  service: string,
  timeoutMs: number,
): Promise<string | undefined> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const limit = `within ${timeoutMs / 1000}s`;
  let why = `health rpc did not complete ${limit}`;
  const ended = new AbortController();
  const timer = setTimeout(() => {
    ended.abort();
    reject(new Error(`timeout: ${why}`));
  }, timeoutMs);
  try {
    for (;;) {
      try {
        return await askOnce(open(), service, late);
      } catch (error) {
        if (!isRefused(error as Error)) throw error;
        why = `failed to connect service "${where}" ${limit}: context deadline exceeded`;
        await Promise.race([pause(AGAIN_MS, ended.signal), late]);
        why = `health rpc did not complete ${limit}`;
      }
    }
  } finally {
    clearTimeout(timer);
  }
}
