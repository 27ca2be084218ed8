import { Protocol } from "../../model/protocol.ts";
import type { Direction } from "../../model/verdict.ts";
import { isObject } from "../../policy/field.ts";
import {
  booleanOf,
  enumOf,
  type Fields,
  fieldOf,
  numberOf,
  objectsOf,
  textOf,
  textsOf,
  timeOf,
} from "./record-fields.ts";
import { type RecordedRequest, readRequest } from "./recorded-request.ts";

/** One end of a recorded flow, as the recorder knew it. */
export interface RecordedEnd {
  readonly address: string;
  readonly identity: number;
  /** Of its identity, sorted; empty = the recorder did not know it. */
  readonly labels: readonly string[];
  readonly podName: string;
  readonly workload: { readonly kind: string; readonly name: string } | undefined;
  /** Names that the other end asked for and got this address. */
  readonly names: readonly string[];
}

/** What was done at one side: `redirected` to the proxy, which judges each request; `audited` = let pass, though denied. */
export type Outcome = "allowed" | "redirected" | "audited" | "denied" | "failed";

/** A packet or request, from who began the connection to who was asked. */
export interface RecordedFlow {
  readonly kind: "flow";
  readonly timeMs: number | undefined;
  readonly node: string;
  /** Where it was seen: each connection is seen at most once at one place, and perhaps at several. */
  readonly place: string;
  /** False = it may be one of many packets of a connection. */
  readonly isFirst: boolean;
  /** Whose policy spoke. */
  readonly side: Direction | undefined;
  readonly outcome: Outcome;
  readonly source: RecordedEnd;
  readonly destination: RecordedEnd;
  /** IANA number. */
  readonly protocol: number;
  /** Destination port, or ICMP type. */
  readonly port: number;
  /** Absent = nothing of layer 7 is recorded. */
  readonly request?: RecordedRequest;
}

/** A reply: it proves that what it answers was let in. Source and destination are those of the connection. */
export interface RecordedAnswer extends Omit<RecordedFlow, "kind" | "outcome" | "side" | "isFirst"> {
  readonly kind: "answer";
  /** Names and addresses of a DNS answer. */
  readonly resolved?: { readonly name: string; readonly addresses: readonly string[] };
}

/** What one line of a recording says. */
export type Recorded =
  | RecordedFlow
  | RecordedAnswer
  | { readonly kind: "lost"; readonly events: number }
  /** It says nothing of policy, and why. */
  | { readonly kind: "aside"; readonly why: string; readonly timeMs?: number | undefined }
  /** It is no flow, or one that cannot be read. */
  | { readonly kind: "unreadable"; readonly why: string };

const VERDICTS = "VERDICT_UNKNOWN FORWARDED DROPPED ERROR AUDIT REDIRECTED TRACED TRANSLATED".split(" ");
const DIRECTIONS = ["TRAFFIC_DIRECTION_UNKNOWN", "INGRESS", "EGRESS"];
const L7_TYPES = ["UNKNOWN_L7_TYPE", "REQUEST", "RESPONSE", "SAMPLE"];
const REASONS = "TRACE_REASON_UNKNOWN NEW ESTABLISHED REPLY RELATED REOPENED".split(" ");
const POINTS =
  "UNKNOWN_POINT TO_PROXY TO_HOST TO_STACK TO_OVERLAY FROM_ENDPOINT FROM_PROXY FROM_HOST FROM_STACK FROM_OVERLAY FROM_NETWORK TO_NETWORK FROM_CRYPTO TO_CRYPTO".split(
    " ",
  );
/** Cilium's numbers of events. */
const EVENT = { drop: 1, debug: 2, capture: 3, trace: 4, policyVerdict: 5, l7: 129, socket: 130 } as const;
const KNOWN_EVENTS: ReadonlySet<number> = new Set(Object.values(EVENT));
const DENIALS = new Map([
  [133, "POLICY_DENIED"],
  [181, "POLICY_DENY"],
]);

/** Reads a line of a recording: a response of Hubble, an exporter's event, or a bare flow, of any release. Never throws. */
export function readRecorded(value: unknown): Recorded {
  if (!isObject(value)) return { kind: "unreadable", why: "no JSON object" };
  const wrapped = fieldOf(value, "result") ?? value;
  const lost = fieldOf(wrapped, "lost_events");
  if (lost !== undefined) return { kind: "lost", events: numberOf(lost, "num_events_lost") ?? 1 };
  for (const [name, why] of NO_FLOWS) if (fieldOf(wrapped, name) !== undefined) return { kind: "aside", why };
  const inner = fieldOf(wrapped, "flow") ?? wrapped;
  if (!isObject(inner) || !["verdict", "source", "IP", "l4", "l7", "Type"].some((name) => inner[name] !== undefined))
    return { kind: "unreadable", why: "no flow of Hubble" };
  const timeMs = timeOf(fieldOf(inner, "time") ?? fieldOf(wrapped, "time"));
  return readFlow(inner, timeMs, textOf(inner, "node_name") || textOf(wrapped, "node_name"));
}

const NO_FLOWS = [
  ["node_status", "a node's status"],
  ["agent_event", "an event of the agent"],
  ["debug_event", "a debug event"],
] as const;

function readFlow(flow: Fields, timeMs: number | undefined, node: string): Recorded {
  const verdict = enumOf(flow, "verdict", VERDICTS);
  // What a newer recorder means by a new word may be anything.
  if (verdict !== "" && !VERDICTS.includes(verdict))
    return { kind: "unreadable", why: `verdict ${verdict.slice(0, 40)} is none that is known here` };
  const event = eventOf(flow, verdict);
  const aside = (why: string): Recorded => ({ kind: "aside", why, timeMs });
  if (event === EVENT.socket || verdict === "TRACED" || verdict === "TRANSLATED")
    return aside("the address of a service, translated at the socket");
  if (event === EVENT.capture || event === EVENT.debug) return aside("a debug capture");
  if (!KNOWN_EVENTS.has(event)) return aside(`an event of type ${event}, which is not known here`);
  const transport = transportOf(flow);
  if (transport === undefined) return aside("a protocol without ports or types that policy knows");
  const ends = endsOf(flow);
  const base = { timeMs, node, ...transport };
  if (event === EVENT.l7) return readL7(flow, verdict, { ...base, ...ends });
  const isReply = replyOf(flow, event);
  if (isReply === "related") return aside("an ICMP error about another packet");
  if (isReply === undefined) return aside("not known which way it went");
  if (isReply) {
    if (verdict !== "FORWARDED") return aside("a reply that was not forwarded");
    return { kind: "answer", place: "reply", ...base, ...turned(ends), port: transport.sourcePort };
  }
  const place = placeOf(flow, event, verdict);
  if (place === undefined) return aside("seen before policy judged it, or after the proxy did");
  const outcome = outcomeOf(flow, verdict, event);
  if (outcome === undefined) return aside(`dropped for another reason than policy: ${reasonOf(flow)}`);
  const isFirst = event !== EVENT.trace || isNew(flow);
  return { kind: "flow", isFirst, outcome, ...place, ...base, ...ends };
}

/** Older releases, and recordings of chosen fields, do not say what kind of event it was. */
function eventOf(flow: Fields, verdict: string): number {
  const type = numberOf(fieldOf(flow, "event_type"), "type");
  if (type !== undefined && type !== 0) return type;
  const said = enumOf(flow, "Type", ["UNKNOWN_TYPE", "L3_L4", "L7", "SOCK"]);
  if (said === "L7" || isObject(fieldOf(flow, "l7"))) return EVENT.l7;
  if (said === "SOCK") return EVENT.socket;
  if (enumOf(flow, "trace_observation_point", POINTS) !== "") return EVENT.trace;
  if (verdict === "DROPPED") return EVENT.drop;
  return fieldOf(flow, "policy_match_type") === undefined ? EVENT.trace : EVENT.policyVerdict;
}

interface Transport {
  readonly protocol: number;
  readonly port: number;
  readonly sourcePort: number;
}

function transportOf(flow: Fields): Transport | undefined {
  const l4 = fieldOf(flow, "l4");
  for (const [name, protocol] of [
    ["TCP", Protocol.Tcp],
    ["UDP", Protocol.Udp],
    ["SCTP", Protocol.Sctp],
  ] as const) {
    const layer = fieldOf(l4, name);
    if (layer === undefined) continue;
    const port = numberOf(layer, "destination_port") ?? 0;
    return { protocol, port, sourcePort: numberOf(layer, "source_port") ?? 0 };
  }
  for (const [name, protocol] of [
    ["ICMPv4", Protocol.Icmp],
    ["ICMPv6", Protocol.IcmpV6],
  ] as const) {
    const layer = fieldOf(l4, name);
    // an answer's type is another one: what it answers has the type below, or above
    if (layer !== undefined) return icmpOf(protocol, numberOf(layer, "type") ?? 0);
  }
  return undefined;
}

function icmpOf(protocol: number, type: number): Transport {
  const asked = type === 0 && protocol === Protocol.Icmp ? 8 : type === 129 ? 128 : type;
  return { protocol, port: type, sourcePort: asked };
}

function endsOf(flow: Fields): { source: RecordedEnd; destination: RecordedEnd } {
  const ip = fieldOf(flow, "IP");
  const end = (name: "source" | "destination"): RecordedEnd => {
    const endpoint = fieldOf(flow, name);
    const [workload] = objectsOf(endpoint, "workloads");
    return {
      address: textOf(ip, name),
      identity: numberOf(endpoint, "identity") ?? 0,
      labels: textsOf(endpoint, "labels").sort(),
      podName: textOf(endpoint, "pod_name"),
      workload: workload && { kind: textOf(workload, "kind"), name: textOf(workload, "name") },
      names: textsOf(flow, `${name}_names`).map((each) => each.toLowerCase().replace(/\.$/, "")),
    };
  };
  return { source: end("source"), destination: end("destination") };
}

function turned<T extends { source: RecordedEnd; destination: RecordedEnd }>({ source, destination }: T) {
  return { source: destination, destination: source };
}

function readL7(
  flow: Fields,
  verdict: string,
  base: Omit<RecordedFlow, "kind" | "place" | "isFirst" | "side" | "outcome"> & Transport,
): Recorded {
  const l7 = fieldOf(flow, "l7");
  const type = enumOf(l7, "type", L7_TYPES);
  const { request, resolved } = readRequest(l7, textOf(flow, "Summary"));
  const isReply = type === "RESPONSE" || (type !== "REQUEST" && booleanOf(flow, "is_reply") === true);
  const { timeMs } = base;
  if (isReply) {
    const ends = { ...base, ...turned(base), port: base.sourcePort };
    // the proxy answers for the server when it refuses
    const code = numberOf(fieldOf(l7, "http"), "code") ?? 0;
    if (verdict !== "FORWARDED" || code === 403 || code >= 502)
      return { kind: "aside", why: "an answer that the proxy may have given itself", timeMs };
    return { kind: "answer", place: "answer", ...ends, ...(request && { request }), ...(resolved && { resolved }) };
  }
  if (type === "SAMPLE") return { kind: "aside", why: "a sample of layer 7", timeMs };
  const outcome = ({ FORWARDED: "allowed", DROPPED: "denied", AUDIT: "audited", ERROR: "failed" } as const)[verdict];
  if (outcome === undefined) return { kind: "aside", why: `the verdict ${verdict || "nothing"} of layer 7`, timeMs };
  const side = sideOf(flow);
  return { kind: "flow", place: `request ${side}`, isFirst: true, side, outcome, ...base, ...(request && { request }) };
}

/** Policy is about connections from who began them. Undefined = not known. */
function replyOf(flow: Fields, event: number): boolean | "related" | undefined {
  const reason = enumOf(flow, "trace_reason", REASONS);
  if (reason === "RELATED") return "related";
  const said = booleanOf(flow, "is_reply");
  if (said !== undefined) return said;
  if (booleanOf(flow, "reply") === true || reason === "REPLY") return true;
  // replies are not judged
  if (event === EVENT.policyVerdict || event === EVENT.drop || reason === "NEW") return false;
  const flags = fieldOf(fieldOf(fieldOf(flow, "l4"), "TCP"), "flags");
  if (booleanOf(flags, "SYN") === true) return booleanOf(flags, "ACK") === true;
  return undefined;
}

/** Whether a trace is of the first packet of a connection. Behind the proxy every packet is traced as a new one: there flags tell. */
function isNew(flow: Fields): boolean {
  const flags = fieldOf(fieldOf(fieldOf(flow, "l4"), "TCP"), "flags");
  if (flags !== undefined) return booleanOf(flags, "SYN") === true && booleanOf(flags, "ACK") !== true;
  return ["NEW", "REOPENED"].includes(enumOf(flow, "trace_reason", REASONS));
}

function sideOf(flow: Fields): Direction | undefined {
  const direction = enumOf(flow, "traffic_direction", DIRECTIONS);
  return direction === "INGRESS" ? "ingress" : direction === "EGRESS" ? "egress" : undefined;
}

/** Where a trace shows that a packet went on: that much, policy let it. */
const LEAVING = new Set(["TO_STACK", "TO_OVERLAY", "TO_NETWORK", "TO_HOST", "TO_CRYPTO"]);

function placeOf(flow: Fields, event: number, verdict: string): Pick<RecordedFlow, "place" | "side"> | undefined {
  const said = sideOf(flow);
  if (event === EVENT.policyVerdict) return { place: `verdict ${said}`, side: said };
  if (event === EVENT.drop || verdict === "DROPPED") return { place: `drop ${said}`, side: said ?? localSide(flow) };
  const named = enumOf(flow, "trace_observation_point", [...POINTS]);
  const sub = numberOf(fieldOf(flow, "event_type"), "sub_type");
  const point = named !== "" && named !== "UNKNOWN_POINT" && named !== "101" ? named : pointOf(named, sub);
  if (point === "TO_ENDPOINT") return { place: "to-endpoint", side: "ingress" };
  if (point === "TO_PROXY") return { place: `to-proxy ${said}`, side: said };
  if (!LEAVING.has(point)) return undefined;
  // what a node carries for others left a pod elsewhere
  return said === "ingress" ? undefined : { place: point.toLowerCase().replace("_", "-"), side: "egress" };
}

function pointOf(named: string, sub: number | undefined): string {
  if (named === "101" || sub === undefined || sub === 0) return "TO_ENDPOINT";
  return POINTS[sub] ?? "";
}

/** The side of a drop that names no direction: whose endpoint is the recorder's own. */
function localSide(flow: Fields): Direction | undefined {
  const isLocal = (name: string) => (numberOf(fieldOf(flow, name), "ID") ?? 0) !== 0;
  const [source, destination] = [isLocal("source"), isLocal("destination")];
  return source === destination ? undefined : source ? "egress" : "ingress";
}

/** Undefined = it was dropped, and not by policy. */
function outcomeOf(flow: Fields, verdict: string, event: number): Outcome | undefined {
  if (verdict === "AUDIT") return "audited";
  if (verdict === "REDIRECTED") return "redirected";
  if (verdict === "FORWARDED")
    return enumOf(flow, "trace_observation_point", POINTS) === "TO_PROXY" ? "redirected" : "allowed";
  if (verdict !== "DROPPED" && verdict !== "ERROR") return undefined;
  const code = numberOf(flow, "drop_reason") ?? numberOf(flow, "drop_reason_desc") ?? 0;
  const isDenial = DENIALS.has(code) || [...DENIALS.values()].includes(textOf(flow, "drop_reason_desc"));
  if (isDenial) return "denied";
  return event === EVENT.policyVerdict && reasonOf(flow) === "no reason" ? "denied" : undefined;
}

function reasonOf(flow: Fields): string {
  const code = numberOf(flow, "drop_reason");
  return textOf(flow, "drop_reason_desc") || (code === undefined ? "" : String(code)) || "no reason";
}
