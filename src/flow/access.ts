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
import { emitterOf, timestampFromNs } from "./flow.ts";
import { attributeRules } from "./policies.ts";
import { redactRecord } from "./redaction.ts";
import { httpSummary, tlsSummary } from "./summary.ts";
import { TraceContexts } from "./trace-context.ts";

const VERDICTS = { forwarded: Verdict.FORWARDED, denied: Verdict.DROPPED, error: Verdict.ERROR } as const;
const NS_PER_MS = 1_000_000;

/**
 * Turns what the proxy judged into an L7 flow; in a response's flow the server is the source. Secrets are hidden as the context says;
 * `traces` knows the requests that responses belong to.
 */
export function accessRecordToFlow(told: AccessRecord, context: FlowContext, traces = new TraceContexts()): Flow {
  const traceId = traces.idOf(told);
  const record = redactRecord(told, context.redaction());
  const response = record.type === "response";
  const ends = recordEnds(record);
  const from = response ? ends.server : ends.client;
  const to = response ? ends.client : ends.server;
  const source = describeEndpoint(from, context);
  const destination = describeEndpoint(to, context);
  const transport = record.dns?.transport === "udp" ? Protocol.UDP : Protocol.TCP;
  const flow = create(FlowSchema, {
    time: timestampFromNs(nanosecondsOf(record.timeMs)),
    uuid: context.newUuid(),
    nodeName: context.nodeName,
    nodeLabels: context.nodeLabels() as string[],
    emitter: emitterOf(context.version),
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
  const rules = context.requestRules(told);
  if (rules !== undefined) attributeRules(flow, rules, record.verdict === "denied");
  return flow;
}

/** The flow of a request that passed and that nobody could read. */
export function unreadFlow(record: AccessRecord, context: FlowContext): Flow {
  const flow = accessRecordToFlow(record, context);
  if (flow.l7 !== undefined) flow.l7.record = { case: undefined };
  flow.Summary = "";
  return flow;
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
        headers: headersOf(record),
      },
    },
  };
}

/** Of a header's name; others stay as they are. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9a-zA-Z-]+$/;

/** `content-type` as `Content-Type`. */
function canonicalName(name: string): string {
  if (!TOKEN.test(name)) return name;
  return name.toLowerCase().replace(/(^|-)[a-z]/g, (letter) => letter.toUpperCase());
}

/** By name, and those of one name in their order; names are written as Hubble's clients ask for them. */
function headersOf({ headers }: AccessRecord): { key: string; value: string }[] {
  const named = headers.map(({ name, value }) => ({ key: canonicalName(name), value }));
  return named.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
}
