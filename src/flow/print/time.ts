import type { Timestamp } from "@bufbuild/protobuf/wkt";

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"] as const;
const WEEKDAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"] as const;
const MAX_SECONDS = 253_402_300_799;

const two = (value: number) => String(value).padStart(2, "0");

/** Date and time of day, UTC, from seconds since the epoch (Howard Hinnant's civil-from-days arithmetic). */
function civil(seconds: number) {
  const days = Math.floor(seconds / 86_400);
  const rest = seconds - days * 86_400;
  const z = days + 719_468;
  const era = Math.floor(z / 146_097);
  const dayOfEra = z - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shifted = Math.floor((5 * dayOfYear + 2) / 153);
  const month = shifted < 10 ? shifted + 3 : shifted - 9;
  return {
    year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0),
    month,
    day: dayOfYear - Math.floor((153 * shifted + 2) / 5) + 1,
    weekday: (((days + 4) % 7) + 7) % 7,
    hour: Math.floor(rest / 3600),
    minute: Math.floor((rest % 3600) / 60),
    second: rest % 60,
  };
}

type Civil = ReturnType<typeof civil>;

const dateText = (t: Civil) => `${String(t.year).padStart(4, "0")}-${two(t.month)}-${two(t.day)}`;
const clockText = (t: Civil) => `${two(t.hour)}:${two(t.minute)}:${two(t.second)}`;
const fraction = (nanos: number, digits: number) => String(nanos).padStart(9, "0").slice(0, digits);
/** A fraction without the zeros at its end, as Go's layouts of nines write it. */
const trimmed = (nanos: number, digits: number) => {
  const kept = fraction(nanos, digits).replace(/0+$/, "");
  return kept === "" ? "" : `.${kept}`;
};
const monthName = (t: Civil) => MONTHS[t.month - 1] ?? "";

/** The time layouts of `--time-format`, by name; times are printed in UTC. */
export const TIME_FORMATS = {
  StampMilli: (t: Civil, nanos: number) =>
    `${monthName(t)} ${String(t.day).padStart(2, " ")} ${clockText(t)}.${fraction(nanos, 3)}`,
  YearMonthDay: (t: Civil) => dateText(t),
  YearMonthDayHour: (t: Civil) => `${dateText(t)}T${two(t.hour)}Z`,
  YearMonthDayHourMinute: (t: Civil) => `${dateText(t)}T${two(t.hour)}:${two(t.minute)}Z`,
  RFC3339: (t: Civil) => `${dateText(t)}T${clockText(t)}Z`,
  RFC3339Milli: (t: Civil, nanos: number) => `${dateText(t)}T${clockText(t)}${trimmed(nanos, 3)}Z`,
  RFC3339Micro: (t: Civil, nanos: number) => `${dateText(t)}T${clockText(t)}${trimmed(nanos, 6)}Z`,
  RFC3339Nano: (t: Civil, nanos: number) => `${dateText(t)}T${clockText(t)}${trimmed(nanos, 9)}Z`,
  RFC1123Z: (t: Civil) =>
    `${WEEKDAYS[t.weekday]}, ${two(t.day)} ${monthName(t)} ${String(t.year).padStart(4, "0")} ${clockText(t)} +0000`,
} as const;

export type TimeFormat = keyof typeof TIME_FORMATS;

/** The layout of a name in any case; StampMilli for a name that there is not, as hubble does. */
export function timeFormatOf(name: string): TimeFormat {
  const known = Object.keys(TIME_FORMATS).find((one) => one.toLowerCase() === name.toLowerCase());
  return (known as TimeFormat | undefined) ?? "StampMilli";
}

/** `Jan  1 00:20:34.567` (or another layout) of a timestamp; `N/A` when absent or outside the years 1 to 9999. */
export function formatTime(time: Timestamp | undefined, format: TimeFormat = "StampMilli"): string {
  if (!time || time.nanos < 0 || time.nanos > 999_999_999) return "N/A";
  const seconds = Number(time.seconds);
  if (seconds < -62_135_596_800 || seconds > MAX_SECONDS) return "N/A";
  return TIME_FORMATS[format](civil(seconds), time.nanos);
}
