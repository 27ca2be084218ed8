import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { createServer as createHttpServer, type Server as HttpServer } from "node:http";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { ClusterServices } from "./cluster-services.ts";
import { Responder } from "./responder.ts";
import { WorldNames, type WorldNamesOptions } from "./world-names.ts";
import { ClusterZone } from "./zone.ts";

const TCP_IDLE_MS = 10_000;
const MAX_TCP_CLIENTS = 256;

export interface DnsServerOptions {
  /** e.g. `cluster.local`. */
  readonly domain: string;
  readonly host: string;
  /** What names outside stand for; absent = nothing. */
  readonly world?: WorldNamesOptions;
  /** 0 lets the kernel choose. */
  readonly port: number;
  readonly healthPort: number;
  readonly readyPort: number;
}

export interface DnsServer {
  /** Tell it of services and endpoint slices; it answers from what it was told last. */
  readonly services: ClusterServices;
  /** From now on /ready says 200: the first list is in. */
  markReady(): void;
  readonly port: number;
  readonly healthPort: number;
  readonly readyPort: number;
  close(): Promise<void>;
}

/** Serves the cluster's zone on UDP and TCP, and /health and /ready. Rejects when a port cannot be had. */
export async function startDnsServer(options: DnsServerOptions): Promise<DnsServer> {
  const services = new ClusterServices();
  const responder = new Responder(
    new ClusterZone(services, options.domain),
    options.world && new WorldNames(options.world),
  );
  let ready = false;
  const tcp = tcpServer(responder);
  await listening(tcp, options.port, options.host);
  const { port } = tcp.address() as AddressInfo;
  const udp = await udpServer(responder, port, options.host);
  const health = statusServer("/health", () => true);
  const readiness = statusServer("/ready", () => ready);
  await listening(health, options.healthPort, options.host);
  await listening(readiness, options.readyPort, options.host);
  return {
    services,
    markReady: () => {
      ready = true;
    },
    port,
    healthPort: (health.address() as AddressInfo).port,
    readyPort: (readiness.address() as AddressInfo).port,
    async close() {
      const closed = [tcp, health, readiness].map((server) => new Promise((resolve) => server.close(resolve)));
      health.closeAllConnections();
      readiness.closeAllConnections();
      tcp.clients.forEach((client) => void client.destroy());
      await Promise.all([...closed, new Promise<void>((resolve) => udp.close(resolve))]);
    },
  };
}

function udpServer(responder: Responder, port: number, address: string): Promise<UdpSocket> {
  const socket = createSocket("udp4");
  socket.on("message", (query, sender) => {
    const response = responder.respond(query, "udp");
    if (response !== undefined) socket.send(response, sender.port, sender.address, () => undefined);
  });
  return new Promise((resolve, reject) => {
    socket.once("error", reject);
    socket.bind({ port, address }, () => {
      socket.off("error", reject);
      socket.on("error", () => undefined); // an unreachable sender is no reason to stop
      resolve(socket);
    });
  });
}

function tcpServer(responder: Responder): Server & { readonly clients: Set<Socket> } {
  const clients = new Set<Socket>();
  const server = createServer((client) => {
    clients.add(client);
    client.once("close", () => clients.delete(client));
    client.on("error", () => client.destroy());
    client.setTimeout(TCP_IDLE_MS, () => client.destroy());
    let held = Buffer.alloc(0);
    client.on("data", (chunk: Buffer) => {
      held = answerAll(responder, client, held.length === 0 ? chunk : Buffer.concat([held, chunk]));
    });
  });
  server.maxConnections = MAX_TCP_CLIENTS;
  return Object.assign(server, { clients });
}

/** Answers each whole message, in order; returns the bytes of the one that is not whole. */
function answerAll(responder: Responder, client: Socket, bytes: Buffer): Buffer<ArrayBuffer> {
  let at = 0;
  while (bytes.length - at >= 2) {
    const length = bytes.readUInt16BE(at);
    if (bytes.length - at - 2 < length) break;
    const response = responder.respond(bytes.subarray(at + 2, at + 2 + length), "tcp");
    if (response === undefined) {
      client.destroy();
      return Buffer.alloc(0);
    }
    client.write(Buffer.concat([Buffer.of(response.length >> 8, response.length & 255), response]));
    at += 2 + length;
  }
  return Buffer.from(bytes.subarray(at));
}

function statusServer(path: string, isWell: () => boolean): HttpServer {
  return createHttpServer((request, response) => {
    const status = request.url !== path ? 404 : isWell() ? 200 : 503;
    response.writeHead(status, { "content-type": "text/plain" }).end(status === 200 ? "OK" : "");
  });
}

function listening(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port, host }, () => {
      server.off("error", reject);
      resolve();
    });
  });
}
