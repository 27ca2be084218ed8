import { type Flow, TrafficDirection } from "../../../proto/gen/flow_pb.js";
import { EventType } from "../../flow/index.ts";
import { enumName } from "../../flow/print/names.ts";

/** What DNS answers are called, by their code; others have no name. */
export const RCODE_NAMES: Readonly<Record<number, string>> = {
  0: "No Error",
  1: "Format Error",
  2: "Server Failure",
  3: "Non-Existent Domain",
  4: "Not Implemented",
  5: "Query Refused",
  6: "Name Exists when it should not",
  7: "RR Set Exists when it should not",
  8: "RR Set that should exist does not",
  9: "Not Authorized",
  10: "Name not contained in zone",
  11: "DSO-TYPE Not Implemented",
  16: "Bad OPT Version",
  17: "Key not recognized",
  18: "Signature out of time window",
  19: "Bad TKEY Mode",
  20: "Duplicate key name",
  21: "Algorithm not supported",
  22: "Bad Truncation",
  23: "Bad/missing Server Cookie",
};

/** `DNS` or `HTTP`; empty for what Cilium has no word for. */
export function layer7Name(flow: Flow): "DNS" | "HTTP" | "" {
  const record = flow.l7?.record.case;
  return record === "dns" ? "DNS" : record === "http" ? "HTTP" : "";
}

const PACKET_EVENTS: ReadonlySet<number> = new Set([
  EventType.Drop,
  EventType.Trace,
  EventType.PolicyVerdict,
  EventType.Capture,
]);

/** The label `protocol` of the metrics that count flows of all kinds. */
export function protocolName(flow: Flow): string {
  const type = flow.eventType?.type ?? 0;
  if (type === EventType.L7) return layer7Name(flow) || "Unknown L7";
  if (PACKET_EVENTS.has(type)) return flow.l4?.protocol.case ?? "Unknown L4";
  return "Unknown flow";
}

/** Who saw an HTTP exchange: the proxy of the client's node, or of the server's. */
export function reporterName({ trafficDirection }: Flow): string {
  if (trafficDirection === TrafficDirection.EGRESS) return "client";
  return trafficDirection === TrafficDirection.INGRESS ? "server" : "unknown";
}

/** `ingress`, `egress`, `traffic_direction_unknown` */
export function directionName({ trafficDirection }: Flow): string {
  return enumName(TrafficDirection, trafficDirection).toLowerCase();
}
