import { type LostEvent, LostEventSource } from "../../../proto/gen/flow_pb.js";
import { enumName } from "./names.ts";
import { formatTime, type TimeFormat } from "./time.ts";

export const lostSource = (lost: LostEvent) => enumName(LostEventSource, lost.source);

/** `CPU(0) - 12`, with the first and last time when both are known; the separator differs between the formats. */
export function lostSummary(lost: LostEvent, separator: string, timeFormat: TimeFormat): string {
  const range =
    lost.first && lost.last
      ? ` (first: ${formatTime(lost.first, timeFormat)}, last: ${formatTime(lost.last, timeFormat)})`
      : "";
  return `CPU(${lost.cpu ?? 0})${separator}${lost.numEventsLost}${range}`;
}
