import { create } from "@bufbuild/protobuf";
import {
  DropReason,
  type EventTypeFilter,
  EventTypeFilterSchema,
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
import { RESERVED_NAMES, TRACE_POINT_NAMES } from "../../flow/print/index.ts";
import { UsageError } from "../cobra/flags.ts";

/** Event types by the names that `--type` takes. */
export const EVENT_TYPE_NAMES: Readonly<Record<string, number>> = {
  drop: EventType.Drop,
  debug: EventType.Debug,
  capture: EventType.Capture,
  trace: EventType.Trace,
  "policy-verdict": EventType.PolicyVerdict,
  "trace-sock": 7,
  l7: EventType.L7,
  agent: EventType.Agent,
};

function enumValue<T extends number>(values: object, flag: string, text: string): T {
  const value: unknown = /^\d+$/.test(text) ? undefined : (values as Record<string, unknown>)[text];
  if (typeof value === "number") return value as T;
  const names = Object.keys(values).filter((name) => !/^\d+$/.test(name));
  throw new UsageError(`invalid --${flag} value: ${text}${names.length > 20 ? "" : ` (one of ${names.join(", ")})`}`);
}

export const verdictValue = (text: string): Verdict => enumValue(Verdict, "verdict", text);
export const dropReasonValue = (text: string): DropReason => enumValue(DropReason, "drop-reason-desc", text);

export function directionValue(text: string): TrafficDirection {
  if (text.toLowerCase() === "ingress") return TrafficDirection.INGRESS;
  if (text.toLowerCase() === "egress") return TrafficDirection.EGRESS;
  throw new UsageError(`${text}: invalid traffic direction, expected ingress or egress`);
}

export function ipVersionValue(text: string): IPVersion {
  const versions: Readonly<Record<string, IPVersion>> = {
    none: IPVersion.IP_NOT_USED,
    v4: IPVersion.IPv4,
    v6: IPVersion.IPv6,
  };
  const version = versions[text.toLowerCase()];
  if (version === undefined) throw new UsageError(`invalid --ip-version value: ${text} (one of none, v4, v6)`);
  return version;
}

function subTypeValue(type: number, text: string): number {
  const named = type === EventType.Trace ? TRACE_POINT_NAMES.indexOf(text) : -1;
  if (named >= 0) return named;
  if (/^\d{1,3}$/.test(text)) return Number(text);
  throw new UsageError(
    `unable to parse event sub-type ${JSON.stringify(text)}: a number, or for trace one of ${TRACE_POINT_NAMES.join(", ")}`,
  );
}

/** `drop`, `trace:to-overlay`, `4`, `1:133` */
export function eventTypeValue(text: string): EventTypeFilter {
  const colon = text.indexOf(":");
  const name = colon < 0 ? text : text.slice(0, colon);
  const type = EVENT_TYPE_NAMES[name] ?? (/^\d{1,3}$/.test(name) ? Number(name) : undefined);
  if (type === undefined) {
    throw new UsageError(
      `unknown event type ${JSON.stringify(name)}: one of ${Object.keys(EVENT_TYPE_NAMES).join(", ")}, or a number`,
    );
  }
  const subType = colon < 0 ? undefined : subTypeValue(type, text.slice(colon + 1));
  return create(EventTypeFilterSchema, { type, matchSubType: subType !== undefined, subType: subType ?? 0 });
}

/** `syn,ack`: all of them must be set. */
export function tcpFlagsValue(text: string): TCPFlags {
  const flags = create(TCPFlagsSchema);
  for (const name of text.split(",")) {
    const flag = TCP_FLAG_ORDER.find((one) => one === name.trim().toUpperCase());
    if (!flag) throw new UsageError(`unknown tcp flag: ${name}`);
    flags[flag] = true;
  }
  return flags;
}

/** A number or a reserved name. */
export function identityValue(text: string): number {
  if (/^\d{1,10}$/.test(text) && Number(text) <= 0xffffffff) return Number(text);
  const reserved = Object.entries(RESERVED_NAMES).find(([, name]) => name === text);
  if (reserved) return Number(reserved[0]);
  throw new UsageError(
    `invalid identity ${JSON.stringify(text)}: a number or one of ${Object.values(RESERVED_NAMES).join(", ")}`,
  );
}

/** `name`, `Kind/name`, `Kind/` */
export function workloadValue(text: string): Workload {
  const slash = text.indexOf("/");
  if (slash < 0) return create(WorkloadSchema, { name: text });
  return create(WorkloadSchema, { kind: text.slice(0, slash), name: text.slice(slash + 1) });
}

export function httpHeaderValue(text: string): { key: string; value: string } {
  const colon = text.indexOf(":");
  if (colon <= 0) throw new UsageError(`invalid http-header ${JSON.stringify(text)}: want key:value`);
  return { key: text.slice(0, colon), value: text.slice(colon + 1).trim() };
}
