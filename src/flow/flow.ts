import { create } from "@bufbuild/protobuf";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import {
  type CiliumEventType,
  CiliumEventTypeSchema,
  type Emitter,
  EmitterSchema,
  type Endpoint,
  type Ethernet,
  FileInfoSchema,
  type Flow,
  FlowType,
  IGMPSchema,
  type IP,
  IPVersion,
  type Layer4,
  SCTPChunkType,
  SCTPSchema,
  TraceObservationPoint,
  TraceReason,
  TrafficDirection,
  Verdict,
  VRRPSchema,
} from "../../proto/gen/flow_pb.js";
import { MatchType } from "../model/verdict.ts";
import type { FlowContext } from "./context.ts";
import { CtStatus, type DatapathEvent, EventDirection, EventType, TracePoint } from "./decode/event.ts";
import { decodePacket, type IpLayer, type Packet } from "./decode/packet.ts";
import { POLICY_DENIED, POLICY_DENY } from "./drop-reason.ts";
import { describeEndpoint, describeService, type FlowEnd, namesKnownBy } from "./endpoint.ts";
import {
  interfaceOf,
  newEthernet,
  newFlow,
  newIcmpv4,
  newIcmpv6,
  newIp,
  newLayer4,
  newTcp,
  newTimestamp,
  newUdp,
  SharedMessages,
  tcpFlagsOf,
} from "./messages.ts";
import { attributePolicies } from "./policies.ts";
import { packetSummary } from "./summary.ts";

export const NS_PER_SECOND = 1_000_000_000n;
/** The program that clients see as the maker of flows. */
let emitter = create(EmitterSchema, { name: "Hubble" });

/** The same message for every flow of a version. */
export function emitterOf(version: string): Emitter {
  if (emitter.version !== version) emitter = create(EmitterSchema, { name: "Hubble", version });
  return emitter;
}

/** A protobuf timestamp of nanoseconds since the epoch. */
export function timestampFromNs(ns: bigint): Timestamp {
  return newTimestamp({ seconds: ns / NS_PER_SECOND, nanos: Number(ns % NS_PER_SECOND) });
}

/**
 * Turns a datapath event into the flow that Hubble's clients read. What the packet does not show (truncated, unknown
 * protocol) stays unset.
 */
export function toFlow(event: DatapathEvent, context: FlowContext): Flow {
  const packet = decodePacket(event.packet);
  const ends = packetEnds(event, packet);
  const source = describeEndpoint(ends.source, context);
  const destination = describeEndpoint(ends.destination, context);
  const isReply = replyOf(event);
  const flow = newFlow({
    time: timestampFromNs(event.monotonicNs + context.clockOffsetNs()),
    uuid: context.newUuid(),
    nodeName: context.nodeName,
    nodeLabels: context.nodeLabels() as string[],
    emitter: emitterOf(context.version),
    Type: FlowType.L3_L4,
    verdict: verdictOf(event),
    eventType: eventTypeOf(event.type, event.type === EventType.PolicyVerdict ? 0 : event.subtype),
    source,
    destination,
    sourceNames: namesKnownBy(destination, ends.source.address, context),
    destinationNames: namesKnownBy(source, ends.destination.address, context),
    trafficDirection: directionOf(event, source),
    ...(isReply !== undefined && { isReply }),
    reply: isReply ?? false,
    Summary: packetSummary(packet),
  });
  writeLayers(flow, event, packet, ends, context);
  writeDecision(flow, event, context);
  return flow;
}

const eventTypes = new SharedMessages<CiliumEventType>();
const EVENT_TYPE_KEYS = Array.from({ length: 256 }, (_, subType) => String(subType));
const etherHeaders = new SharedMessages<Ethernet>();
const ipHeaders = new SharedMessages<IP>();

function eventTypeOf(type: number, subType: number): CiliumEventType {
  const make = () => create(CiliumEventTypeSchema, { type, subType });
  return eventTypes.of(
    EVENT_TYPE_KEYS[subType & 0xff]!,
    (known) => known.type === type && known.subType === subType,
    make,
  );
}

function packetEnds(event: DatapathEvent, packet: Packet): { source: FlowEnd; destination: FlowEnd } {
  const ports = packet.tcp ?? packet.udp ?? packet.sctp;
  const judged = event.type === EventType.PolicyVerdict ? event.direction : 0;
  return {
    source: {
      address: event.originalAddress || (packet.ip?.source ?? packet.arp?.senderAddress ?? ""),
      port: ports?.sourcePort ?? 0,
      identity: event.sourceIdentity,
      endpointId: judged === EventDirection.Egress ? event.endpoint : 0,
    },
    destination: {
      address: packet.ip?.destination ?? packet.arp?.targetAddress ?? "",
      port: ports?.destinationPort ?? 0,
      identity: event.destinationIdentity,
      endpointId: event.destinationEndpoint || (judged === EventDirection.Ingress ? event.endpoint : 0),
    },
  };
}

function verdictOf(event: DatapathEvent): Verdict {
  if (event.type === EventType.Drop) return Verdict.DROPPED;
  if (event.type === EventType.Trace) return Verdict.FORWARDED;
  if (event.audited) return Verdict.AUDIT;
  if (event.verdict < 0) return Verdict.DROPPED;
  return event.verdict > 0 ? Verdict.REDIRECTED : Verdict.FORWARDED;
}

/** Unset for drops and refusals; a verdict that lets pass is about a forward packet, since replies are not judged. */
function replyOf(event: DatapathEvent): boolean | undefined {
  if (event.type === EventType.PolicyVerdict) return event.verdict < 0 ? undefined : false;
  if (event.type === EventType.Drop) return undefined;
  if (event.replyKnown) return event.isReply;
  return event.ctStatus === CtStatus.Unknown ? undefined : event.ctStatus === CtStatus.Reply;
}

function directionOf(event: DatapathEvent, source: Endpoint): TrafficDirection {
  if (event.type === EventType.PolicyVerdict) {
    if (event.direction === EventDirection.Ingress) return TrafficDirection.INGRESS;
    return event.direction === EventDirection.Egress
      ? TrafficDirection.EGRESS
      : TrafficDirection.TRAFFIC_DIRECTION_UNKNOWN;
  }
  if (event.endpoint === 0) return TrafficDirection.TRAFFIC_DIRECTION_UNKNOWN;
  const localIsSource = event.endpoint === source.ID;
  if (event.type === EventType.Drop) return localIsSource ? TrafficDirection.EGRESS : TrafficDirection.INGRESS;
  const reply = replyOf(event);
  if (reply === undefined) return TrafficDirection.TRAFFIC_DIRECTION_UNKNOWN;
  // a translated source is one that went out
  const isOutgoing = localIsSource !== reply || event.originalAddress !== "";
  return isOutgoing ? TrafficDirection.EGRESS : TrafficDirection.INGRESS;
}

/** SCTP's numbers of the chunks that begin and end an association. */
const CHUNK_TYPES = new Map([
  [1, SCTPChunkType.INIT],
  [2, SCTPChunkType.INIT_ACK],
  [6, SCTPChunkType.ABORT],
  [7, SCTPChunkType.SHUTDOWN],
  [8, SCTPChunkType.SHUTDOWN_ACK],
  [14, SCTPChunkType.SHUTDOWN_COMPLETE],
]);

function chunkTypeOf(first: number | undefined): SCTPChunkType {
  return CHUNK_TYPES.get(first ?? 0) ?? SCTPChunkType.UNSUPPORTED;
}

function layer4Of(packet: Packet): Layer4["protocol"] | undefined {
  if (packet.tcp) {
    const { sourcePort, destinationPort } = packet.tcp;
    return { case: "TCP", value: newTcp({ sourcePort, destinationPort, flags: tcpFlagsOf(packet.tcp.flags) }) };
  }
  if (packet.udp) {
    const { sourcePort, destinationPort } = packet.udp;
    return { case: "UDP", value: newUdp({ sourcePort, destinationPort }) };
  }
  if (packet.sctp) {
    const { sourcePort, destinationPort } = packet.sctp;
    const chunkType = chunkTypeOf(packet.payload[0]);
    return { case: "SCTP", value: create(SCTPSchema, { sourcePort, destinationPort, chunkType }) };
  }
  if (packet.vrrp) return { case: "VRRP", value: create(VRRPSchema, packet.vrrp) };
  if (packet.igmp) return { case: "IGMP", value: create(IGMPSchema, packet.igmp) };
  if (packet.icmpv4)
    return { case: "ICMPv4", value: newIcmpv4({ type: packet.icmpv4.type, code: packet.icmpv4.code }) };
  if (packet.icmpv6)
    return { case: "ICMPv6", value: newIcmpv6({ type: packet.icmpv6.type, code: packet.icmpv6.code }) };
  return undefined;
}

function writeLayers(
  flow: Flow,
  event: DatapathEvent,
  packet: Packet,
  ends: { source: FlowEnd; destination: FlowEnd },
  context: FlowContext,
): void {
  const { ethernet, ip } = packet;
  const protocol = layer4Of(packet);
  if (ethernet) {
    const { source, destination } = ethernet;
    const isSame = (known: Ethernet) => known.source === source && known.destination === destination;
    flow.ethernet = etherHeaders.of(source, isSame, () => newEthernet({ source, destination }));
  }
  if (protocol) flow.l4 = newLayer4({ protocol });
  if (event.ifindex !== 0) flow.interface = interfaceOf(event.ifindex, context.interfaceName(event.ifindex));
  if (!ip) return;
  flow.IP = ipHeader(event, ip, ends.source.address);
  const sourceService = describeService(ends.source, ip.protocol, context);
  const destinationService = describeService(ends.destination, ip.protocol, context);
  if (sourceService) flow.sourceService = sourceService;
  if (destinationService) flow.destinationService = destinationService;
}

function ipHeader(
  { originalAddress }: DatapathEvent,
  { source: sent, destination, version }: IpLayer,
  source: string,
): IP {
  const sourceXlated = originalAddress === "" || originalAddress === sent ? "" : sent;
  return ipHeaders.of(
    source,
    (known) => known.source === source && known.destination === destination && known.sourceXlated === sourceXlated,
    () => {
      const ipVersion = version === 4 ? IPVersion.IPv4 : IPVersion.IPv6;
      return newIp({ source, destination, ipVersion, sourceXlated });
    },
  );
}

/** Sub-type 0 means to-endpoint, which the enum numbers 101; the others agree. */
function observationPoint(subtype: number): TraceObservationPoint {
  if (subtype === TracePoint.ToEndpoint) return TraceObservationPoint.TO_ENDPOINT;
  return subtype <= TracePoint.ToNetwork ? (subtype as TraceObservationPoint) : TraceObservationPoint.UNKNOWN_POINT;
}

function traceReason(ctStatus: number): TraceReason {
  return ctStatus <= CtStatus.Related ? ((ctStatus + 1) as TraceReason) : TraceReason.TRACE_REASON_UNKNOWN;
}

function writeDecision(flow: Flow, event: DatapathEvent, context: FlowContext): void {
  if (event.type === EventType.Trace) {
    flow.traceObservationPoint = observationPoint(event.subtype);
    flow.traceReason = traceReason(event.ctStatus);
    if (event.subtype === TracePoint.ToProxy) flow.proxyPort = Math.max(0, event.verdict);
    return;
  }
  const reason = event.type === EventType.Drop ? event.subtype : Math.max(0, -event.verdict);
  flow.dropReason = reason;
  flow.dropReasonDesc = reason;
  if (event.type === EventType.Drop) {
    const { sourceFile: name, sourceLine: line } = event;
    if (line !== 0) flow.file = create(FileInfoSchema, { name, line });
    if (reason !== POLICY_DENIED && reason !== POLICY_DENY) return;
  } else {
    flow.proxyPort = Math.max(0, event.verdict);
  }
  flow.policyMatchType = event.matchType;
  const { cookie, revision, matchType } = event;
  attributePolicies(
    flow,
    { cookie, revision, denied: reason !== 0 || event.audited, matched: matchType !== MatchType.None },
    context,
  );
}
