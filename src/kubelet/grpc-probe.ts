import { type ClientHttp2Session, connect } from "node:http2";
import type { Duplex } from "node:stream";

const CHECK = "/grpc.health.v1.Health/Check";
const PREFIX_BYTES = 5;
/** Field 1 of HealthCheckRequest, the service's name, and of HealthCheckResponse, the status: 1 is SERVING. */
const SERVICE_TAG = (1 << 3) | 2;
const STATUS_TAG = 1 << 3;
const SERVING = 1;
const STATUSES = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];
const LONGEST_SERVICE = 127;

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
      if (status !== "0") return resolve(`rpc error: code ${status ?? "none"}${message ? `: ${message}` : ""}`);
      const found = statusOf(Buffer.concat(chunks));
      resolve(found === SERVING ? undefined : `service unhealthy (responded with "${STATUSES[found] ?? found}")`);
    });
    stream.end(requestOf(service));
  });
}

/**
 * Asks a server's health by gRPC's health protocol (grpc.health.v1) in clear. Undefined when it serves, else what is wrong. Ends the
 * connection; rejects when it breaks.
 */
export async function checkHealth(connection: Duplex, service: string, timeoutMs: number): Promise<string | undefined> {
  const session = connect("http://health", { createConnection: () => connection });
  const { promise: broken, reject } = Promise.withResolvers<never>();
  session.once("error", reject);
  const timer = setTimeout(
    () => reject(new Error(`timeout: health rpc did not complete within ${timeoutMs / 1000}s`)),
    timeoutMs,
  );
  try {
    return await Promise.race([ask(session, service), broken]);
  } finally {
    clearTimeout(timer);
    session.destroy();
    connection.destroy();
  }
}
