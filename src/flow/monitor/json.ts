import { escapeJson } from "../../model/json-escape.ts";
import { type DatapathEvent, EventType } from "../decode/event.ts";
import { decodePacket, type Packet } from "../decode/packet.ts";
import { dropReasonText } from "../drop-reason.ts";
import { TRACE_POINT_NAMES } from "../print/names.ts";
import { layerLines } from "./layers.ts";
import { traceSummary, traceTarget, verdictLine } from "./line.ts";
import { hexNumber, type MonitorOptions, stateText } from "./names.ts";

/** Layer lines by name, and the ends of layers 2 to 4. */
function summary(packet: Packet): object {
  const layers = layerLines(packet).map((line) => {
    const [name = "", fields = ""] = line.split("\t");
    return [name.toLowerCase(), fields] as const;
  });
  const ports = packet.tcp ?? packet.udp ?? packet.sctp;
  return {
    ...Object.fromEntries(layers.filter(([name]) => name !== "payload")),
    ...(packet.ethernet && { l2: { src: packet.ethernet.source, dst: packet.ethernet.destination } }),
    ...(packet.ip && { l3: { src: packet.ip.source, dst: packet.ip.destination } }),
    ...(ports && { l4: { src: String(ports.sourcePort), dst: String(ports.destinationPort) } }),
  };
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
  const packet = { summary: summary(decodePacket(event.packet)) };
  if (event.type === EventType.Drop) {
    const place = { Line: event.sourceLine, File: 0, ExtError: 0, Ifindex: event.ifindex };
    const reason = dropReasonText(event.subtype);
    return goJson({ type: "drop", mark, reason, ...ends, dstID: event.destinationEndpoint, ...place, ...packet });
  }
  return goJson({
    ...{ type: "trace", mark, ifindex: options.interfaceName(event.ifindex), state: stateText(event) },
    observationPoint: TRACE_POINT_NAMES[event.subtype] ?? String(event.subtype),
    traceSummary: traceSummary(event),
    ...{ ...ends, dstID: traceTarget(event), IpTraceID: 0, ...packet },
  });
}
