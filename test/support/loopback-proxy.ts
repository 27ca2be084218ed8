import { type AddressInfo, createServer, connect as dial, type Server, type Socket } from "node:net";
import type { AccessRecord } from "../../src/model/access-record.ts";
import type { ProxyOrigin } from "../../src/model/proxy-origin.ts";
import type { HttpRule } from "../../src/policy/l7-rule.ts";
import type { L7PeerRules, L7Redirect } from "../../src/policy/policy-map.ts";
import { CLIENT_LIMITS, type ClientLimits } from "../../src/proxy/client-connection.ts";
import { ListenerTable, type ProxySockets } from "../../src/proxy/listeners.ts";
import type { NetworkPolicy } from "../../src/proxy/xds.ts";
import { loopbackDatagrams } from "./loopback-datagrams.ts";
import { loopbackStreams } from "./loopback-streams.ts";

export const ENDPOINT = 871;
const EMPIRE = 19274;
const DEATHSTAR = 318;

/** Plain loopback sockets: the proxy without the kernel's help. `listen` answers on a port of the kernel's choice. */
export function loopbackSockets(upstreamPort: () => number): ProxySockets & { port(asked: number): number } {
  const ports = new Map<number, number>();
  return {
    async listen(port, _direction, accept) {
      const server = createServer({ allowHalfOpen: true }, accept);
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      ports.set(port, (server.address() as AddressInfo).port);
      return server;
    },
    connect: () => dial({ port: upstreamPort(), host: "127.0.0.1", allowHalfOpen: true, noDelay: true }),
    ...loopbackStreams(upstreamPort, (asked, port) => ports.set(asked, port)),
    port: (asked) => ports.get(asked)!,
  };
}

export function redirect(rules: readonly L7PeerRules[], key = "ingress:TCP:80"): L7Redirect {
  return { key, direction: "ingress", protocol: 6, port: 80, parser: "http", rules };
}

export function allow(http: readonly HttpRule[], identities: readonly number[] = [EMPIRE]): L7PeerRules {
  return { identities, http, deny: false, precedence: 0, origin: 0 };
}

export function policyOf(...rules: readonly L7PeerRules[]): NetworkPolicy {
  const redirects = [redirect(rules)];
  return { endpointId: ENDPOINT, endpointIp: "172.20.1.5", revision: 1, redirects, secrets: new Map() };
}

/** A policy of one TLS redirect. */
export function namesPolicyOf(...rules: readonly L7PeerRules[]): NetworkPolicy {
  const key = "ingress:TCP:443:tls";
  return { ...policyOf(), redirects: [{ ...redirect(rules, key), port: 443, parser: "tls" }] };
}

export function allowNames(serverNames: readonly string[], identities: readonly number[] = [EMPIRE]): L7PeerRules {
  return { identities, serverNames, deny: false, precedence: 1, origin: 0 };
}

/** A server that keeps what reached it and answers by a script. */
class RecordingServer {
  readonly connections: { readonly socket: Socket; received: string }[] = [];
  port = 0;
  private readonly server: Server;
  private readonly answer: (received: string, socket: Socket) => void;

  constructor(answer: (received: string, socket: Socket) => void) {
    this.answer = answer;
    this.server = createServer({ allowHalfOpen: true }, (socket) => {
      const connection = { socket, received: "" };
      socket.setNoDelay(true);
      this.connections.push(connection);
      socket.on("error", () => undefined);
      socket.on("end", () => socket.end());
      socket.on("data", (chunk) => {
        connection.received += chunk.toString("latin1");
        this.answer(chunk.toString("latin1"), socket);
      });
    });
  }

  get received(): string {
    return this.connections.map((connection) => connection.received).join("");
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    this.port = (this.server.address() as AddressInfo).port;
  }

  close(): void {
    this.server.close();
    for (const { socket } of this.connections) socket.destroy();
  }
}

export interface LoopbackProxy {
  readonly records: AccessRecord[];
  readonly server: RecordingServer;
  readonly table: ListenerTable;
  /** Undefined: the kernel knows nothing of the connection. */
  origin: ProxyOrigin | undefined;
  apply(policy: NetworkPolicy): Promise<void>;
  dial(): Socket;
  close(): Promise<void>;
}

export const FROM_EMPIRE: ProxyOrigin = {
  sourceIdentity: EMPIRE,
  destinationIdentity: DEATHSTAR,
  endpoint: ENDPOINT,
  direction: "ingress",
};

interface LoopbackSettings {
  readonly limits?: Partial<ClientLimits>;
  /** Then node's sockets are on both sides. */
  readonly connect?: () => Socket;
  /** Of a server of the test's own, in place of the recording one. */
  readonly upstreamPort?: number;
  /** Longer than any loaded machine takes. */
  readonly connectTimeoutMs?: number;
}

/** Node's own sockets for streams too: theirs can be followed, and never opened. */
function nodeSockets(listen: ProxySockets["listen"], connect: () => Socket): ProxySockets {
  return { listen, connect, listenStreams: listen, connectStream: connect };
}

/** A proxy with one endpoint and one listener in front of a server, all on loopback. */
export async function startLoopbackProxy(
  policy: NetworkPolicy,
  answer: (received: string, socket: Socket) => void,
  settings: LoopbackSettings = {},
): Promise<LoopbackProxy> {
  const server = new RecordingServer(answer);
  await server.listen();
  const records: AccessRecord[] = [];
  const { connectTimeoutMs = 5000 } = settings;
  const sockets = loopbackSockets(() => settings.upstreamPort ?? server.port);
  const proxy: LoopbackProxy = {
    records,
    server,
    origin: FROM_EMPIRE,
    table: new ListenerTable({
      datagrams: loopbackDatagrams(() => 0),
      observe: () => Promise.resolve(),
      sockets: settings.connect === undefined ? sockets : nodeSockets(sockets.listen, settings.connect),
      limits: { ...CLIENT_LIMITS, ...settings.limits },
      origins: { lookup: () => proxy.origin, follow: () => () => proxy.origin },
      record: (record) => records.push(record),
      now: Date.now,
      connectTimeoutMs: { ingress: connectTimeoutMs, egress: connectTimeoutMs },
    }),
    apply: (next) => proxy.table.apply(next, new Map(next.redirects.map((each, index) => [each.key, 10000 + index]))),
    dial: () =>
      dial({ port: sockets.port(10000), host: "127.0.0.1", allowHalfOpen: true }).on("error", () => undefined),
    async close() {
      await proxy.table.drain(0);
      server.close();
    },
  };
  await proxy.apply(policy);
  return proxy;
}

/**
 * Sends the parts, each in a turn of its own, and collects what comes back until `until` says so or the end. A part that is a
 * question is waited for until it is true.
 */
export async function converse(
  socket: Socket,
  parts: readonly (string | (() => boolean))[],
  until: (received: string) => boolean = () => false,
): Promise<string> {
  let received = "";
  const over = new Promise<string>((resolve) => {
    const timer = setTimeout(() => resolve(`${received}<timeout>`), 4500);
    const finish = (ending: string) => {
      clearTimeout(timer);
      resolve(received + ending);
    };
    socket.on("data", (chunk) => {
      received += chunk.toString("latin1");
      if (until(received)) finish("");
    });
    socket.on("end", () => finish("<end>"));
    socket.on("error", () => finish("<reset>"));
  });
  for (const part of parts) {
    if (typeof part === "string") socket.write(Buffer.from(part, "latin1"));
    else for (let round = 0; round < 1000 && !part(); round++) await new Promise((resolve) => setTimeout(resolve, 2));
    await new Promise((resolve) => setTimeout(resolve, parts.length > 20 ? 0 : 3));
  }
  const result = await over;
  socket.destroy();
  return result;
}
