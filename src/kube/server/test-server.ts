import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { KubeClient } from "../client/client.ts";
import { type ConnectOptions, connect } from "../client/connect.ts";
import { KubeError } from "../status.ts";
import { type ApiServer, type ApiServerOptions, createApiServer } from "./api-server.ts";

/** An API server for a test, on a free loopback port. */
export interface TestServer {
  readonly server: ApiServer;
  readonly url: string;
  readonly directory: string;
  /** As administrator. */
  readonly client: KubeClient;
  /** As any user. */
  as(user: string, groups?: readonly string[]): KubeClient;
  withToken(token: string): KubeClient;
  /** Stops the server and starts it again on the same port and data; `meanwhile` may do something to the file of objects. */
  restart(meanwhile?: (store: string) => void): Promise<void>;
  close(): Promise<void>;
}

/** Starts a server on a directory of its own. */
export async function startTestServer(options: Partial<ApiServerOptions> = {}): Promise<TestServer> {
  const directory = mkdtempSync(join(tmpdir(), "shieldgate-api-"));
  const clients: KubeClient[] = [];
  const start = (port: number): Promise<ApiServer> =>
    createApiServer({
      store: join(directory, "store.db"),
      certificates: join(directory, "pki"),
      listeners: [{ host: "127.0.0.1", port }],
      definitions: [],
      ...options,
    });
  let server = await start(0);
  const [port = 0] = server.ports;
  const url = `https://127.0.0.1:${port}`;
  const open = (how: ConnectOptions): KubeClient => {
    const client = connect(how);
    clients.push(client);
    return client;
  };
  const { authority } = server;
  const as = (user: string, groups: readonly string[] = []): KubeClient =>
    open({ server: url, ca: authority.ca, ...authority.client(`test-${user.replaceAll(/\W/g, "-")}`, user, groups) });
  return {
    get server() {
      return server;
    },
    url,
    directory,
    client: as("admin", ["system:masters"]),
    as,
    withToken: (token) => open({ server: url, ca: authority.ca, token }),
    async restart(meanwhile) {
      await server.close();
      meanwhile?.(join(directory, "store.db"));
      server = await start(port);
    },
    async close() {
      for (const client of clients) client.close();
      await server.close();
      rmSync(directory, { recursive: true });
    },
  };
}

/** The error that a call must end with. */
export async function failure(call: Promise<unknown>): Promise<KubeError> {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof KubeError)) throw new Error(`the call should have failed with a Status, not ${error}`);
  return error;
}
