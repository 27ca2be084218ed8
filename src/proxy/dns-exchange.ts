import type { AccessRecord } from "../model/access-record.ts";
import type { DnsObservation } from "../model/dns-observation.ts";
import type { ProxyOrigin } from "../model/proxy-origin.ts";
import { DnsCode } from "../wire/dns.ts";
import type { DnsAnswer } from "../wire/dns-answer.ts";
import { DnsMemo, type SharedQuery } from "../wire/dns-memo.ts";
import { dnsErrorAnswer, dnsFaultAnswer, isDnsFault, withDnsId } from "../wire/dns-query.ts";
import { wordAt } from "../wire/dns-records.ts";
import { type ConnectionFacts, ConnectionLog } from "./access.ts";
import type { DnsPolicy } from "./dns-policy.ts";
import type { DnsAsker } from "./dns-questions.ts";

const messages = new DnsMemo();

/** One client's side: the same over UDP and TCP. */
export interface DnsClient {
  readonly facts: Omit<ConnectionFacts, "origin">;
  readonly transport: "udp" | "tcp";
  /** Takes a message that is lent for the moment. */
  reply(bytes: Uint8Array): void;
  /** Asks the client's server in its name. */
  ask(query: Uint8Array, asker: DnsAsker): void;
}

export interface DnsExchangeOptions {
  /** Who the kernel takes client and server for at this moment; undefined = it knows of no such redirect. */
  readonly origin: (facts: DnsClient["facts"], transport: DnsClient["transport"]) => ProxyOrigin | undefined;
  /** The policy in force at this moment; undefined = the redirect is gone. */
  readonly policy: () => DnsPolicy | undefined;
  /** Tells what a client is about to learn. Resolves when the addresses may be used, or waiting is of no more use; undefined = at once. */
  readonly observe: (observation: DnsObservation) => Promise<void> | undefined;
  /** The code of an answer to what policy forbids, as of now. */
  readonly rejectCode: () => number;
  readonly record: (record: AccessRecord) => void;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/**
 * Judges the questions of one redirect. A name that policy forbids is answered with a code alone and reaches no server; an answer
 * with addresses reaches its client only after those addresses are in force for policies that speak of the name.
 */
export class DnsExchange {
  private readonly options: DnsExchangeOptions;

  constructor(options: DnsExchangeOptions) {
    this.options = options;
  }

  /** Takes one message of a client. */
  take(client: DnsClient, bytes: Uint8Array): void {
    const origin = this.options.origin(client.facts, client.transport);
    const policy = this.options.policy();
    // Nobody may reach a server by calling the proxy's own port; a client without a redirect asks again.
    if (origin === undefined || policy === undefined) return;
    const log = this.logOf(client.facts, origin);
    const query = messages.query(bytes);
    if (isDnsFault(query)) {
      log.dnsRequest({ ...NO_QUESTION, transport: client.transport }, "error", query.fault);
      const answer = dnsFaultAnswer(bytes, query);
      if (answer !== undefined) client.reply(answer);
      return;
    }
    const asked = { query: query.name, type: query.type, transport: client.transport };
    const refusal = policy.refusal(origin.destinationIdentity, query.name);
    if (refusal !== undefined) {
      log.dnsRequest(asked, "denied", refusal);
      client.reply(dnsErrorAnswer(bytes, query, this.options.rejectCode()));
      return;
    }
    log.dnsRequest(asked, "forwarded", "");
    const { endpoint: endpointId, destinationIdentity: serverIdentity } = origin;
    const question = { client, bytes, query, endpointId, policy, serverIdentity, asked, log };
    client.ask(bytes, new OpenQuestion(this.options, question));
  }

  private logOf(facts: DnsClient["facts"], origin: ProxyOrigin): ConnectionLog {
    const { clientAddress, clientPort, serverAddress, serverPort } = facts;
    const connection = { clientAddress, clientPort, serverAddress, serverPort, origin };
    return new ConnectionLog(connection, this.options.record, this.options.now);
  }
}

interface Asked {
  readonly client: DnsClient;
  readonly bytes: Uint8Array;
  readonly query: SharedQuery;
  readonly endpointId: number;
  /** What it was allowed by. */
  readonly policy: DnsPolicy;
  readonly serverIdentity: number;
  readonly asked: Parameters<ConnectionLog["dnsRequest"]>[0];
  readonly log: ConnectionLog;
}

/** A question that its server was asked. One object with what it needs: there are many at a time, and each lives long. */
class OpenQuestion implements DnsAsker {
  private readonly options: DnsExchangeOptions;
  private readonly question: Asked;
  private readonly startedMs: number;

  constructor(options: DnsExchangeOptions, question: Asked) {
    this.options = options;
    this.question = question;
    this.startedMs = options.now();
  }

  failed(reason: string): void {
    const { log, asked, client, bytes, query } = this.question;
    log.dnsFailure(asked, this.startedMs, reason);
    client.reply(dnsErrorAnswer(bytes, query, DnsCode.ServFail));
  }

  answered(said: Uint8Array, id: number): boolean {
    const answer = messages.answer(said, this.question.query, id);
    if (isDnsFault(answer)) {
      if (answer.code === undefined) return false;
      this.failed(answer.fault);
      return true;
    }
    if (this.isForbidden()) return true;
    const inForce = this.learn(answer);
    if (inForce === undefined) {
      this.give(said, answer);
      return true;
    }
    const kept = Uint8Array.from(said);
    void inForce.then(() => this.isForbidden() || this.give(kept, answer));
    return true;
  }

  /** Another policy may be in force than when the question was asked: then its client is refused after all. */
  private isForbidden(): boolean {
    const { log, asked, client, bytes, query, policy, serverIdentity } = this.question;
    const present = this.options.policy();
    const refusal = present === policy ? undefined : present?.refusal(serverIdentity, query.name);
    if (refusal === undefined) return false;
    const code = this.options.rejectCode();
    log.dnsFailure(asked, this.startedMs, `policy changed: ${refusal}`, code);
    client.reply(dnsErrorAnswer(bytes, query, code));
    return true;
  }

  private give(said: Uint8Array, answer: DnsAnswer): void {
    const { log, asked, client, bytes } = this.question;
    log.dnsAnswer(asked, answer, this.startedMs);
    client.reply(withDnsId(said, wordAt(bytes, 0)));
  }

  private learn({ addresses, code, ttl }: DnsAnswer): Promise<void> | undefined {
    if (code !== DnsCode.NoError || addresses.length === 0) return undefined;
    const { endpointId, query } = this.question;
    return this.options.observe({
      endpointId,
      name: query.name,
      addresses,
      ttlSeconds: ttl,
      timeMs: this.options.now(),
    });
  }
}

const NO_QUESTION = { query: "", type: 0 };
