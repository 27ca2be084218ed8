/** One DNS client through the proxy's judging, in memory: what it gets, what its server was asked, what was learned. */
import type { DnsObservation } from "../../src/model/dns-observation.ts";
import type { DnsRule } from "../../src/policy/l7-rule.ts";
import { type DnsClient, DnsExchange } from "../../src/proxy/dns-exchange.ts";
import { DnsPolicy } from "../../src/proxy/dns-policy.ts";
import { DnsQuestions } from "../../src/proxy/dns-questions.ts";
import { wordAt } from "../../src/wire/dns-records.ts";

const SERVER_IDENTITY = 104;
const FACTS = { clientAddress: "10.0.0.1", clientPort: 1, serverAddress: "10.0.0.2", serverPort: 53 };
const ORIGIN = { sourceIdentity: 1, destinationIdentity: SERVER_IDENTITY, endpoint: 7, direction: "egress" } as const;

export interface DnsRun {
  readonly got: readonly Uint8Array[];
  /** Questions that the server was asked. */
  readonly asked: readonly Uint8Array[];
  readonly learned: readonly DnsObservation[];
  /** Questions that still wait. */
  readonly open: number;
}

export function dnsPolicy(rules: readonly DnsRule[]): DnsPolicy {
  const only = { deny: false, origin: 0, precedence: 0, identities: [SERVER_IDENTITY], dns: rules };
  const redirect = { key: "egress:UDP:53:dns", direction: "egress", protocol: 17, port: 53, parser: "dns" } as const;
  return new DnsPolicy({ ...redirect, rules: [only] });
}

/** `answers`: what the server says, made of the ID that it was asked under. `between` comes after the questions. */
export function runDns(
  rules: readonly DnsRule[],
  messages: readonly Uint8Array[],
  answers: readonly ((id: number) => Uint8Array)[],
  between: (setPolicy: (rules: readonly DnsRule[] | undefined) => void) => void = () => undefined,
  rejectCode = 5,
): DnsRun {
  const got: Uint8Array[] = [];
  const asked: Uint8Array[] = [];
  const learned: DnsObservation[] = [];
  const questions = new DnsQuestions(() => 0);
  let policy: DnsPolicy | undefined = dnsPolicy(rules);
  const exchange = new DnsExchange({
    origin: () => ORIGIN,
    policy: () => policy,
    observe: (observation) => void learned.push(observation),
    rejectCode: () => rejectCode,
    record: () => undefined,
    now: () => 0,
  });
  const client: DnsClient = {
    facts: FACTS,
    transport: "udp",
    reply: (bytes) => got.push(Uint8Array.from(bytes)),
    ask: (query, asker) => asked.push(Uint8Array.from(questions.begin(query, asker)!)),
  };
  for (const message of messages) exchange.take(client, message);
  between((changed) => {
    policy = changed && dnsPolicy(changed);
  });
  const id = asked[0] === undefined ? 0 : wordAt(asked[0], 0);
  for (const answer of answers) questions.answer(answer(id));
  return { got, asked, learned, open: questions.size };
}
