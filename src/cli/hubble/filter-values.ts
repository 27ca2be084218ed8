import { create } from "@bufbuild/protobuf";
import {
  DropReason,
  type EventTypeFilter,
  EventTypeFilterSchema,
  type HTTPHeader,
  HTTPHeaderSchema,
  IPVersion,
  type TCPFlags,
  TCPFlagsSchema,
  TrafficDirection,
  Verdict,
  type Workload,
  WorkloadSchema,
} from "../../../proto/gen/flow_pb.js";
import { EventType } from "../../flow/decode/event.ts";
import { TCP_FLAG_ORDER } from "../../flow/decode/packet.ts";
import { quoteGo, RESERVED_NAMES, TRACE_POINT_NAMES } from "../../flow/print/index.ts";
import { UsageError } from "../cobra/flags.ts";
import { parseUint } from "../cobra/values.ts";

/** Event types by the names that `--type` takes. */
const EVENT_TYPES: Readonly<Record<string, number>> = {
  drop: EventType.Drop,
  debug: EventType.Debug,
  capture: EventType.Capture,
  trace: EventType.Trace,
  "policy-verdict": EventType.PolicyVerdict,
  "trace-sock": 7,
  l7: EventType.L7,
  agent: EventType.Agent,
};

/** Sub-types of agent events by the names that `--type agent:…` takes. */
const AGENT_EVENTS: readonly string[] = [
  "unspecified",
  "message",
  "agent-started",
  "endpoint-regenerate-success",
  "endpoint-regenerate-failure",
  "policy-updated",
  "policy-deleted",
  "endpoint-created",
  "endpoint-deleted",
  "ipcache-upserted",
  "ipcache-deleted",
];

function enumValue<T extends number>(values: object, flag: string, text: string): T {
  const value: unknown = /^\d+$/.test(text) ? undefined : (values as Record<string, unknown>)[text];
  if (typeof value === "number") return value as T;
  throw new UsageError(`invalid --${flag} value: ${text}`);
}

export const verdictValue = (text: string): Verdict => enumValue(Verdict, "verdict", text);

export function dropReasonValue(text: string): DropReason {
  if (text === "") throw new UsageError("empty --drop-reason-desc value");
  return enumValue(DropReason, "drop-reason-desc", text);
}

export function directionValue(text: string): TrafficDirection {
  const name = text.toLowerCase();
  if (name === "ingress") return TrafficDirection.INGRESS;
  if (name === "egress") return TrafficDirection.EGRESS;
  throw new UsageError(`${name}: invalid traffic direction, expected ingress or egress`);
}

/** Any other word is a flow without an IP layer. */
export function ipVersionValue(text: string): IPVersion {
  const match = /^(?:v|ip|ipv)?([46])$/.exec(text.toLowerCase());
  if (!match) return IPVersion.IP_NOT_USED;
  return match[1] === "4" ? IPVersion.IPv4 : IPVersion.IPv6;
}

function numberOf(what: string, text: string): number {
  try {
    return Number(parseUint(text, 32, 10)) | 0;
  } catch (error) {
    const names = what === "type" ? "a known type name" : "a known sub-type name";
    const label = what === "type" ? "type" : "event sub-type";
    throw new UsageError(
      `unable to parse ${label} '${text}', not ${names} and unable to parse as numeric value: ${(error as Error).message}`,
    );
  }
}

function subTypeValue(type: number | undefined, text: string): number {
  const names = type === EventType.Trace ? TRACE_POINT_NAMES : type === EventType.Agent ? AGENT_EVENTS : [];
  const named = names.indexOf(text);
  return named >= 0 ? named : numberOf("sub-type", text);
}

/** `drop`, `trace:to-overlay`, `4`, `1:133`; names of sub-types only after a name. */
export function eventTypeValue(text: string): EventTypeFilter {
  const [name = "", ...rest] = text.split(":");
  const named = Object.hasOwn(EVENT_TYPES, name) ? EVENT_TYPES[name] : undefined;
  const type = named ?? numberOf("type", name);
  if (rest.length === 0) return create(EventTypeFilterSchema, { type });
  return create(EventTypeFilterSchema, { type, matchSubType: true, subType: subTypeValue(named, rest.join(":")) });
}

/** `syn,ack`: all of them must be set. */
export function tcpFlagsValue(text: string): TCPFlags {
  const flags = create(TCPFlagsSchema);
  for (const name of text.split(",")) {
    const flag = TCP_FLAG_ORDER.find((one) => one === name.toUpperCase());
    if (!flag) throw new UsageError(`unknown tcp flag: ${name}`);
    flags[flag] = true;
  }
  return flags;
}

/** Names that `--identity` takes: every reserved identity but the unknown one. */
export const IDENTITY_NAMES: readonly string[] = Object.entries(RESERVED_NAMES)
  .filter(([identity]) => identity !== "0")
  .map(([, name]) => name);

/** A number or a reserved name. */
export function identityValue(text: string): number {
  const reserved = Object.entries(RESERVED_NAMES).find(([, name]) => name === text);
  if (reserved && reserved[0] !== "0") return Number(reserved[0]);
  try {
    return Number(parseUint(text, 32));
  } catch {
    throw new UsageError(`invalid security identity, expected one of [${IDENTITY_NAMES.join(" ")}] or a numeric value`);
  }
}

export function ipTraceIdValue(text: string): bigint {
  if (text === "0") throw new UsageError("invalid --ip-trace-id value; must be greater than 0");
  try {
    return parseUint(text, 64, 10);
  } catch (error) {
    throw new UsageError(`invalid --ip-trace-id value: ${(error as Error).message}`);
  }
}

/** `name`, `Kind/name`, `Kind/` */
export function workloadValue(text: string): Workload {
  const slash = text.indexOf("/");
  if (slash < 0) return create(WorkloadSchema, { name: text });
  return create(WorkloadSchema, { kind: text.slice(0, slash), name: text.slice(slash + 1) });
}

export function httpHeaderValue(text: string): HTTPHeader {
  const colon = text.indexOf(":");
  if (colon < 0) throw new UsageError(`invalid http-header value ${quoteGo(text)}, expected name:value`);
  return create(HTTPHeaderSchema, { key: text.slice(0, colon), value: text.slice(colon + 1) });
}
