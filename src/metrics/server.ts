import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { CONTENT_TYPES, exposition, type TextForm } from "./exposition.ts";
import type { Registry } from "./registry.ts";

export interface MetricsServer {
  /** The port that it listens on. */
  readonly port: number;
  close(): Promise<void>;
}

export interface MetricsServerOptions {
  readonly registry: Registry;
  /** Absent = every address of this network namespace. */
  readonly host?: string;
  readonly port: number;
  /** Whether OpenMetrics is answered to those who ask for it. */
  readonly openMetrics?: () => boolean;
  /** Told of each answer: its status and how many seconds it took. */
  readonly answered?: (status: number, seconds: number) => void;
}

const CLOSE_TIMEOUT = 10_000;

function answer({ registry, openMetrics }: MetricsServerOptions, request: IncomingMessage, response: ServerResponse) {
  if (request.url?.split("?")[0] !== "/metrics") {
    response.writeHead(404, { "content-type": "text/plain; charset=utf-8" }).end("404 page not found\n");
    return;
  }
  const asked = request.headers.accept?.includes("application/openmetrics-text") ?? false;
  const form: TextForm = asked && openMetrics?.() === true ? "openmetrics" : "prometheus";
  response.writeHead(200, { "content-type": CONTENT_TYPES[form] }).end(exposition(registry, form));
}

/** Serves the registry at `/metrics` until it is closed. Rejects when the port is taken. */
export async function serveMetrics(options: MetricsServerOptions): Promise<MetricsServer> {
  const server = createServer({ requestTimeout: CLOSE_TIMEOUT }, (request, response) => {
    const start = performance.now();
    answer(options, request, response);
    options.answered?.(response.statusCode, (performance.now() - start) / 1000);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(options.port, options.host, resolve);
  });
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : options.port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
