import { create } from "@bufbuild/protobuf";
import {
  type Flow,
  FlowSchema,
  FlowType,
  IPVersion,
  L7FlowType,
  TrafficDirection,
  Verdict,
} from "../../proto/gen/flow_pb.js";
import type { AccessRecord } from "../model/access-record.ts";
import type { FlowContext } from "./context.ts";
import { EventType } from "./decode/event.ts";
import { Protocol } from "./decode/packet.ts";
import { dnsOfFlow, dnsSummary } from "./dns.ts";
import { describeEndpoint, describeService, type FlowEnd, namesKnownBy } from "./endpoint.ts";
import { timestampFromNs } from "./flow.ts";
import { httpSummary, tlsSummary } from "./summary.ts";

const VERDICTS = { forwarded: Verdict.FORWARDED, denied: Verdict.DROPPED, error: Verdict.ERROR } as const;
const NS_PER_MS = 1_000_000;

/** Turns what the proxy judged into an L7 flow; in a response's flow the server is the source. */
export function accessRecordToFlow(record: AccessRecord, context: FlowContext): Flow {
  const response = record.type === "response";
  const ends = recordEnds(record);
  const from = response ? ends.server : ends.client;
  const to = response ? ends.client : ends.server;
  const source = describeEndpoint(from, context);
  const destination = describeEndpoint(to, context);
  const traceId = traceIdOf(record);
  const transport = record.dns?.transport === "udp" ? Protocol.UDP : Protocol.TCP;
  return create(FlowSchema, {
    time: timestampFromNs(nanosecondsOf(record.timeMs)),
    uuid: context.newUuid(),
    nodeName: context.nodeName,
    emitter: { name: "Hubble" },
    Type: FlowType.L7,
    verdict: VERDICTS[record.verdict],
    eventType: { type: EventType.L7 },
    trafficDirection: record.direction === "ingress" ? TrafficDirection.INGRESS : TrafficDirection.EGRESS,
    isReply: response,
    reply: response,
    IP: {
      source: from.address,
      destination: to.address,
      ipVersion: from.address.includes(":") ? IPVersion.IPv6 : IPVersion.IPv4,
    },
    l4: {
      protocol: {
        case: record.dns?.transport === "udp" ? "UDP" : "TCP",
        value: { sourcePort: from.port, destinationPort: to.port },
      },
    },
    source,
    destination,
    sourceNames: namesKnownBy(destination, from.address, context),
    destinationNames: namesKnownBy(source, to.address, context),
    sourceService: describeService(from, transport, context),
    destinationService: describeService(to, transport, context),
    l7: layer7Of(record),
    ...(traceId !== "" && { traceContext: { parent: { traceId } } }),
    Summary: summaryOf(record),
  });
}

/** Whole milliseconds first: a product of today's milliseconds and a million no longer fits a double. */
function nanosecondsOf(timeMs: number): bigint {
  const whole = Math.floor(timeMs);
  return BigInt(whole) * BigInt(NS_PER_MS) + BigInt(Math.round((timeMs - whole) * NS_PER_MS));
}

function recordEnds(record: AccessRecord): { client: FlowEnd; server: FlowEnd } {
  const ingress = record.direction === "ingress";
  return {
    client: {
      address: record.sourceAddress,
      port: record.sourcePort,
      identity: record.sourceIdentity,
      endpointId: ingress ? 0 : record.endpointId,
    },
    server: {
      address: record.destinationAddress,
      port: record.destinationPort,
      identity: record.destinationIdentity,
      endpointId: ingress ? record.endpointId : 0,
    },
  };
}

function summaryOf(record: AccessRecord): string {
  if (record.tls !== undefined) return tlsSummary(record.tls, record.reason);
  if (record.dns !== undefined) return dnsSummary(record.type, record.dns);
  return httpSummary({ ...record, status: record.type === "response" ? record.status : 0 });
}

function layer7Of(record: AccessRecord) {
  const response = record.type === "response";
  const layer7 = {
    type: response ? L7FlowType.RESPONSE : L7FlowType.REQUEST,
    latencyNs: response ? BigInt(Math.round(record.latencyMs * NS_PER_MS)) : 0n,
  };
  if (record.tls !== undefined) return layer7;
  if (record.dns !== undefined)
    return { ...layer7, record: { case: "dns" as const, value: dnsOfFlow(record.type, record.dns) } };
  return {
    ...layer7,
    record: {
      case: "http" as const,
      value: {
        code: response ? record.status : 0,
        method: record.method,
        url: record.url,
        protocol: record.protocol,
        headers: record.headers.map(({ name, value }) => ({ key: name, value })),
      },
    },
  };
}

/** The trace id of a W3C `traceparent` header, empty when there is none. */
function traceIdOf(record: AccessRecord): string {
  const header = record.headers.find(({ name }) => name.toLowerCase() === "traceparent");
  return /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$/.exec(header?.value ?? "")?.[1] ?? "";
}
