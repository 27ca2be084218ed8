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

const messages = new DnsMemo();

/** What the server said to one question, still under the ID that it was asked with, lent for the moment; or why there is no answer. */
export type DnsOutcome = { readonly bytes: Uint8Array; readonly id: number } | { readonly failed: string };

/** One client's side: the same over UDP and TCP. */
export interface DnsClient {
  readonly facts: Omit<ConnectionFacts, "origin">;
  readonly transport: "udp" | "tcp";
  /** Takes a message that is lent for the moment. */
  reply(bytes: Uint8Array): void;
  /** Asks the client's server in its name. `done` is called once, or never when nobody answers in time. */
  ask(query: Uint8Array, done: (outcome: DnsOutcome) => void): void;
}

export interface DnsExchangeOptions {
  /** Who the kernel takes client and server for at this moment; undefined = it knows of no such redirect. */
  readonly origin: (facts: DnsClient["facts"], transport: DnsClient["transport"]) => ProxyOrigin | undefined;
  /** The policy in force at this moment; undefined = the redirect is gone. */
  readonly policy: () => DnsPolicy | undefined;
  /** Tells what a client is about to learn. Resolves when the addresses may be used, or waiting is of no more use; undefined = at once. */
  readonly observe: (observation: DnsObservation) => Promise<void> | undefined;
  readonly record: (record: AccessRecord) => void;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/**
 * Judges the questions of one redirect. A name that policy forbids is answered REFUSED and reaches no server; an answer
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
      client.reply(dnsErrorAnswer(bytes, query, DnsCode.Refused));
      return;
    }
    log.dnsRequest(asked, "forwarded", "");
    const startedMs = this.options.now();
    const fail = (reason: string) => {
      log.dnsFailure(asked, startedMs, reason);
      client.reply(dnsErrorAnswer(bytes, query, DnsCode.ServFail));
    };
    client.ask(bytes, (outcome) => {
      if ("failed" in outcome) {
        fail(outcome.failed);
        return;
      }
      const answer = messages.answer(outcome.bytes, query, outcome.id);
      if (isDnsFault(answer)) {
        fail(answer.fault);
        return;
      }
      const give = (said: Uint8Array) => {
        log.dnsAnswer(asked, answer, startedMs);
        client.reply(withDnsId(said, wordAt(bytes, 0)));
      };
      const inForce = this.learn(origin, query, answer);
      if (inForce === undefined) {
        give(outcome.bytes);
        return;
      }
      const kept = Uint8Array.from(outcome.bytes);
      void inForce.then(() => give(kept));
    });
  }

  private logOf(facts: DnsClient["facts"], origin: ProxyOrigin): ConnectionLog {
    const { clientAddress, clientPort, serverAddress, serverPort } = facts;
    const connection = { clientAddress, clientPort, serverAddress, serverPort, origin };
    return new ConnectionLog(connection, this.options.record, this.options.now);
  }

  private learn(origin: ProxyOrigin, query: SharedQuery, answer: DnsAnswer): Promise<void> | undefined {
    const { addresses, code, ttl } = answer;
    if (code !== DnsCode.NoError || addresses.length === 0) return undefined;
    return this.options.observe({
      endpointId: origin.endpoint,
      name: query.name,
      addresses,
      ttlSeconds: ttl,
      timeMs: this.options.now(),
    });
  }
}

const NO_QUESTION = { query: "", type: 0 };
