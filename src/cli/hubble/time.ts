import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { UsageError } from "../cobra/flags.ts";
import { parseDuration } from "../cobra/values.ts";

const ZONE = "(Z|[+-]\\d{2}:\\d{2})";
const DATE = "(\\d{4}-\\d{2}-\\d{2})";
const LAYOUTS: readonly RegExp[] = [
  new RegExp(`^${DATE}$`),
  new RegExp(`^${DATE}T(\\d{2})${ZONE}$`),
  new RegExp(`^${DATE}T(\\d{2}:\\d{2})${ZONE}$`),
  new RegExp(`^${DATE}T(\\d{2}:\\d{2}:\\d{2})(?:[.,](\\d+))?${ZONE}$`),
];

/** Milliseconds of a date that there is; undefined of one such as 30 February. */
function dateMs(date: string, clock: string, zone: string): number | undefined {
  const local = Date.parse(`${date}T${clock}Z`);
  if (Number.isNaN(local) || !new Date(local).toISOString().startsWith(`${date}T${clock}`)) return undefined;
  const ms = Date.parse(`${date}T${clock}${zone}`);
  return Number.isNaN(ms) ? undefined : ms;
}

function isoTime(text: string): Timestamp | undefined {
  for (const layout of LAYOUTS) {
    const match = layout.exec(text);
    if (!match) continue;
    const [date = "", clock = "00", ...rest] = match.slice(1);
    const zone = rest.at(-1) ?? "Z";
    const ms = dateMs(date, clock.padEnd(8, ":00").slice(0, 8), zone);
    const fraction = rest.length === 2 ? (rest[0] ?? "") : "";
    return ms === undefined ? undefined : stamp(ms / 1000, Number(fraction.padEnd(9, "0").slice(0, 9)));
  }
  return undefined;
}

function namedTime(text: string): Timestamp | undefined {
  const form = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} [+-]\d{4}$/;
  const ms = form.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(ms) ? undefined : stamp(ms / 1000, 0);
}

function agoTime(text: string, nowMs: number): Timestamp | undefined {
  try {
    const ms = nowMs - parseDuration(text) / 1e6;
    const seconds = Math.floor(ms / 1000);
    return stamp(seconds, Math.round((ms - seconds * 1000) * 1e6));
  } catch {
    return undefined;
  }
}

/** `3s` before now, or a date in one of hubble's layouts. Throws UsageError otherwise. */
export function parseTime(text: string, nowMs: number): Timestamp {
  const time = agoTime(text, nowMs) ?? isoTime(text) ?? namedTime(text);
  if (time) return time;
  throw new UsageError(`failed to convert ${text} to time`);
}

function stamp(seconds: number, nanos: number): Timestamp {
  return { $typeName: "google.protobuf.Timestamp", seconds: BigInt(seconds), nanos: Math.min(nanos, 999_999_999) };
}
