import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import { fieldsOf, listOf } from "../../kube/object.ts";
import { KUBELET_PORT } from "../../model/addresses.ts";
import { openListener } from "../../runtime/netns-socket.ts";
import { RuntimeError } from "../../runtime/port.ts";
import { HostProcessWorker } from "../host-process.ts";
import type { NodePods, Worker } from "../node-pods.ts";
import type { KubeletTls } from "../options.ts";
import { containersOf, type Pod } from "../pod.ts";
import { logOptions, readLog } from "./container-log.ts";
import { PORT_FORWARD_PROTOCOL, servePortForward } from "./port-forward.ts";
import { forwardedPorts, PORT_FORWARD_WEBSOCKET, serveWebSocketPortForward } from "./port-forward-websocket.ts";
import { failureStatus, type RemoteStreams, remoteCommand, serveCommand } from "./remote-command.ts";
import { acceptSpdyStreams, SPDY_PROTOCOL } from "./remote-spdy.ts";
import { WEBSOCKET_PROTOCOLS, webSocketStreams } from "./remote-websocket.ts";

export interface KubeletServer {
  close(): Promise<void>;
}

/** An answer other than success. */
class HttpError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** A Status object: what clients of the API print. */
function errorBody(error: Error): string {
  const code = statusCodeOf(error);
  const reason = code === 404 ? "NotFound" : code === 400 ? "BadRequest" : code === 403 ? "Forbidden" : "InternalError";
  return JSON.stringify({
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message: error.message,
    reason,
    code,
  });
}

interface PodPath {
  readonly verb: string;
  readonly worker: Worker;
  readonly container: string;
  readonly query: URLSearchParams;
}

function statusCodeOf(error: unknown): number {
  if (error instanceof HttpError) return error.status;
  if (!(error instanceof RuntimeError)) return 500;
  return error.reason === "NotFound" ? 404 : 400;
}

/** `/<verb>/<namespace>/<pod>[/<container>]?query`. Throws HttpError. */
function parsePath(pods: NodePods, url: string): PodPath {
  const { pathname, searchParams } = new URL(url, "https://kubelet");
  const [verb = "", namespace = "", name = "", container] = pathname.split("/").slice(1).map(decodeURIComponent);
  const worker = pods.find(namespace, name);
  if (worker === undefined) throw new HttpError(404, `pod ${namespace}/${name} does not run on node ${pods.node.name}`);
  const names = containersOf(worker.pod).map((item) => item.name);
  const chosen = container ?? names[0]!;
  if (!names.includes(chosen))
    throw new HttpError(404, `container ${chosen} is not in pod ${namespace}/${name}: ${names.join(", ")}`);
  return { verb, worker, container: chosen, query: searchParams };
}

/** Serves one node's :10250 in that node's network namespace, to clients with a certificate of the cluster. */
export async function startServer(pods: NodePods, tls: KubeletTls): Promise<KubeletServer> {
  const endpoint = new NodeServer(pods);
  const server: Server = createServer(
    {
      cert: tls.cert,
      key: tls.key,
      ca: tls.clientCa,
      requestCert: true,
      rejectUnauthorized: true,
      ALPNProtocols: ["http/1.1"],
    },
    (request, response) => endpoint.handle(request, response),
  );
  server.on("upgrade", (request, socket, head) => endpoint.upgrade(request, socket, head));
  server.on("connection", (socket: Socket) => socket.setNoDelay(true));
  server.requestTimeout = 0;
  const fd = openListener({ netnsPath: pods.node.netnsPath, host: "0.0.0.0", port: KUBELET_PORT });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ fd }, resolve);
  });
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

class NodeServer {
  readonly #pods: NodePods;
  readonly #webSockets = new WebSocketServer({
    noServer: true,
    handleProtocols: (offered) => WEBSOCKET_PROTOCOLS.find((name) => offered.has(name)) ?? false,
  });

  constructor(pods: NodePods) {
    this.#pods = pods;
  }

  handle(request: IncomingMessage, response: ServerResponse): void {
    this.#answer(request, response).catch((error: Error) => {
      if (response.headersSent) response.destroy();
      else response.writeHead(statusCodeOf(error), { "Content-Type": "application/json" }).end(errorBody(error));
    });
  }

  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on("error", () => socket.destroy());
    this.#upgrade(request, socket, head).catch((error: Error) => {
      if (!socket.writable) return;
      const body = errorBody(error);
      const reason = statusCodeOf(error) === 404 ? "Not Found" : "Bad Request";
      socket.end(
        `HTTP/1.1 ${statusCodeOf(error)} ${reason}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
      );
    });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? "/").split("?")[0]!;
    if (path === "/healthz") {
      response.end("ok");
      return;
    }
    if (path === "/pods" || path === "/pods/") {
      const items = this.#pods.pods();
      response.writeHead(200, { "Content-Type": "application/json" });
      response.end(JSON.stringify({ kind: "PodList", apiVersion: "v1", metadata: {}, items }));
      return;
    }
    if (path.startsWith("/containerLogs/")) return this.#log(parsePath(this.#pods, request.url!), response);
    if (/^\/(exec|attach|portForward)\//.test(path)) {
      throw new HttpError(400, "ask for an upgrade: SPDY/3.1 or websocket");
    }
    throw new HttpError(
      404,
      `${path} is not served: /exec, /attach, /portForward, /containerLogs, /pods and /healthz are`,
    );
  }

  async #log({ worker, container, query }: PodPath, response: ServerResponse): Promise<void> {
    const source = logSource(worker, container, ["1", "true"].includes(query.get("previous") ?? ""));
    const options = parseOptions(query);
    if (!source.stamped && (options.timestamps || options.sinceMs !== undefined)) {
      throw new HttpError(400, "the logs of the lab's own processes have no times: leave --timestamps and --since out");
    }
    const ending = new AbortController();
    response.on("close", () => ending.abort());
    response.writeHead(200, { "Content-Type": "text/plain" });
    response.flushHeaders();
    for await (const text of readLog(source.path, options, source.ended, ending.signal)) {
      if (text !== "" && !response.write(text)) await new Promise((resolve) => response.once("drain", resolve));
    }
    response.end();
  }

  async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const path = parsePath(this.#pods, request.url ?? "/");
    const protocol = (request.headers.upgrade ?? "").toLowerCase();
    if (path.verb === "portForward") return this.#portForward(path, request, protocol, socket, head);
    if (path.verb !== "exec" && path.verb !== "attach") throw new HttpError(404, `${path.verb} has no upgrade`);
    const command = remoteCommand(path.query);
    if (path.verb === "exec" && command.command.length === 0)
      throw new HttpError(400, "you must specify at least 1 command");
    if (!command.stdin && !command.stdout && !command.stderr)
      throw new HttpError(400, "you must specify at least 1 of stdin, stdout, stderr");
    const streams =
      protocol === "websocket"
        ? webSocketStreams(await this.#webSocket(request, socket, head, WEBSOCKET_PROTOCOLS), command)
        : await this.#spdy(request, socket, head, SPDY_PROTOCOL, () => acceptSpdyStreams(socket, command));
    await runCommand(path, command, streams);
  }

  async #portForward(
    path: PodPath,
    request: IncomingMessage,
    protocol: string,
    socket: Duplex,
    head: Buffer,
  ): Promise<void> {
    const { worker } = path;
    if (worker.netnsPath === undefined) throw new HttpError(400, `pod ${worker.pod.metadata.name} has no network yet`);
    const { netnsPath } = worker;
    if (protocol === "websocket") {
      const ports = forwardedPorts(path.query);
      if (ports === undefined) throw new HttpError(400, "ports: name the ports to forward, as ports=80,8080");
      const accepted = await this.#webSocket(request, socket, head, [PORT_FORWARD_WEBSOCKET]);
      return serveWebSocketPortForward(accepted, netnsPath, ports);
    }
    return this.#spdy(request, socket, head, PORT_FORWARD_PROTOCOL, async () => servePortForward(socket, netnsPath));
  }

  async #spdy<T>(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    wanted: string,
    accept: () => Promise<T>,
  ): Promise<T> {
    if ((request.headers.upgrade ?? "").toLowerCase() !== "spdy/3.1")
      throw new HttpError(400, "upgrade to SPDY/3.1 or websocket");
    const offered = request.rawHeaders.flatMap((name, index, all) =>
      index % 2 === 0 && name.toLowerCase() === "x-stream-protocol-version"
        ? all[index + 1]!.split(",").map((text) => text.trim())
        : [],
    );
    if (!offered.includes(wanted))
      throw new HttpError(
        403,
        `no shared stream protocol: ${wanted} is served, ${offered.join(", ") || "none"} offered`,
      );
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: ${wanted}\r\n\r\n`,
    );
    if (head.length > 0) socket.unshift(head);
    return accept();
  }

  #webSocket(request: IncomingMessage, socket: Duplex, head: Buffer, protocols: readonly string[]): Promise<WebSocket> {
    const offered = (request.headers["sec-websocket-protocol"] ?? "").split(",").map((name) => name.trim());
    if (!offered.some((name) => protocols.includes(name))) {
      throw new HttpError(
        403,
        `no shared protocol: ${protocols.join(", ")} served, ${offered.join(", ") || "none"} offered`,
      );
    }
    return new Promise((resolve) => this.#webSockets.handleUpgrade(request, socket, head, resolve));
  }
}

async function runCommand(
  path: PodPath,
  command: ReturnType<typeof remoteCommand>,
  streams: RemoteStreams,
): Promise<void> {
  try {
    const { worker, container } = path;
    const session = path.verb === "exec" ? worker.exec(container, command) : worker.attach(container, command);
    await serveCommand(await session, streams);
  } catch (error) {
    streams.finish(failureStatus((error as Error).message));
  }
}

function parseOptions(query: URLSearchParams): ReturnType<typeof logOptions> {
  try {
    return logOptions(query, Date.now());
  } catch (error) {
    throw new HttpError(400, (error as Error).message);
  }
}

interface LogSource {
  readonly path: string;
  readonly stamped: boolean;
  readonly ended: () => boolean;
}

/** Why a container waits, as its pod's status says. */
function waitingReason(pod: Pod, container: string): string | undefined {
  const status = fieldsOf(pod.status);
  const statuses = ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"]
    .flatMap((list) => listOf(status[list]))
    .map(fieldsOf);
  const reason = fieldsOf(fieldsOf(statuses.find(({ name }) => name === container)?.state).waiting).reason;
  return typeof reason === "string" ? reason : undefined;
}

function logSource(worker: Worker, container: string, previous: boolean): LogSource {
  const { name } = worker.pod.metadata;
  if (worker instanceof HostProcessWorker) {
    if (previous) throw new HttpError(400, "a lab process has one log for all its starts: leave --previous out");
    const { record } = worker;
    if (record === undefined) throw new HttpError(400, `the process of pod ${name} is not running`);
    return { path: record.logPath, stamped: false, ended: () => false };
  }
  const status = worker.containerStatus(container);
  if (status === undefined) {
    const why = waitingReason(worker.pod, container) ?? "ContainerCreating";
    const what = why.includes("Image") ? "trying and failing to pull image" : why;
    throw new HttpError(400, `container "${container}" in pod "${name}" is waiting to start: ${what}`);
  }
  if (!previous) {
    return {
      path: status.logPath,
      stamped: true,
      ended: () =>
        worker.containerStatus(container)?.state !== "running" ||
        worker.containerStatus(container)?.attempt !== status.attempt,
    };
  }
  if (status.previousLogPath === undefined) {
    throw new HttpError(400, `previous terminated container "${container}" in pod "${name}" not found`);
  }
  return { path: status.previousLogPath, stamped: true, ended: () => true };
}
