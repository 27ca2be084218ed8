import { isIP } from "node:net";
import { Code, ConnectError } from "@connectrpc/connect";
import { kernelReason } from "../../model/system-error.ts";
import { CommandError } from "../cobra/run.ts";

/** Names of the codes as Go's gRPC prints them. */
const CODE_NAMES: Readonly<Partial<Record<Code, string>>> = { [Code.Canceled]: "Canceled" };

type NetError = NodeJS.ErrnoException & {
  address?: string;
  port?: number;
  host?: string;
  cert?: { subjectaltname?: string };
  errors?: NetError[];
};

const CERTIFICATE_REASONS: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: "x509: certificate signed by unknown authority",
  SELF_SIGNED_CERT_IN_CHAIN: "x509: certificate signed by unknown authority",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "x509: certificate signed by unknown authority",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "x509: certificate signed by unknown authority",
  CERT_HAS_EXPIRED: "x509: certificate has expired or is not yet valid",
};

/** How the HTTP/2 client says that the other side closed the connection. */
const CLOSED = /^http\/2 stream closed with error code/;

/** Whether the connection ended in the middle, which the client calls a cancellation. */
export function wasClosed(error: unknown): boolean {
  return error instanceof ConnectError && CLOSED.test(error.rawMessage);
}

/** Whom a certificate is for, when that is not who was asked for. */
function nameMismatch({ host = "", cert }: NetError): string {
  const names = (cert?.subjectaltname ?? "").split(", ");
  const kind = isIP(host) === 0 ? "DNS:" : "IP Address:";
  const valid = names.filter((name) => name.startsWith(kind)).map((name) => name.slice(kind.length));
  return `x509: certificate is valid for ${valid.join(", ")}, not ${host}`;
}

function* causes(error: unknown): Generator<NetError> {
  for (let one = error as NetError | undefined; one instanceof Error; one = one.cause as NetError | undefined) {
    yield one;
    if (one.errors) yield* one.errors;
  }
}

/** Why no connection came about, as Go's gRPC says it; undefined when the cause is another. */
function connectionReason(error: unknown): string | undefined {
  if (wasClosed(error)) return 'connection error: desc = "error reading server preface: EOF"';
  for (const cause of causes(error)) {
    const { code = "", address, port, syscall } = cause;
    if (code === "ENOTFOUND" || code === "EAI_AGAIN") return "name resolver error: produced zero addresses";
    const certificate = code === "ERR_TLS_CERT_ALTNAME_INVALID" ? nameMismatch(cause) : CERTIFICATE_REASONS[code];
    if (certificate !== undefined)
      return `connection error: desc = "transport: authentication handshake failed: tls: failed to verify certificate: ${certificate}"`;
    const reason = kernelReason({ code });
    if (reason === undefined || syscall !== "connect" || address === undefined) continue;
    const host = isIP(address) === 6 ? `[${address}]` : address;
    const where = port === undefined ? `unix ${address}` : `tcp ${host}:${port}`;
    return `connection error: desc = "transport: Error while dialing: dial ${where}: connect: ${reason}"`;
  }
  return undefined;
}

/** A failed call in the words of Go's gRPC. */
export function callError(error: unknown): Error {
  const reason = connectionReason(error);
  if (reason !== undefined) return new CommandError(`rpc error: code = Unavailable desc = ${reason}`);
  if (!(error instanceof ConnectError)) return error instanceof Error ? error : new Error(String(error));
  const name = CODE_NAMES[error.code] ?? Code[error.code];
  return new CommandError(`rpc error: code = ${name} desc = ${error.rawMessage}`);
}

/** As `callError`, but what the server said for itself stands alone, and a stream may be cut after it began. */
export function streamError(error: unknown, begun: boolean): Error {
  if (begun && wasClosed(error))
    return new CommandError("rpc error: code = Unavailable desc = error reading from server: EOF");
  if (error instanceof ConnectError && error.code === Code.Unknown && connectionReason(error) === undefined)
    return new CommandError(error.rawMessage);
  return callError(error);
}
