import type { ClientRequest, IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http";
import { request as httpsRequest } from "node:https";
import type { Duplex } from "node:stream";
import { type Fields, fieldsOf, isFields, type KubeObject, listOf } from "../../object.ts";
import { invalid as invalidValue } from "../../schema/field-error.ts";
import { badRequest, invalid, KubeError, unavailable } from "../../status.ts";
import type { Api } from "../context.ts";
import { statusOfError } from "../respond.ts";
import { storedOf, type Target } from "../verbs/replace.ts";

/** Where a pod's kubelet listens, and what to ask it. */
interface KubeletCall {
  readonly host: string;
  readonly port: number;
  readonly path: string;
}

const CONNECT_MS = 5000;

const KUBELET_PATHS: Readonly<Record<string, string>> = {
  log: "containerLogs",
  exec: "exec",
  attach: "attach",
  portforward: "portForward",
};

function containerNames(pod: KubeObject): string[] {
  const spec = fieldsOf(pod.spec);
  const lists = [...listOf(spec.initContainers), ...listOf(spec.containers), ...listOf(spec.ephemeralContainers)];
  return lists.filter(isFields).map((container) => String(container.name));
}

/** The container meant: the one named, or the only one. Throws 400. */
function containerOf(pod: KubeObject, query: URLSearchParams): string {
  const asked = query.get("container");
  const { name } = pod.metadata;
  const main = listOf(fieldsOf(pod.spec).containers).map((container) => String(fieldsOf(container).name));
  if (asked) {
    if (containerNames(pod).includes(asked)) return asked;
    throw badRequest(`container ${asked} is not valid for pod ${name}`);
  }
  if (main.length === 1) return main[0]!;
  throw badRequest(
    `a container name must be specified for pod ${name}, choose one of: [${containerNames(pod).join(" ")}]`,
  );
}

function nodeAddress(api: Api, nodeName: string): { host: string; port: number } {
  const node = api.store.get("/nodes", "", nodeName)?.object;
  const status = fieldsOf(node?.status);
  const addresses: Fields[] = listOf(status.addresses).filter(isFields);
  const internal = addresses.find((address) => address.type === "InternalIP")?.address;
  const port = fieldsOf(fieldsOf(status.daemonEndpoints).kubeletEndpoint).Port;
  if (typeof internal !== "string" || typeof port !== "number") {
    throw unavailable(`node "${nodeName}" has not said where its kubelet listens`);
  }
  return { host: internal, port };
}

function kubeletCall(api: Api, target: Target, query: URLSearchParams): KubeletCall {
  const pod = storedOf(api, target).object;
  const container = target.subresource === "portforward" ? [] : [containerOf(pod, query)];
  const nodeName = fieldsOf(pod.spec).nodeName;
  if (typeof nodeName !== "string" || nodeName === "") {
    throw badRequest(`pod ${target.name} does not have a host assigned`);
  }
  const rest = new URLSearchParams(query);
  const segments = [KUBELET_PATHS[target.subresource]!, target.namespace, target.name, ...container];
  rest.delete("container");
  const text = rest.toString();
  const path = `/${segments.map(encodeURIComponent).join("/")}${text === "" ? "" : `?${text}`}`;
  return { ...nodeAddress(api, nodeName), path };
}

function connection(api: Api, call: KubeletCall, method: string, headers: OutgoingHttpHeaders): ClientRequest {
  const { cert, key, ca } = api.kubelet;
  // A connection of its own each time: it lives as long as the stream.
  const request = httpsRequest({ ...call, method, headers, cert, key, ca, agent: false });
  const timer = setTimeout(() => request.destroy(new Error("the kubelet does not answer")), CONNECT_MS);
  const clear = (): void => clearTimeout(timer);
  request.on("socket", (socket) => socket.once("secureConnect", clear));
  request.on("close", clear);
  return request;
}

function kubeletFailure(call: KubeletCall, error: Error): KubeError {
  return new KubeError(
    500,
    "InternalError",
    `error dialing backend: https://${call.host}:${call.port}: ${error.message}`,
  );
}

/** Throws 422 for numbers below what they may be. */
function checkLogOptions(name: string, query: URLSearchParams): void {
  const below = (field: string, least: number) =>
    Number(query.get(field) ?? least) < least
      ? [invalidValue(field, Number(query.get(field)), `must be greater than or equal to ${least}`)]
      : [];
  const errors = [...below("tailLines", 0), ...below("limitBytes", 1), ...below("sinceSeconds", 1)];
  if (errors.length > 0) throw invalid({ group: "", resource: "pods", kind: "PodLogOptions" }, name, errors);
}

/** GET pods/<name>/log: the kubelet's answer, byte by byte as it comes. */
export function proxyLog(api: Api, target: Target, query: URLSearchParams, response: ServerResponse): Promise<void> {
  checkLogOptions(target.name, query);
  const call = kubeletCall(api, target, query);
  return new Promise((resolve, reject) => {
    const request = connection(api, call, "GET", {});
    request.on("response", (answer) => {
      response.writeHead(answer.statusCode ?? 502, {
        "Content-Type": answer.headers["content-type"] ?? "text/plain",
        "Cache-Control": "no-cache, private",
      });
      response.flushHeaders();
      answer.pipe(response);
      answer.on("error", () => response.destroy());
      resolve();
    });
    request.on("error", (error) => (response.headersSent ? response.destroy() : reject(kubeletFailure(call, error))));
    response.on("close", () => request.destroy());
    request.end();
  });
}

const HOP_HEADERS = new Set(["host", "authorization", "content-length"]);

/** The raw head of a message, header order and case as they came. */
function headText(first: string, raw: readonly string[]): string {
  const lines = [first];
  for (let index = 0; index < raw.length; index += 2) lines.push(`${raw[index]}: ${raw[index + 1]}`);
  return `${lines.join("\r\n")}\r\n\r\n`;
}

/** Refuses an upgrade with an ordinary answer. */
export function refuseUpgrade(socket: Duplex, error: unknown): void {
  const status = statusOfError(error);
  const body = JSON.stringify(status);
  const head = [
    `HTTP/1.1 ${status.code ?? 500} ${status.reason ?? "Error"}`,
    "Content-Type: application/json",
    `Content-Length: ${Buffer.byteLength(body)}`,
    "Connection: close",
  ];
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`);
}

/**
 * exec, attach and portforward: asks the kubelet for the same upgrade (SPDY/3.1 or WebSocket) and then joins the two
 * connections; not a byte is interpreted here.
 */
export function proxyUpgrade(
  api: Api,
  target: Target,
  query: URLSearchParams,
  incoming: IncomingMessage,
  socket: Duplex,
  early: Buffer,
): void {
  const call = kubeletCall(api, target, query);
  const kept = Object.entries(incoming.headers).filter(([name]) => !HOP_HEADERS.has(name));
  const request = connection(api, call, incoming.method ?? "GET", Object.fromEntries(kept));
  request.on("upgrade", (answer, upstream, head) => {
    socket.write(headText(`HTTP/1.1 101 ${answer.statusMessage ?? "Switching Protocols"}`, answer.rawHeaders));
    if (head.length > 0) socket.write(head);
    if (early.length > 0) upstream.write(early);
    join(upstream, socket);
    join(socket, upstream);
  });
  request.on("response", (answer) => {
    // The kubelet says no: its answer is the user's answer.
    socket.write(headText(`HTTP/1.1 ${answer.statusCode ?? 500} ${answer.statusMessage ?? ""}`, plainHeaders(answer)));
    answer.pipe(socket);
  });
  request.on("error", (error) => refuseUpgrade(socket, kubeletFailure(call, error)));
  socket.on("error", () => request.destroy());
  request.end();
}

/** Passes one direction on. What ended well is still written out; what broke breaks the other side too. */
function join(from: Duplex, to: Duplex): void {
  from.pipe(to);
  from.on("error", () => to.destroy());
  from.on("close", () => {
    if (!from.readableEnded) to.destroy();
  });
}

function plainHeaders(answer: IncomingMessage): string[] {
  return ["Content-Type", answer.headers["content-type"] ?? "text/plain", "Connection", "close"];
}
