import type { Direction } from "../../model/verdict.ts";
import type { Distinctions } from "./distinctions.ts";
import { partyOf, type RecordedParty } from "./party.ts";
import { pathTemplate } from "./path-template.ts";
import { type Outcome, type RecordedAnswer, type RecordedFlow, readRecorded } from "./recorded-flow.ts";
import type { RecordedRequest } from "./recorded-request.ts";

/** Where a flow stands in what was read. */
export interface Evidence {
  readonly source: string;
  readonly line: number;
}

/** What one side did to a conversation, last of all. */
export interface SideRecord {
  outcome: Outcome;
  timeMs: number;
  /** It did something else before. */
  hasChanged: boolean;
}

/** How often something was seen. */
export interface Counter {
  count: number;
}

/** A request as it is shown and judged: an example of those that policies cannot tell apart. */
export interface SampleRequest extends RecordedRequest {
  /** `GET /orders/{number}`, or the name that was asked for. */
  readonly title: string;
}

/** Flows that are one to policy: who asked whom, at which port, for what. */
export interface Conversation {
  readonly key: string;
  /** Of the connection below a request. */
  readonly connectionKey: string;
  readonly from: RecordedParty;
  readonly to: RecordedParty;
  readonly protocol: number;
  readonly port: number;
  readonly request?: SampleRequest;
  readonly evidence: Evidence;
  /** How often each place saw it, `verdict egress` for one. */
  readonly places: ReadonlyMap<string, Counter>;
  /** Packets of connections whose begin was not seen. */
  packets: number;
  lastSource: string;
  lastLine: number;
  firstMs: number;
  lastMs: number;
  readonly sides: Partial<Record<Direction | "either", SideRecord>>;
  /** A reply was seen: to a packet, which the proxy may have answered, or to a request, which only the server can. */
  answered?: "packet" | "request";
}

/** Each connection or request is seen at most once at a place: the place that saw most of them counts. */
export function countOf({ places, packets }: Conversation): number {
  if (places.size === 0) return Math.min(packets, 1);
  return Math.max(...[...places.values()].map(({ count }) => count));
}

/** What a line came to, for lines that are the same but for their time. */
export type Tally = (timeMs: number | undefined, source: string, line: number) => void;

export interface RecordingLimits {
  /** Conversations that are kept. */
  readonly distinct: number;
}

const DEFAULT_LIMITS: RecordingLimits = { distinct: 200_000 };
/** Templates of requests of one connection and method that are shown apart. */
const MOST_TEMPLATES = 200;
/** Stands for the rest of the paths of a connection. */
export const OTHER_PATHS = "and other paths";
const MOST_NAMES = 100_000;
const MOST_PROBLEMS = 20;

/** All that flows told, distinct conversations counted, in bounded memory. */
export class Recording {
  readonly conversations = new Map<string, Conversation>();
  /** What says nothing of policy, by why. */
  readonly aside = new Map<string, number>();
  readonly nodes = new Set<string>();
  readonly problems: { readonly at: Evidence; readonly why: string }[] = [];
  problemCount = 0;
  flowCount = 0;
  answerCount = 0;
  lostEvents = 0;
  /** Flows of conversations beyond the limit. */
  beyondLimit = 0;
  /** Whether something was hidden from the recording on purpose. */
  hasHiddenParts = false;
  firstMs = Number.POSITIVE_INFINITY;
  lastMs = Number.NEGATIVE_INFINITY;
  private readonly distinctions: Distinctions;
  private readonly limits: RecordingLimits;
  private readonly namesByAddress = new Map<string, Set<string>>();
  private readonly parties = new Map<string, RecordedParty>();
  /** Of parties by their keys: keys of conversations are made of them, since they are many. */
  private readonly numbers = new Map<string, number>();
  private readonly templates = new Map<string, number>();
  private readonly answered = new Map<string, "packet" | "request">();

  constructor(distinctions: Distinctions, limits: Partial<RecordingLimits> = {}) {
    this.distinctions = distinctions;
    this.limits = { ...DEFAULT_LIMITS, ...limits };
  }

  /** Takes a line, as JSON. The answer counts one more that is the same but for its time and its ephemeral port. */
  add(value: unknown, at: Evidence): Tally {
    const recorded = readRecorded(value);
    const tally = this.tallyOf(recorded, at);
    tally("timeMs" in recorded ? recorded.timeMs : undefined, at.source, at.line);
    return tally;
  }

  /** Takes note of what cannot be read. */
  complain(at: Evidence, why: string): void {
    this.problemCount++;
    if (this.problems.length < MOST_PROBLEMS) this.problems.push({ at, why });
  }

  private tallyOf(recorded: ReturnType<typeof readRecorded>, at: Evidence): Tally {
    switch (recorded.kind) {
      case "unreadable":
        return (_, source, line) => this.complain({ source, line }, recorded.why);
      case "lost":
        return () => {
          this.lostEvents += recorded.events;
        };
      case "aside":
        return (timeMs) => {
          this.sawAt(timeMs);
          this.aside.set(recorded.why, (this.aside.get(recorded.why) ?? 0) + 1);
        };
      case "answer":
        return this.answerTally(recorded);
      case "flow":
        return this.flowTally(recorded, at);
    }
  }

  private sawAt(timeMs: number | undefined): void {
    if (timeMs === undefined) return;
    if (timeMs < this.firstMs) this.firstMs = timeMs;
    if (timeMs > this.lastMs) this.lastMs = timeMs;
  }

  private flowTally(flow: RecordedFlow, at: Evidence): Tally {
    if (flow.node !== "") this.nodes.add(flow.node);
    const conversation = this.conversationOf(flow, at);
    const { place, isFirst, outcome } = flow;
    if (conversation === undefined) {
      return (timeMs) => {
        this.sawAt(timeMs);
        this.flowCount++;
        this.beyondLimit++;
      };
    }
    const counter = isFirst ? counterAt(conversation, place) : undefined;
    const side = sideAt(conversation, flow.side ?? "either", outcome);
    return (timeMs, source, line) => {
      this.sawAt(timeMs);
      this.flowCount++;
      if (counter === undefined) conversation.packets++;
      else counter.count++;
      const ms = timeMs ?? conversation.lastMs;
      if (ms < conversation.firstMs) conversation.firstMs = ms;
      if (ms >= conversation.lastMs) {
        conversation.lastMs = ms;
        conversation.lastSource = source;
        conversation.lastLine = line;
      }
      saw(side, outcome, ms);
    };
  }

  private answerTally(answer: RecordedAnswer): Tally {
    const { resolved } = answer;
    if (resolved !== undefined) for (const address of resolved.addresses) this.learnName(resolved.name, address);
    const { key, connectionKey, request } = this.identify(answer);
    const by = request === undefined ? "packet" : "request";
    for (const each of [key, connectionKey])
      if (this.answered.size < this.limits.distinct * 2 && this.answered.get(each) !== "request")
        this.answered.set(each, by);
    return (timeMs) => {
      this.sawAt(timeMs);
      this.answerCount++;
    };
  }

  private learnName(name: string, address: string): void {
    const names = this.namesByAddress.get(address);
    if (names !== undefined) names.add(name);
    else if (this.namesByAddress.size < MOST_NAMES) this.namesByAddress.set(address, new Set([name]));
  }

  private identify(flow: RecordedFlow | RecordedAnswer) {
    const [from, to] = [this.partyAt(flow.source), this.partyAt(flow.destination)];
    const connectionKey = `${this.numbers.get(from.key)} ${this.numbers.get(to.key)} ${flow.protocol}/${flow.port}`;
    const sample = flow.request && this.sampleOf(flow.request, connectionKey);
    const key = sample === undefined ? connectionKey : `${connectionKey}\n${sample.key}`;
    return { from, to, connectionKey, key, ...(sample && { request: sample.request }) };
  }

  private conversationOf(flow: RecordedFlow, at: Evidence): Conversation | undefined {
    const { key, ...who } = this.identify(flow);
    const known = this.conversations.get(key);
    if (known !== undefined || this.conversations.size >= this.limits.distinct) return known;
    if (!this.numbers.has(who.from.key) || !this.numbers.has(who.to.key)) return undefined;
    const times = { firstMs: Number.POSITIVE_INFINITY, lastMs: Number.NEGATIVE_INFINITY };
    const { protocol, port } = flow;
    const seen = { places: new Map<string, Counter>(), packets: 0, sides: {}, ...times };
    const made: Conversation = {
      key,
      ...who,
      protocol,
      port,
      evidence: at,
      lastSource: at.source,
      lastLine: at.line,
      ...seen,
    };
    this.conversations.set(key, made);
    return made;
  }

  /** The one object for a party, under the best title that was told. */
  private partyAt(end: RecordedFlow["source"]): RecordedParty {
    const party = partyOf(end, this.distinctions, this.namesByAddress.get(end.address) ?? []);
    const known = this.parties.get(party.key);
    if (known === undefined && this.parties.size < this.limits.distinct) {
      this.numbers.set(party.key, this.parties.size);
      this.parties.set(party.key, party);
    } else if (known !== undefined && party.hasOwnTitle && !known.hasOwnTitle) {
      known.title = party.title;
      known.hasOwnTitle = true;
    }
    return known ?? party;
  }

  /** What is asked for, as policies tell it apart. */
  private sampleOf(recorded: RecordedRequest, connectionKey: string): { key: string; request: SampleRequest } {
    const { http } = recorded.facts;
    const hidden = this.distinctions.hiddenParts(recorded.hidden);
    if (recorded.hidden.some((part) => part.startsWith("header "))) this.hasHiddenParts = true;
    if (http === undefined) {
      const title = titleOf(recorded);
      return { key: title, request: { ...recorded, hidden, title } };
    }
    const cell = this.distinctions.requestCell(http);
    const group = `${connectionKey} ${http.method} ${cell}`;
    const template = pathTemplate(http.path.replace(/#.*$/s, ""));
    const count = this.templates.get(group) ?? 0;
    const id = `${http.method} ${template}\n${cell}\n${hidden.join()}`;
    const key = `${connectionKey}\n${id}`;
    const isShown = this.conversations.has(key) || count < MOST_TEMPLATES;
    if (isShown && !this.conversations.has(key)) this.templates.set(group, count + 1);
    const title = `${http.method} ${isShown ? template : OTHER_PATHS}`;
    return { key: isShown ? id : `${title}\n${cell}\n${hidden.join()}`, request: { ...recorded, hidden, title } };
  }

  /** The cluster that most pods are of; undefined = no pod says it. */
  cluster(): string | undefined {
    const counts = new Map<string, number>();
    for (const { from, to } of this.conversations.values())
      for (const { cluster } of [from, to]) if (cluster !== "") counts.set(cluster, (counts.get(cluster) ?? 0) + 1);
    return [...counts].sort((a, b) => b[1] - a[1])[0]?.[0];
  }

  /** To be called when all was read: what replies proved. */
  finish(): void {
    for (const [key, by] of this.answered) {
      const conversation = this.conversations.get(key);
      if (conversation !== undefined) conversation.answered = by;
    }
  }
}

/** Of a request that is none of HTTP. */
function titleOf({ parser, facts: { dns = "", sni = "" } }: RecordedRequest): string {
  if (parser === "dns") return dns;
  if (parser === "tls") return sni === "" ? "TLS for no name" : `TLS for ${sni}`;
  return "something that is not read here";
}

function counterAt({ places }: Conversation, place: string): Counter {
  const counter = places.get(place) ?? { count: 0 };
  (places as Map<string, Counter>).set(place, counter);
  return counter;
}

function sideAt({ sides }: Conversation, side: Direction | "either", outcome: Outcome): SideRecord {
  sides[side] ??= { outcome, timeMs: Number.NEGATIVE_INFINITY, hasChanged: false };
  return sides[side];
}

/** The last word counts. */
function saw(side: SideRecord, outcome: Outcome, timeMs: number): void {
  if (side.outcome !== outcome) {
    side.hasChanged ||= isLetIn(side.outcome) !== isLetIn(outcome);
    if (timeMs >= side.timeMs) side.outcome = outcome;
  }
  if (timeMs > side.timeMs) side.timeMs = timeMs;
}

function isLetIn(outcome: Outcome): boolean {
  return outcome !== "denied" && outcome !== "failed";
}
