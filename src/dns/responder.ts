import {
  DnsClass,
  DnsCode,
  type DnsMessage,
  type DnsQuestion,
  type DnsRecord,
  DnsType,
  decodeDns,
} from "../wire/dns.ts";
import { encodeDns } from "../wire/dns-encode.ts";
import type { WorldNames } from "./world-names.ts";
import type { ClusterZone, ZoneNode } from "./zone.ts";

/** Most bytes of an answer over UDP to a client that speaks EDNS, and of one to a client that does not. */
const MAX_UDP = 1232;
const PLAIN_UDP = 512;
const MAX_TCP = 65535;
/** Names that lead to names, in a circle too. */
const LONGEST_CHAIN = 8;

type Answer = Pick<DnsMessage, "code" | "answers" | "authority" | "additional" | "authoritative">;

/**
 * Answers queries from the cluster's zone, and from the lab's world where there is one. There is no upstream: other names
 * do not exist (NXDOMAIN), at once, because a client that got SERVFAIL or REFUSED would ask again and wait.
 */
export class Responder {
  private readonly zone: ClusterZone;
  private readonly world: WorldNames | undefined;
  private turn = 0;

  constructor(zone: ClusterZone, world?: WorldNames) {
    this.zone = zone;
    this.world = world;
  }

  /** The bytes to send back, undefined for what deserves no answer (answers, and bytes that are no query). */
  respond(bytes: Uint8Array, transport: "udp" | "tcp"): Uint8Array | undefined {
    const query = decodeDns(bytes);
    if (query === undefined) return malformed(bytes);
    if (query.response) return undefined;
    const limit = transport === "tcp" ? MAX_TCP : udpLimit(query);
    const whole = encodeDns(responseTo(query, this.answer(query)));
    if (whole.length <= limit) return whole;
    return encodeDns({ ...responseTo(query, nothing(DnsCode.NoError, true)), truncated: true });
  }

  private answer(query: DnsMessage): Answer {
    const question = query.questions[0];
    if (query.opcode !== 0) return nothing(DnsCode.NotImp);
    if (question === undefined || query.questions.length > 1) return nothing(DnsCode.FormErr);
    if (query.edns !== undefined && query.edns.version !== 0) return nothing(DnsCode.BadVersion);
    if (question.class !== DnsClass.IN) return nothing(DnsCode.Refused);
    if (question.type === DnsType.AXFR) return nothing(DnsCode.NotImp);
    return this.followed(this.answerTo(question), question);
  }

  private answerTo(question: DnsQuestion): Answer {
    const reverse = reverseAddress(question);
    if (reverse !== undefined) return this.fromNode(this.zone.reverse(reverse, question.name), question, false);
    const labels = this.zone.below(question.name);
    if (labels === undefined) return this.outside(question);
    return this.fromNode(this.zone.lookup(labels, question.name), question, true);
  }

  /** The resolvers of pods ask for no other name by themselves: what a CNAME leads to goes along, as far as it is known here. */
  private followed(answer: Answer, question: DnsQuestion): Answer {
    const answers = [...answer.answers];
    for (let step = 0; step < LONGEST_CHAIN; step++) {
      const last = answers.at(-1)?.data;
      if (last?.type !== "CNAME" || question.type === DnsType.CNAME || question.type === DnsType.ANY) break;
      const next = this.answerTo({ ...question, name: last.target }).answers;
      if (next.length === 0) break;
      answers.push(...next);
    }
    return { ...answer, answers };
  }

  private outside({ name, type }: DnsQuestion): Answer {
    const records = this.world?.lookup(name);
    if (records === undefined) return nothing(DnsCode.NXDomain);
    return { ...nothing(DnsCode.NoError), answers: records.filter((record) => isWanted(record, type)) };
  }

  private fromNode(node: ZoneNode | undefined, question: DnsQuestion, inZone: boolean): Answer {
    const authority = inZone ? [this.zone.authority()] : [];
    if (node === undefined) return { ...nothing(DnsCode.NXDomain, inZone), authority };
    const answers = this.rotated(node.records.filter((record) => isWanted(record, question.type)));
    if (answers.length === 0) return { ...nothing(DnsCode.NoError, inZone), authority };
    const additional = answers[0]!.data.type === "SRV" ? node.additional : [];
    return { code: DnsCode.NoError, answers, authority: [], additional, authoritative: true };
  }

  /** Another record stands first each time, so that clients spread over the pods of a headless service. */
  private rotated(records: readonly DnsRecord[]): DnsRecord[] {
    if (records.length < 2) return [...records];
    const first = this.turn++ % records.length;
    return [...records.slice(first), ...records.slice(0, first)];
  }
}

function isWanted(record: DnsRecord, type: number): boolean {
  const own = record.data.type === "raw" ? record.data.number : DnsType[record.data.type];
  return own === type || type === DnsType.ANY || own === DnsType.CNAME;
}

function udpLimit(query: DnsMessage): number {
  return query.edns === undefined ? PLAIN_UDP : Math.min(MAX_UDP, Math.max(PLAIN_UDP, query.edns.udpSize));
}

function nothing(code: number, authoritative = false): Answer {
  return { code, answers: [], authority: [], additional: [], authoritative };
}

function responseTo(query: DnsMessage, answer: Answer): DnsMessage {
  return {
    id: query.id,
    response: true,
    opcode: query.opcode,
    truncated: false,
    recursionDesired: query.recursionDesired,
    recursionAvailable: false,
    questions: query.questions,
    ...answer,
    ...(query.edns === undefined ? {} : { edns: { udpSize: MAX_UDP, version: 0 } }),
  };
}

/** FORMERR for what has at least the header of a query. */
function malformed(bytes: Uint8Array): Uint8Array | undefined {
  if (bytes.length < 12 || (bytes[2]! & 0x80) !== 0) return undefined;
  const header = bytes.slice(0, 12).fill(0, 4);
  header[2] = 0x80 | (bytes[2]! & 0x79);
  header[3] = DnsCode.FormErr;
  return header;
}

/** `4.3.2.1.in-addr.arpa` -> `1.2.3.4`, and the 32 digits below `ip6.arpa` -> eight groups of four. */
function reverseAddress(question: DnsQuestion): string | undefined {
  const labels = question.name.map((label) => label.toLowerCase());
  const [family, top] = labels.slice(-2);
  const digits = labels.slice(0, -2).reverse();
  if (top !== "arpa") return undefined;
  if (family === "in-addr" && digits.length === 4) return digits.join(".");
  if (family !== "ip6" || digits.length !== 32 || !digits.every((digit) => /^[0-9a-f]$/.test(digit))) return undefined;
  return digits.join("").replaceAll(/(.{4})(?=.)/g, "$1:");
}
