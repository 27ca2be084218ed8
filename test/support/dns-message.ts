import { DnsClass, type DnsMessage, DnsType } from "../../src/wire/dns.ts";
import { nameOf } from "../../src/wire/dns-name.ts";

/** A resolver's question for one name, as tests ask it: recursion desired, nothing else; `more` is put over it. */
export function dnsQuestion(name: string, type: number = DnsType.A, more: Partial<DnsMessage> = {}): DnsMessage {
  return {
    id: 7,
    response: false,
    opcode: 0,
    authoritative: false,
    truncated: false,
    recursionDesired: true,
    recursionAvailable: false,
    code: 0,
    questions: [{ name: nameOf(name), type, class: DnsClass.IN }],
    answers: [],
    authority: [],
    additional: [],
    ...more,
  };
}
