import { connect } from "node:net";
import type { DescService } from "@bufbuild/protobuf";
import { type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { type GivenFlag, lastValue } from "../cobra/flags.ts";
import { CommandError } from "../cobra/run.ts";
import { durationMs } from "./time.ts";

const DEFAULT_SERVER = "127.0.0.1:4245";

/** A server of flows, as the flags name it. */
export interface Connection {
  /** As given, for messages. */
  readonly target: string;
  readonly requestTimeoutMs: number;
  client<S extends DescService>(service: S): Client<S>;
}

/** Nothing is sent yet. Throws CommandError when the address asks for what is not built. */
export function openConnection(
  flags: readonly GivenFlag[],
  env: Readonly<Record<string, string | undefined>>,
): Connection {
  const target = lastValue(flags, "server") ?? (env["HUBBLE_SERVER"] || DEFAULT_SERVER);
  if (target.startsWith("tls://"))
    throw new CommandError(`${target}: TLS is not supported: the lab's relay speaks cleartext on ${DEFAULT_SERVER}`);
  const timeoutMs = durationMs("timeout", lastValue(flags, "timeout") ?? "5s");
  const path = target.startsWith("unix://") ? target.slice("unix://".length) : undefined;
  const transport = createGrpcTransport({
    baseUrl: path === undefined ? `http://${target}` : "http://localhost",
    ...(path !== undefined && { nodeOptions: { createConnection: () => connect(path) } }),
    ...(path === undefined && { nodeOptions: { timeout: timeoutMs } }),
  });
  return {
    target,
    requestTimeoutMs: durationMs("request-timeout", lastValue(flags, "request-timeout") ?? "12s"),
    client: (service) => createClient(service, transport),
  };
}

/** An error of a call in words: who could not be reached and what to look at, or what the server said. */
export function callError(error: unknown, target: string): Error {
  if (!(error instanceof ConnectError)) return error instanceof Error ? error : new Error(String(error));
  if (error.code === Code.Unavailable || error.code === Code.DeadlineExceeded) {
    return new CommandError(
      `failed to connect to '${target}': ${error.rawMessage}\nIs the lab up? \`shieldgate status\` tells; --server or HUBBLE_SERVER names another server.`,
    );
  }
  if (error.code === Code.Unknown || error.code === Code.InvalidArgument) return new CommandError(error.rawMessage);
  return new CommandError(`${Code[error.code]}: ${error.rawMessage}`);
}
