import { type DatapathEvent, EventType, TracePoint } from "../decode/event.ts";
import { dropReasonText } from "../drop-reason.ts";
import { TRACE_POINT_NAMES } from "../print/names.ts";
import { layerLines } from "./dissect.ts";
import { hexDump } from "./hex.ts";
import { originalAddress, traceTarget, verdictLine } from "./line.ts";
import { cpuText, hexNumber, identityPair, type MonitorOptions, stateText } from "./names.ts";

const SEPARATOR = "-".repeat(78);

function heading(event: DatapathEvent, options: MonitorOptions): string {
  const from = `${cpuText(event.cpu)} MARK ${hexNumber(event.hash)} FROM ${event.endpoint}`;
  const identities =
    event.sourceIdentity === 0 && event.destinationIdentity === 0 ? "" : `, identity ${identityPair(event, options)}`;
  if (event.type === EventType.Drop) {
    const target = event.destinationEndpoint === 0 ? "" : `, to endpoint ${event.destinationEndpoint}`;
    return `${from} DROP: ${event.originalLength} bytes, reason ${dropReasonText(event.subtype)}${identities}${target}`;
  }
  const point = TRACE_POINT_NAMES[event.subtype] ?? String(event.subtype);
  const device = event.ifindex === 0 ? "" : `, interface ${options.interfaceName(event.ifindex)}`;
  const number = traceTarget(event);
  const kind = event.subtype === TracePoint.ToProxy ? "proxy-port" : "endpoint";
  const target = number === 0 ? "" : `, to ${kind} ${number}`;
  return `${from} ${point}: ${event.originalLength} bytes (${event.packet.length} captured), state ${stateText(event)}${device}${identities === "" ? "" : `, ${identities}`}, orig-ip ${originalAddress(event)}${target}`;
}

/**
 * What -v -v prints: a line about the event and one a layer, or the bytes in hex. Verdicts keep their one line. Of drops Cilium 1.20
 * prints the bytes without --hex and the layers with it, the wrong way round; so does this, for scripts read it.
 */
export function verboseLines(event: DatapathEvent, options: MonitorOptions & { readonly hex: boolean }): string[] {
  if (event.type === EventType.PolicyVerdict) return [verdictLine(event, options)];
  const isHex = options.hex !== (event.type === EventType.Drop);
  const body = isHex ? hexDump(event.packet) : layerLines(event.packet);
  return [SEPARATOR, heading(event, options), ...body];
}
