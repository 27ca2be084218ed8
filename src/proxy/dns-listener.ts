import type { Socket } from "node:net";
import { DEFAULT_DNS_SETTINGS } from "../model/dns-settings.ts";
import { Protocol } from "../model/protocol.ts";
import type { ProxyOrigin } from "../model/proxy-origin.ts";
import { truncatedDns } from "../wire/dns-truncate.ts";
import { type ConnectionFacts, endsOf } from "./access.ts";
import type { ClientConnection } from "./client-connection.ts";
import type { Datagram } from "./datagram-listener.ts";
import { DnsConnection } from "./dns-connection.ts";
import { type DnsClient, DnsExchange } from "./dns-exchange.ts";
import { DnsLinks } from "./dns-links.ts";
import type { DnsPolicy } from "./dns-policy.ts";
import type { DnsAsker } from "./dns-questions.ts";
import type { ListenerTableOptions, Listening } from "./listeners.ts";

export interface DnsListenerOptions extends Omit<ListenerTableOptions, "connectTimeoutMs" | "limits"> {
  readonly connectTimeoutMs: number;
}

/** Serves one DNS redirect of an endpoint, over UDP or TCP as its redirect says. */
export class DnsListener {
  readonly endpointId: number;
  readonly redirect: DnsPolicy["redirect"];
  readonly port: number;
  /** Of TCP. */
  readonly connections = new Set<ClientConnection>();
  private readonly options: DnsListenerOptions;
  private readonly exchange: DnsExchange;
  private readonly links: DnsLinks;
  /** Undefined once the redirect is gone. */
  private policy: DnsPolicy | undefined;
  private listening: Listening | undefined;

  constructor(endpointId: number, policy: DnsPolicy, port: number, options: DnsListenerOptions) {
    this.endpointId = endpointId;
    this.redirect = policy.redirect;
    this.port = port;
    this.policy = policy;
    this.options = options;
    this.links = new DnsLinks(options.datagrams, this.redirect.direction);
    this.exchange = new DnsExchange({
      origin: (facts, transport) => this.originOf(facts, transport === "tcp" ? Protocol.Tcp : Protocol.Udp),
      policy: () => this.policy,
      observe: options.observe,
      rejectCode: options.rejectCode ?? (() => DEFAULT_DNS_SETTINGS.rejectCode),
      record: options.record,
      now: options.now,
    });
  }

  /** Rejects with the errno's name as `code` when the port cannot be had. */
  async open(): Promise<void> {
    const { sockets, datagrams } = this.options;
    const { direction, protocol } = this.redirect;
    if (protocol === Protocol.Udp)
      this.listening = datagrams.listen(this.port, direction, (datagram) => this.take(datagram));
    // Rules for every protocol speak of SCTP too, which no DNS server does: the kernel drops what is redirected there.
    if (protocol === Protocol.Tcp)
      this.listening = await sockets.listen(this.port, direction, (client) => this.accept(client));
  }

  replace(policy: DnsPolicy): void {
    this.policy = policy;
  }

  /** Takes nothing more; over TCP, open questions are answered. */
  retire(): void {
    this.policy = undefined;
    this.listening?.close();
    this.links.close();
    for (const connection of this.connections) connection.drain();
  }

  private take(datagram: Datagram): void {
    this.exchange.take(new DatagramClient(datagram, this), datagram.bytes);
  }

  /** Gives a client its answer over UDP; one that no packet holds cut off, so that it asks again over TCP. */
  answer(path: Datagram, bytes: Uint8Array): void {
    const { datagrams } = this.options;
    const { direction } = this.redirect;
    if (datagrams.answer(path, direction, bytes)) return;
    const short = truncatedDns(bytes);
    if (short !== undefined) datagrams.answer(path, direction, short);
  }

  ask(path: Datagram, query: Uint8Array, asker: DnsAsker): void {
    this.links.ask(path, query, asker);
  }

  private accept(client: Socket): void {
    const ends = endsOf(client);
    const origin = ends && this.originOf(ends, Protocol.Tcp);
    if (ends === undefined || origin === undefined || this.policy === undefined) {
      client.on("error", () => undefined);
      client.resetAndDestroy();
      return;
    }
    const { exchange } = this;
    const { connectTimeoutMs, sockets } = this.options;
    const connection = new DnsConnection({
      client,
      facts: { ...ends, origin },
      exchange,
      connectUpstream: sockets.connect,
      connectTimeoutMs,
    });
    this.connections.add(connection);
    client.once("close", () => this.connections.delete(connection));
  }

  /** Undefined when the kernel knows of no such redirect: nobody may reach a server by calling the port. */
  private originOf(facts: Omit<ConnectionFacts, "origin">, protocol: number): ProxyOrigin | undefined {
    const { clientAddress, clientPort, serverAddress, serverPort } = facts;
    const origin = this.options.origins.lookup(clientAddress, clientPort, serverAddress, serverPort, protocol);
    const isOurs = origin?.endpoint === this.endpointId && origin.direction === this.redirect.direction;
    return isOurs ? origin : undefined;
  }
}

/** Who sent one datagram. */
class DatagramClient implements DnsClient {
  readonly transport = "udp";
  readonly facts: Datagram;
  private readonly listener: DnsListener;

  constructor(facts: Datagram, listener: DnsListener) {
    this.facts = facts;
    this.listener = listener;
  }

  reply(bytes: Uint8Array): void {
    this.listener.answer(this.facts, bytes);
  }

  ask(query: Uint8Array, asker: DnsAsker): void {
    this.listener.ask(this.facts, query, asker);
  }
}
