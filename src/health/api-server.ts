import { rmSync } from "node:fs";
import { createServer } from "node:http";
import type { HealthReport } from "./report.ts";

/** What stands behind the routes. */
export interface HealthCalls {
  report(): HealthReport;
  probeAll(): Promise<HealthReport>;
}

/**
 * Cilium's health API on a unix socket: `GET /v1beta/status`, `PUT /v1beta/status/probe`, and `GET /v1beta/healthz`, which
 * answers while the process lives. Takes the place of a predecessor's socket file.
 */
export async function serveHealthApi(path: string, calls: HealthCalls): Promise<{ close(): void }> {
  const answers: Readonly<Record<string, () => unknown>> = {
    "GET /v1beta/healthz": () => ({ uptime: `${Math.round(process.uptime())}s` }),
    "GET /v1beta/status": () => calls.report(),
    "PUT /v1beta/status/probe": () => calls.probeAll(),
  };
  const server = createServer((request, response) => {
    const answer = answers[`${request.method} ${request.url}`];
    const send = (status: number, body: unknown) =>
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    if (answer === undefined) send(404, `no such call: ${request.method} ${request.url}`);
    else
      Promise.resolve()
        .then(answer)
        .then(
          (body) => send(200, body),
          (error: Error) => send(500, error.message),
        );
  });
  rmSync(path, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, resolve);
  });
  return {
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
