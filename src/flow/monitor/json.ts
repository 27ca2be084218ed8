import { escapeJson } from "../../model/json-escape.ts";
import { type DatapathEvent, EventType } from "../decode/event.ts";
import { dropReasonText } from "../drop-reason.ts";
import { TRACE_POINT_NAMES } from "../print/names.ts";
import { dissect, lastOf } from "./dissect.ts";
import { type LayerName, layerFields } from "./layer.ts";
import { traceSummary, traceTarget, verdictLine } from "./line.ts";
import { cpuText, hexNumber, type MonitorOptions, stateText } from "./names.ts";

const SUMMARY_ORDER: readonly LayerName[] = [
  ...(["Ethernet", "IPv4", "IPv6", "TCP", "UDP", "SCTP", "ICMPv4", "ICMPv6", "VRRP", "IGMP"] as const),
];

/** The layers' texts by name, and the ends of layers 2 to 4; nothing of a packet that cannot be read. */
function summary(packet: Uint8Array): object {
  const dissection = dissect(packet);
  if (packet.length === 0 || dissection.fault !== "") return {};
  const layers = [...lastOf(dissection).values()];
  const texts = SUMMARY_ORDER.flatMap((name) => layers.filter((layer) => layer.name === name)).map((layer) => [
    layer.name.toLowerCase(),
    `${layer.name}\t${layerFields(layer)}`,
  ]);
  const ends = layers.flatMap(({ name, ends }) =>
    ends ? [[name === "Ethernet" ? "l2" : name.startsWith("IP") ? "l3" : "l4", { src: ends[0], dst: ends[1] }]] : [],
  );
  return { summary: Object.fromEntries([...texts, ...ends]) };
}

const goJson = (value: object) => escapeJson(JSON.stringify(value));

/** An event as -j prints it: an object, but the line for policy verdicts, which have no JSON form. */
export function monitorJson(event: DatapathEvent, options: MonitorOptions): string {
  if (event.type === EventType.PolicyVerdict) return verdictLine(event, options);
  const mark = hexNumber(event.hash);
  const ends = {
    source: event.endpoint,
    bytes: event.originalLength,
    srcLabel: event.sourceIdentity,
    dstLabel: event.destinationIdentity,
  };
  const packet = summary(event.packet);
  const cpu = cpuText(event.cpu);
  if (event.type === EventType.Drop) {
    const place = { Line: event.sourceLine, File: 0, ExtError: 0, Ifindex: event.ifindex };
    const reason = dropReasonText(event.subtype);
    return goJson({ cpu, type: "drop", mark, reason, ...ends, dstID: event.destinationEndpoint, ...place, ...packet });
  }
  return goJson({
    ...{ cpu, type: "trace", mark, ifindex: options.interfaceName(event.ifindex), state: stateText(event) },
    observationPoint: TRACE_POINT_NAMES[event.subtype] ?? String(event.subtype),
    traceSummary: traceSummary(event),
    ...{ ...ends, dstID: traceTarget(event), IpTraceID: 0, ...packet },
  });
}
