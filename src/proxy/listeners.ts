import type { Socket } from "node:net";
import type { AccessRecord } from "../model/access-record.ts";
import type { DnsObservation } from "../model/dns-observation.ts";
import type { ProxyOrigin, ProxyOrigins } from "../model/proxy-origin.ts";
import type { Direction } from "../model/verdict.ts";
import type { L7Redirect } from "../policy/policy-map.ts";
import { type ConnectionFacts, ConnectionLog, endsOf, NO_REQUEST } from "./access.ts";
import type { ByteStream } from "./byte-stream.ts";
import {
  CLIENT_LIMITS,
  type ClientConnection,
  type ClientConnectionOptions,
  type ClientLimits,
} from "./client-connection.ts";
import type { DatagramSockets } from "./datagrams.ts";
import { DnsListener } from "./dns-listener.ts";
import { DnsPolicy } from "./dns-policy.ts";
import { HttpDetection } from "./http-detection.ts";
import { RequestPolicy } from "./request-policy.ts";
import { TlsConnection } from "./tls-connection.ts";
import type { StreamConnect, UpstreamConnect } from "./upstream-link.ts";
import type { NetworkPolicy } from "./xds.ts";

/** What listens, in all families. */
export interface Listening {
  /** Accepts nothing more. */
  close(): void;
}

/** Where the proxy's connections come from and go to. */
export interface ProxySockets {
  /** Listens on exactly `port`, half-open sockets allowed; rejects with the errno's name as `code`. */
  listen(port: number, direction: Direction, accept: (client: Socket) => void): Promise<Listening>;
  readonly connect: UpstreamConnect;
  /** The same with streams in place of node's sockets, for who takes and gives bytes only: clients and servers of one kind. */
  listenStreams(port: number, direction: Direction, accept: (client: ByteStream) => void): Promise<Listening>;
  readonly connectStream: StreamConnect;
}

export interface ListenerTableOptions {
  readonly sockets: ProxySockets;
  readonly datagrams: DatagramSockets;
  readonly origins: ProxyOrigins;
  /** Tells what clients are about to learn from DNS servers; resolves when that is in force, undefined = it is. */
  readonly observe: (observation: DnsObservation) => Promise<void> | undefined;
  /** The code of an answer to a name that policy forbids, as of now; absent = REFUSED. */
  readonly rejectCode?: () => number;
  readonly record: (record: AccessRecord) => void;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly connectTimeoutMs: Readonly<Record<Direction, number>>;
  /** Absent = `CLIENT_LIMITS`. */
  readonly limits?: ClientLimits;
}

export interface ListenerStatus {
  readonly endpointId: number;
  readonly key: string;
  readonly port: number;
  readonly connections: number;
}

/** A policy was not taken; what was in force before still is. */
export class PolicyRefused extends Error {
  readonly portsInUse: readonly number[];

  constructor(message: string, portsInUse: readonly number[] = []) {
    super(message);
    this.portsInUse = portsInUse;
  }
}

type Ends = Omit<ConnectionFacts, "origin">;
type Serve = (options: Omit<ClientConnectionOptions, "client">) => ClientConnection;
type Listen = (port: number, accept: (client: ByteStream, serve: Serve) => void) => Promise<Listening>;

/** How the connections of a redirect are accepted and served; throws when nothing here speaks its protocol. */
function serverOf({ key, parser, direction }: L7Redirect, sockets: ProxySockets): Listen {
  if (parser === "http")
    return (port, accept) =>
      sockets.listenStreams(port, direction, (client) =>
        accept(client, (options) => new HttpDetection({ ...options, client })),
      );
  if (parser === "tls")
    return (port, accept) =>
      sockets.listen(port, direction, (client) =>
        accept(client, (options) => new TlsConnection({ ...options, client })),
      );
  throw new PolicyRefused(`redirect ${key}: parser "${parser}" is not served`);
}

/** What listens for one redirect of an endpoint. */
interface RedirectListener {
  readonly endpointId: number;
  readonly redirect: L7Redirect;
  readonly port: number;
  readonly connections: ReadonlySet<ClientConnection>;
  /** Rejects with the errno's name as `code` when the port cannot be had. */
  open(): Promise<void>;
  /** Puts another policy of the same redirect in force. */
  replace(policy: RedirectPolicy): void;
  /** Accepts nothing more; exchanges under way end in peace. */
  retire(): void;
}

class Listener implements RedirectListener {
  readonly endpointId: number;
  readonly redirect: L7Redirect;
  readonly port: number;
  readonly connections = new Set<ClientConnection>();
  private readonly listen: Listen;
  /** Undefined once the redirect is gone. */
  policy: RequestPolicy | undefined;
  private server: Listening | undefined;
  private readonly options: ListenerTableOptions;

  constructor(endpointId: number, policy: RequestPolicy, port: number, options: ListenerTableOptions) {
    this.endpointId = endpointId;
    this.redirect = policy.redirect;
    this.listen = serverOf(policy.redirect, options.sockets);
    this.policy = policy;
    this.port = port;
    this.options = options;
  }

  async open(): Promise<void> {
    this.server = await this.listen(this.port, (client, serve) => this.accept(client, serve));
  }

  replace(policy: RedirectPolicy): void {
    this.policy = policy as RequestPolicy;
    for (const connection of this.connections) connection.policyChanged();
  }

  retire(): void {
    this.policy = undefined;
    this.server?.close();
    for (const connection of this.connections) connection.drain();
  }

  private accept(client: ByteStream, serve: Serve): void {
    const ends = endsOf(client);
    const judged = ends && this.judgedBy(ends);
    const origin = judged?.();
    if (ends === undefined || judged === undefined || this.policy === undefined || !this.isOurs(origin)) {
      if (ends !== undefined && !this.isOurs(origin)) this.recordStranger(ends, origin);
      client.on("error", () => undefined);
      client.resetAndDestroy();
      return;
    }
    const connection = serve({
      facts: { ...ends, origin },
      origin: () => {
        const now = judged();
        return this.isOurs(now) ? now : undefined;
      },
      policy: () => this.policy,
      connectUpstream: this.options.sockets.connect,
      connectStream: this.options.sockets.connectStream,
      record: this.options.record,
      now: this.options.now,
      connectTimeoutMs: this.options.connectTimeoutMs[this.redirect.direction],
      limits: this.options.limits ?? CLIENT_LIMITS,
    });
    this.connections.add(connection);
    client.once("close", () => this.connections.delete(connection));
  }

  /** The kernel judged for this redirect: nobody may reach a pod by calling the port. */
  private isOurs(origin: ProxyOrigin | undefined): origin is ProxyOrigin {
    return origin?.endpoint === this.endpointId && origin.direction === this.redirect.direction;
  }

  private judgedBy({ clientAddress, clientPort, serverAddress, serverPort }: Ends) {
    return this.options.origins.follow(clientAddress, clientPort, serverAddress, serverPort);
  }

  private recordStranger(ends: Ends, origin: ProxyOrigin | undefined): void {
    const nobody = {
      sourceIdentity: 0,
      destinationIdentity: 0,
      endpoint: this.endpointId,
      direction: this.redirect.direction,
    };
    const log = new ConnectionLog({ ...ends, origin: origin ?? nobody }, this.options.record, this.options.now);
    const reason = origin === undefined ? "connection of unknown origin" : "connection of another endpoint";
    log.request(NO_REQUEST, "error", reason, []);
  }
}

type RedirectPolicy = RequestPolicy | DnsPolicy;

/** A redirect's key names its protocol, so that a listener never gets a policy of another one. */
function listenerOf(
  endpointId: number,
  policy: RedirectPolicy,
  port: number,
  options: ListenerTableOptions,
): RedirectListener {
  if (!(policy instanceof DnsPolicy)) return new Listener(endpointId, policy, port, options);
  const connectTimeoutMs = options.connectTimeoutMs[policy.redirect.direction];
  return new DnsListener(endpointId, policy, port, { ...options, connectTimeoutMs });
}

/** The listeners of every endpoint and the policies that they judge by. */
export class ListenerTable {
  private readonly options: ListenerTableOptions;
  private readonly byEndpoint = new Map<number, ReadonlyMap<string, RedirectListener>>();
  private readonly policies = new Map<number, NetworkPolicy>();

  constructor(options: ListenerTableOptions) {
    this.options = options;
  }

  /**
   * Puts a policy in force: for the next request on open connections and for all new ones. `ports` says where each
   * redirect must listen. Throws `PolicyRefused`, leaving everything as it was, when a rule or a port cannot be had.
   */
  async apply(policy: NetworkPolicy, ports: ReadonlyMap<string, number>): Promise<void> {
    const compiled = policy.redirects.map((redirect) => compile(redirect, policy.secrets));
    const before = this.byEndpoint.get(policy.endpointId) ?? new Map<string, RedirectListener>();
    const after = new Map<string, RedirectListener>();
    const opened: RedirectListener[] = [];
    for (const requestPolicy of compiled) {
      const { key } = requestPolicy.redirect;
      const port = ports.get(key);
      if (port === undefined) throw new PolicyRefused(`redirect ${key}: no proxy port`);
      const present = before.get(key);
      if (present?.port === port) {
        after.set(key, present);
        continue;
      }
      const listener = listenerOf(policy.endpointId, requestPolicy, port, this.options);
      after.set(key, listener);
      opened.push(listener);
    }
    await openAll(opened);
    for (const requestPolicy of compiled) after.get(requestPolicy.redirect.key)!.replace(requestPolicy);
    this.byEndpoint.set(policy.endpointId, after);
    this.policies.set(policy.endpointId, policy);
    for (const listener of before.values()) if (after.get(listener.redirect.key) !== listener) listener.retire();
  }

  remove(endpointId: number): void {
    for (const listener of this.byEndpoint.get(endpointId)?.values() ?? []) listener.retire();
    this.byEndpoint.delete(endpointId);
    this.policies.delete(endpointId);
  }

  list(): ListenerStatus[] {
    return [...this.byEndpoint.values()].flatMap((listeners) =>
      [...listeners.values()].map(({ endpointId, redirect, port, connections }) => ({
        endpointId,
        key: redirect.key,
        port,
        connections: connections.size,
      })),
    );
  }

  inForce(): NetworkPolicy[] {
    return [...this.policies.values()];
  }

  /** Accepts nothing more; resolves when open exchanges are over or `timeoutMs` have passed. */
  async drain(timeoutMs: number): Promise<void> {
    const listeners = [...this.byEndpoint.values()].flatMap((byKey) => [...byKey.values()]);
    for (const listener of listeners) listener.retire();
    const deadline = this.options.now() + timeoutMs;
    while (this.options.now() < deadline && listeners.some((listener) => listener.connections.size > 0)) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    for (const listener of listeners) for (const connection of listener.connections) connection.destroy();
  }
}

function compile(redirect: L7Redirect, secrets: NetworkPolicy["secrets"]): RedirectPolicy {
  try {
    return redirect.parser === "dns" ? new DnsPolicy(redirect) : new RequestPolicy(redirect, secrets);
  } catch (error) {
    throw new PolicyRefused(`redirect ${redirect.key}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

async function openAll(listeners: readonly RedirectListener[]): Promise<void> {
  const results = await Promise.allSettled(listeners.map((listener) => listener.open()));
  const failures = results.flatMap((result, index) =>
    result.status === "rejected"
      ? [{ port: listeners[index]!.port, error: result.reason as NodeJS.ErrnoException }]
      : [],
  );
  if (failures.length === 0) return;
  for (const listener of listeners) listener.retire();
  const inUse = failures.filter(({ error }) => error.code === "EADDRINUSE").map(({ port }) => port);
  throw new PolicyRefused(failures.map(({ error }) => error.message).join("; "), inUse);
}
