import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { Socket } from "node:net";
import { connect as tlsConnect } from "node:tls";
import { addressPort } from "../model/cidr.ts";
import { kernelReason } from "../model/system-error.ts";
import { openConnection } from "../runtime/netns-socket.ts";
import type { ExecSession } from "../runtime/port.ts";
import { checkHealth } from "./grpc-probe.ts";
import type { Container, HttpGet, Probe } from "./pod.ts";

/** Where probes of a container start and go. */
export interface ProbeTarget {
  readonly container: Container;
  readonly podIP: string;
  readonly nodeNetns: string;
  readonly exec: (command: readonly string[]) => Promise<ExecSession>;
}

/** Undefined when the probe succeeded, else what went wrong. */
export type ProbeFailure = string | undefined;

const MESSAGE_LIMIT = 1024;
const LATE = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)";

/** In the words of Kubernetes' kubelet, which people look for. */
function dialError(where: string, error: NodeJS.ErrnoException): string {
  const reason = kernelReason(error);
  if (reason === undefined) return error.message;
  return error.code === "ECONNRESET" ? `read tcp ${where}: read: ${reason}` : `dial tcp ${where}: connect: ${reason}`;
}

/** A port by number or by its name in the container's ports. Throws when the name is unknown. */
export function portOf(container: Container, port: number | string): number {
  const number = typeof port === "number" ? port : Number(port);
  if (Number.isInteger(number) && number > 0) return number;
  const named = container.ports?.find((item) => item.name === port);
  if (named === undefined) throw new Error(`port "${port}" is not among the ports of container ${container.name}`);
  return named.containerPort;
}

function openSocket(target: ProbeTarget, host: string | undefined, port: number): Socket {
  const fd = openConnection({ netnsPath: target.nodeNetns, host: host ?? target.podIP, port });
  const socket = new Socket({ fd, readable: true, writable: true });
  // who asks hears of it through its request; after that nobody does, and the error must not end the kubelet
  socket.on("error", () => {});
  return socket;
}

function probeHttp(target: ProbeTarget, get: HttpGet, timeoutMs: number): Promise<ProbeFailure> {
  const port = portOf(target.container, get.port);
  const secure = get.scheme === "HTTPS";
  const host = get.host ?? target.podIP;
  const headers: Record<string, string> = {
    Host: addressPort(host, port),
    "User-Agent": "kube-probe/1.34",
    Accept: "*/*",
    Connection: "close",
  };
  for (const { name, value } of get.httpHeaders ?? []) headers[name] = value;
  return new Promise((resolve) => {
    const socket = openSocket(target, get.host, port);
    // a probe asks whether the server answers, not who it is
    const createConnection = () => (secure ? tlsConnect({ socket, rejectUnauthorized: false }) : socket);
    const send = secure ? httpsRequest : httpRequest;
    const path = get.path?.startsWith("/") ? get.path : `/${get.path ?? ""}`;
    // no agent: one would connect by itself, from this process's own network
    const request = send({ host, port, path, headers, createConnection }, (response) => {
      response.resume();
      const status = response.statusCode ?? 0;
      resolve(status >= 200 && status < 400 ? undefined : `HTTP probe failed with statuscode: ${status}`);
      socket.destroy();
    });
    request.setTimeout(timeoutMs, () => request.destroy(new Error(LATE)));
    request.on("error", (error) => {
      socket.destroy();
      const url = `${get.scheme?.toLowerCase() ?? "http"}://${addressPort(host, port)}${path}`;
      resolve(`Get "${url}": ${dialError(addressPort(host, port), error)}`);
    });
    request.end();
  });
}

function probeTcp(target: ProbeTarget, tcp: NonNullable<Probe["tcpSocket"]>, timeoutMs: number): Promise<ProbeFailure> {
  const port = portOf(target.container, tcp.port);
  return new Promise((resolve) => {
    const socket = openSocket(target, tcp.host, port);
    const finish = (failure: ProbeFailure) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(failure);
    };
    const where = addressPort(tcp.host ?? target.podIP, port);
    const timer = setTimeout(() => finish(`dial tcp ${where}: i/o timeout`), timeoutMs);
    socket.on("error", (error) => finish(dialError(where, error)));
    // nothing is sent: the write of no bytes completes when the connection stands
    socket.write(Buffer.alloc(0), (error) => {
      if (!error) finish(undefined);
    });
  });
}

function probeGrpc(target: ProbeTarget, { port, service = "" }: NonNullable<Probe["grpc"]>, timeoutMs: number) {
  const server = { where: addressPort(target.podIP, port), open: () => openSocket(target, undefined, port) };
  return checkHealth(server, service, timeoutMs);
}

async function probeExec(target: ProbeTarget, command: readonly string[], timeoutMs: number): Promise<ProbeFailure> {
  const session = await target.exec(command);
  let output = "";
  for (const stream of [session.stdout, session.stderr]) {
    stream?.on("data", (chunk: Buffer) => {
      if (output.length < MESSAGE_LIMIT) output += chunk.toString();
    });
  }
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    session.kill("SIGKILL");
  }, timeoutMs);
  const code = await session.exit;
  clearTimeout(timer);
  if (late) return `command timed out after ${timeoutMs / 1000}s`;
  return code === 0 ? undefined : output.trim() || `command exited with ${code}`;
}

/** Runs a probe once. Never rejects: what goes wrong is the failure. */
export async function runProbe(target: ProbeTarget, probe: Probe): Promise<ProbeFailure> {
  const timeoutMs = (probe.timeoutSeconds ?? 1) * 1000;
  try {
    if (probe.httpGet) return await probeHttp(target, probe.httpGet, timeoutMs);
    if (probe.tcpSocket) return await probeTcp(target, probe.tcpSocket, timeoutMs);
    if (probe.grpc) return await probeGrpc(target, probe.grpc, timeoutMs);
    if (probe.exec) return await probeExec(target, probe.exec.command ?? [], timeoutMs);
    return "the probe names no handler: use httpGet, tcpSocket, grpc or exec";
  } catch (error) {
    return (error as Error).message;
  }
}
