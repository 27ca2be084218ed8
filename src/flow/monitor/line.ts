import { type DatapathEvent, EventDirection, EventType, TracePoint } from "../decode/event.ts";
import { decodePacket } from "../decode/packet.ts";
import { dropReasonText } from "../drop-reason.ts";
import { MATCH_TYPE_NAMES } from "../print/names.ts";
import { connectionText } from "./dissect.ts";
import { hexNumber, identityName, identityPair, type MonitorOptions, stateText } from "./names.ts";

const TRACE_SUMMARIES: Readonly<Record<number, (event: DatapathEvent) => string>> = {
  [TracePoint.ToEndpoint]: (event) => `-> endpoint ${traceTarget(event)}`,
  [TracePoint.ToProxy]: (event) => (event.verdict > 0 ? `-> proxy port ${event.verdict}` : "-> proxy"),
  [TracePoint.ToHost]: () => "-> host from",
  [TracePoint.ToStack]: () => "-> stack",
  [TracePoint.ToOverlay]: () => "-> overlay",
  [TracePoint.ToNetwork]: () => "-> network",
  [TracePoint.FromEndpoint]: (event) => `<- endpoint ${event.endpoint}`,
  [TracePoint.FromProxy]: () => "<- proxy",
  [TracePoint.FromHost]: () => "<- host",
  [TracePoint.FromStack]: () => "<- stack",
  [TracePoint.FromOverlay]: () => "<- overlay",
  [TracePoint.FromNetwork]: () => "<- network",
};

/** What Cilium's message of a trace has as its destination: at the proxy a port, else an endpoint of this node. */
export function traceTarget(event: DatapathEvent): number {
  if (event.subtype === TracePoint.ToProxy) return Math.max(0, event.verdict);
  if (event.subtype === TracePoint.ToEndpoint) return event.destinationEndpoint || event.endpoint;
  return event.destinationEndpoint;
}

/** Where a traced packet goes or comes from: `-> endpoint 871`, `<- overlay`. */
export function traceSummary(event: DatapathEvent): string {
  return TRACE_SUMMARIES[event.subtype]?.(event) ?? `unknown trace point ${event.subtype}`;
}

/** The source before translation; where there was none, the address that is none. */
export function originalAddress({ originalAddress, ipv6 }: DatapathEvent): string {
  return originalAddress || (ipv6 ? "::" : "0.0.0.0");
}

function traceLine(event: DatapathEvent, options: MonitorOptions): string {
  return `${traceSummary(event)} flow ${hexNumber(event.hash)} , identity ${identityPair(event, options)} state ${stateText(event)} ifindex ${options.interfaceName(event.ifindex)} orig-ip ${originalAddress(event)}: ${connectionText(event.packet)}`;
}

/** The lines are of our own sources, for whose names Cilium has no numbers. */
function dropLine(event: DatapathEvent, options: MonitorOptions): string {
  return `xx drop (${dropReasonText(event.subtype)}) flow ${hexNumber(event.hash)} to endpoint ${event.destinationEndpoint}, ifindex ${event.ifindex}, file unknown(0):${event.sourceLine}, , identity ${identityPair(event, options)}: ${connectionText(event.packet)}`;
}

/** What a policy verdict did: allow, redirect, deny or audit. */
export function actionText(event: DatapathEvent): string {
  if (event.audited) return "audit";
  if (event.verdict < 0) return "deny";
  return event.verdict > 0 ? "redirect" : "allow";
}

/** The one line that a policy verdict has in every verbosity. */
export function verdictLine(event: DatapathEvent, options: MonitorOptions): string {
  const ingress = event.direction === EventDirection.Ingress;
  const remote = ingress ? event.sourceIdentity : event.destinationIdentity;
  const match = MATCH_TYPE_NAMES[event.matchType] ?? "unknown";
  return `Policy verdict log: flow ${hexNumber(event.hash)} local EP ID ${event.endpoint}, remote ID ${identityName(remote, options.numeric)}, proto ${decodePacket(event.packet).ip?.protocol ?? 0}, ${ingress ? "ingress" : "egress"}, action ${actionText(event)}, auth: disabled, match ${match}, ${connectionText(event.packet)}`;
}

/** One line an event: what `cilium monitor` prints without -v. */
export function monitorLine(event: DatapathEvent, options: MonitorOptions): string {
  if (event.type === EventType.PolicyVerdict) return verdictLine(event, options);
  return event.type === EventType.Drop ? dropLine(event, options) : traceLine(event, options);
}
