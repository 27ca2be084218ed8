import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { UsageError } from "../cobra/flags.ts";

const UNIT_NS: Readonly<Record<string, number>> = { ns: 1, us: 1e3, µs: 1e3, ms: 1e6, s: 1e9, m: 60e9, h: 3600e9 };

/** Nanoseconds of a Go duration such as `1h43m` or `250ms`; undefined when it is none. */
export function durationNs(text: string): number | undefined {
  if (!/^([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h)(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h))*$/.test(text))
    return undefined;
  return [...text.matchAll(/([0-9.]+)(ns|us|µs|ms|s|m|h)/g)].reduce(
    (total, [, count, unit]) => total + Number(count) * (UNIT_NS[unit ?? ""] ?? 0),
    0,
  );
}

/** A flag's duration in milliseconds. Throws UsageError when it is none. */
export function durationMs(flag: string, text: string): number {
  const ns = durationNs(text);
  if (ns === undefined)
    throw new UsageError(
      `invalid argument ${JSON.stringify(text)} for "--${flag}" flag: time: invalid duration ${JSON.stringify(text)}`,
    );
  return ns / 1e6;
}

const ZONE = "(Z|[+-]\\d{2}:\\d{2})";
const LAYOUTS: readonly RegExp[] = [
  /^(\d{4}-\d{2}-\d{2})$/,
  new RegExp(`^(\\d{4}-\\d{2}-\\d{2})T(\\d{2})${ZONE}$`),
  new RegExp(`^(\\d{4}-\\d{2}-\\d{2})T(\\d{2}:\\d{2})${ZONE}$`),
  new RegExp(`^(\\d{4}-\\d{2}-\\d{2})T(\\d{2}:\\d{2}:\\d{2})(?:\\.(\\d{1,9}))?${ZONE}$`),
];

function isoParts(text: string): { seconds: number; nanos: number } | undefined {
  for (const layout of LAYOUTS) {
    const match = layout.exec(text);
    if (!match) continue;
    const groups = match.slice(1);
    const zone = groups.length > 1 ? (groups.at(-1) ?? "Z") : "Z";
    const clock = groups.length > 1 ? (groups[1] ?? "") : "00";
    const hms = clock.padEnd(8, ":00").slice(0, 8);
    const ms = Date.parse(`${groups[0]}T${hms}${zone}`);
    if (Number.isNaN(ms)) return undefined;
    const fraction = groups.length === 4 ? (groups[2] ?? "") : "";
    return { seconds: ms / 1000, nanos: Number(fraction.padEnd(9, "0")) };
  }
  return undefined;
}

function rfc1123z(text: string): number | undefined {
  const form = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} [+-]\d{4}$/;
  const ms = form.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(ms) ? undefined : ms / 1000;
}

/** `3s` before now, or a date in one of hubble's layouts. Throws UsageError otherwise. */
export function parseTime(text: string, nowMs: number): Timestamp {
  const ago = durationNs(text);
  const iso = ago === undefined ? isoParts(text) : undefined;
  const named = rfc1123z(text);
  if (ago !== undefined) {
    const ms = nowMs - ago / 1e6;
    const seconds = Math.floor(ms / 1000);
    return stamp(seconds, Math.round((ms - seconds * 1000) * 1e6));
  }
  if (iso) return stamp(iso.seconds, iso.nanos);
  if (named !== undefined) return stamp(named, 0);
  throw new UsageError(`failed to convert ${text} to time`);
}

function stamp(seconds: number, nanos: number): Timestamp {
  return { $typeName: "google.protobuf.Timestamp", seconds: BigInt(seconds), nanos: Math.min(nanos, 999_999_999) };
}
