import { readFileSync } from "node:fs";
import { connect } from "node:net";
import type { DescService } from "@bufbuild/protobuf";
import { type Client, createClient, type Interceptor } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { CommandError } from "../cobra/run.ts";
import { parseDuration } from "../cobra/values.ts";
import { openingError } from "./file-error.ts";
import type { Settings } from "./settings.ts";

const TLS_PREFIX = "tls://";

/** A server of flows, as the settings name it. */
export interface Connection {
  /** Its address without a scheme for TLS, for messages. */
  readonly target: string;
  readonly requestTimeoutMs: number;
  client<S extends DescService>(service: S): Client<S>;
}

const usesTls = (settings: Settings) => settings.boolean("tls") || settings.string("server").startsWith(TLS_PREFIX);

/** Throws CommandError when settings that only make sense together are not. */
export function checkSettings(settings: Settings): void {
  const has = (key: string) => settings.string(key) !== "";
  const refuse = (reason: string) => new CommandError(`invalid flag(s): ${reason}`);
  if (has("basic-auth-username") !== has("basic-auth-password"))
    throw refuse("must specify both basic-auth-username and basic-auth-password");
  if (has("tls-client-key-file") !== has("tls-client-cert-file"))
    throw refuse("certificate and private key are both required, but only one was provided");
  if (has("tls-client-key-file") && !usesTls(settings)) throw refuse("transport layer security required");
}

function readOr(path: string, failure: (reason: string) => string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new CommandError(failure(openingError(path, error)));
  }
}

/** Options for node:tls. Throws CommandError when a file is missing or is no PEM. */
function tlsOptions(settings: Settings) {
  const authorities = settings.list("tls-ca-cert-files").map((path) => {
    const pem = readOr(path, (reason) => `cannot load cert '${path}': ${reason}`);
    if (pem.includes("-----BEGIN CERTIFICATE-----")) return pem;
    throw new CommandError(`cannot process cert '${path}': must be a PEM encoded certificate`);
  });
  const [cert, key] = ["tls-client-cert-file", "tls-client-key-file"].map((name) => settings.string(name));
  const name = settings.string("tls-server-name");
  return {
    rejectUnauthorized: !settings.boolean("tls-allow-insecure"),
    ...(authorities.length > 0 && { ca: authorities }),
    ...(cert && key && { cert: readOr(cert, String), key: readOr(key, String) }),
    ...(name !== "" && { servername: name }),
  };
}

/** Adds the credentials to every call. */
function basicAuth(settings: Settings): Interceptor[] {
  const user = settings.string("basic-auth-username");
  if (user === "") return [];
  const credentials = Buffer.from(`${user}:${settings.string("basic-auth-password")}`).toString("base64");
  return [
    (next) => (request) => {
      request.header.set("authorization", `Basic ${credentials}`);
      return next(request);
    },
  ];
}

/** Nothing is sent yet. Throws CommandError when the settings cannot be met. */
export function openConnection(settings: Settings): Connection {
  if (settings.boolean("port-forward")) {
    throw new CommandError(
      "--port-forward is not supported: the lab's relay is no pod and listens on 127.0.0.1:4245 of this machine; leave the flag out",
    );
  }
  const server = settings.string("server");
  const target = server.startsWith(TLS_PREFIX) ? server.slice(TLS_PREFIX.length) : server;
  const secure = usesTls(settings) ? tlsOptions(settings) : undefined;
  const interceptors = basicAuth(settings);
  if (interceptors.length > 0 && !secure) {
    throw new CommandError(
      `failed to create gRPC client to '${server}': grpc: the credentials require transport level security (use grpc.WithTransportCredentials() to set)`,
    );
  }
  const path = /^unix:(?:\/\/)?(.+)$/.exec(target)?.[1];
  const address = target.replace(/^(?:dns|passthrough):\/*/, "");
  const transport = createGrpcTransport({
    baseUrl: `${secure ? "https" : "http"}://${path === undefined ? address : "localhost"}`,
    interceptors,
    nodeOptions: {
      ...secure,
      ...(path === undefined
        ? { timeout: parseDuration(settings.string("timeout")) / 1e6 }
        : { createConnection: () => connect(path) }),
    },
  });
  return {
    target,
    requestTimeoutMs: parseDuration(settings.string("request-timeout")) / 1e6,
    client: (service) => createClient(service, transport),
  };
}
