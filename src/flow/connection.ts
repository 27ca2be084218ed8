import { create } from "@bufbuild/protobuf";
import {
  CiliumEventTypeSchema,
  type Flow,
  FlowSchema,
  FlowType,
  IPVersion,
  TraceObservationPoint,
  TraceReason,
  TrafficDirection,
  Verdict,
} from "../../proto/gen/flow_pb.js";
import type { Direction } from "../model/verdict.ts";
import type { FlowContext } from "./context.ts";
import { EventType, TracePoint } from "./decode/event.ts";
import { Protocol } from "./decode/packet.ts";
import { describeEndpoint, namesKnownBy } from "./endpoint.ts";
import { emitterOf, timestampFromNs } from "./flow.ts";

/** A connection that stands; its ends are those of its first packet. */
export interface StandingConnection {
  /** Of the endpoint that tracks it. */
  readonly direction: Direction;
  /** IANA number of TCP, UDP or SCTP. */
  readonly protocol: number;
  readonly source: string;
  readonly sourcePort: number;
  readonly destination: string;
  readonly destinationPort: number;
  /** Of who opened it. */
  readonly sourceIdentity: number;
}

const LAYERS = { [Protocol.TCP]: "TCP", [Protocol.UDP]: "UDP", [Protocol.SCTP]: "SCTP" } as const;

/** The flow that a packet of the connection would make where it is delivered, or leaves its pod; `timeNs` since the epoch. Undefined = of another protocol. */
export function connectionFlow(connection: StandingConnection, context: FlowContext, timeNs: bigint): Flow | undefined {
  const { direction, protocol, source: from, destination: to, sourcePort, destinationPort } = connection;
  const layer = LAYERS[protocol as keyof typeof LAYERS];
  if (layer === undefined) return undefined;
  const isIngress = direction === "ingress";
  const ends = { endpointId: 0, port: 0 };
  const source = describeEndpoint({ ...ends, address: from, identity: connection.sourceIdentity }, context);
  const destination = describeEndpoint({ ...ends, address: to, identity: 0 }, context);
  return create(FlowSchema, {
    time: timestampFromNs(timeNs),
    uuid: context.newUuid(),
    nodeName: context.nodeName,
    emitter: emitterOf(context.version),
    Type: FlowType.L3_L4,
    verdict: Verdict.FORWARDED,
    eventType: create(CiliumEventTypeSchema, {
      type: EventType.Trace,
      subType: isIngress ? TracePoint.ToEndpoint : TracePoint.ToStack,
    }),
    traceObservationPoint: isIngress ? TraceObservationPoint.TO_ENDPOINT : TraceObservationPoint.TO_STACK,
    traceReason: TraceReason.ESTABLISHED,
    trafficDirection: isIngress ? TrafficDirection.INGRESS : TrafficDirection.EGRESS,
    isReply: false,
    IP: { source: from, destination: to, ipVersion: from.includes(":") ? IPVersion.IPv6 : IPVersion.IPv4 },
    l4: { protocol: { case: layer, value: { sourcePort, destinationPort } } },
    source,
    destination,
    sourceNames: namesKnownBy(destination, from, context),
    destinationNames: namesKnownBy(source, to, context),
  });
}
