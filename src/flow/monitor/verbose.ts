import { type DatapathEvent, EventType } from "../decode/event.ts";
import { decodePacket } from "../decode/packet.ts";
import { dropReasonText } from "../drop-reason.ts";
import { TRACE_POINT_NAMES } from "../print/names.ts";
import { hexDump } from "./hex.ts";
import { layerLines } from "./layers.ts";
import { verdictLine } from "./line.ts";
import { hexNumber, identityPair, type MonitorOptions, stateText } from "./names.ts";

const SEPARATOR = "-".repeat(78);

function heading(event: DatapathEvent, options: MonitorOptions): string {
  const from = `MARK ${hexNumber(event.hash)} FROM ${event.endpoint}`;
  const target = event.destinationEndpoint === 0 ? "" : `, to endpoint ${event.destinationEndpoint}`;
  if (event.type === EventType.Drop) {
    return `${from} DROP: ${event.originalLength} bytes, reason ${dropReasonText(event.subtype)}, identity ${identityPair(event, options)}${target}`;
  }
  const point = TRACE_POINT_NAMES[event.subtype] ?? String(event.subtype);
  const device = event.ifindex === 0 ? "" : `interface ${options.interfaceName(event.ifindex)}, `;
  const original = event.originalAddress === "" ? "" : `, orig-ip ${event.originalAddress}`;
  return `${from} ${point}: ${event.originalLength} bytes (${event.packet.length} captured), state ${stateText(event)}, ${device}, identity ${identityPair(event, options)}${original}${target}`;
}

/** What -v prints: a line about the event and one a layer, or the bytes in hex. Verdicts keep their one line. */
export function verboseLines(event: DatapathEvent, options: MonitorOptions & { readonly hex: boolean }): string[] {
  if (event.type === EventType.PolicyVerdict) return [verdictLine(event, options)];
  const body = options.hex ? hexDump(event.packet) : layerLines(decodePacket(event.packet));
  return [SEPARATOR, heading(event, options), ...body];
}
