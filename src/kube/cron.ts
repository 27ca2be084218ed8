/** When a cron job is due: the five fields and the short names that Kubernetes takes, as its parser (robfig/cron v3) reads them. */
export interface CronSchedule {
  /** Values that match, a bit each. */
  readonly minutes: bigint;
  readonly hours: bigint;
  readonly days: bigint;
  readonly months: bigint;
  readonly weekdays: bigint;
  /** A field of days that is `*` or `?` leaves the other to decide; where neither is, one that matches is enough. */
  readonly anyDay: boolean;
  readonly anyWeekday: boolean;
  /** Milliseconds between two runs, for `@every`; the fields say nothing then. */
  readonly every?: number;
}

interface Field {
  readonly name: string;
  readonly low: number;
  readonly high: number;
  readonly words?: readonly string[];
}

const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const FIELDS: readonly Field[] = [
  { name: "minute", low: 0, high: 59 },
  { name: "hour", low: 0, high: 23 },
  { name: "day of month", low: 1, high: 31 },
  { name: "month", low: 1, high: 12, words: MONTHS },
  { name: "day of week", low: 0, high: 6, words: WEEKDAYS },
];
const SHORT: Readonly<Record<string, string>> = {
  "@yearly": "0 0 1 1 *",
  "@annually": "0 0 1 1 *",
  "@monthly": "0 0 1 * *",
  "@weekly": "0 0 * * 0",
  "@daily": "0 0 * * *",
  "@midnight": "0 0 * * *",
  "@hourly": "0 * * * *",
};
const UNITS: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 };
const MINUTE = 60_000;
/** A day that comes in no year: after this long nobody waits for it. */
const GIVE_UP_MS = 5 * 366 * 24 * 60 * MINUTE;

function numberIn(text: string, { name, low, high, words }: Field): number {
  const word = words?.indexOf(text.toLowerCase()) ?? -1;
  const value = word >= 0 ? word + low : /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isNaN(value)) throw new RangeError(`failed to parse ${name} from ${text}`);
  if (value < low) throw new RangeError(`beginning of range (${value}) below minimum (${low}): ${text}`);
  if (value > high) throw new RangeError(`end of range (${value}) above maximum (${high}): ${text}`);
  return value;
}

function bitsOf(text: string, field: Field): bigint {
  let bits = 0n;
  for (const part of text.split(",")) {
    const [range = "", step, ...rest] = part.split("/");
    if (rest.length > 0 || (step !== undefined && !/^[1-9]\d*$/.test(step)))
      throw new RangeError(`the step of ${field.name} ${part} is no positive number`);
    const [first = "", last, ...more] = range.split("-");
    if (more.length > 0) throw new RangeError(`too many hyphens in ${field.name} ${range}`);
    const isAny = first === "*" || first === "?";
    const from = isAny ? field.low : numberIn(first, field);
    const open = isAny || (step !== undefined && last === undefined);
    const to = last === undefined ? (open ? field.high : from) : numberIn(last, field);
    if (from > to) throw new RangeError(`${field.name} ${range} begins after its end`);
    for (let value = from; value <= to; value += Number(step ?? 1)) bits |= 1n << BigInt(value);
  }
  return bits;
}

function isAny(text: string): boolean {
  return text.split(",").some((part) => /^[*?](\/1)?$/.test(part));
}

function everyMs(text: string): number {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|h|m|s)/g)];
  if (parts.length === 0 || parts.map(([whole]) => whole).join("") !== text)
    throw new RangeError(`failed to parse duration @every ${text}`);
  const ms = parts.reduce((sum, [, count, unit]) => sum + Number(count) * UNITS[unit!]!, 0);
  return Math.max(1000, Math.floor(ms / 1000) * 1000);
}

/** Reads a schedule. Throws RangeError with what is wrong. */
export function parseCron(text: string): CronSchedule {
  if (/^(CRON_)?TZ=/.test(text))
    throw new RangeError("cannot use TZ or CRON_TZ in schedule, use timeZone field instead");
  const never = { minutes: 0n, hours: 0n, days: 0n, months: 0n, weekdays: 0n, anyDay: false, anyWeekday: false };
  if (text.startsWith("@every ")) return { ...never, every: everyMs(text.slice("@every ".length)) };
  if (text.startsWith("@") && SHORT[text] === undefined) throw new RangeError(`unrecognized descriptor: ${text}`);
  const fields = (SHORT[text] ?? text).trim().split(/\s+/);
  if (fields.length !== FIELDS.length)
    throw new RangeError(`expected exactly 5 fields, found ${fields[0] === "" ? 0 : fields.length}: [${text}]`);
  const [minutes, hours, days, months, weekdays] = fields.map((field, index) => bitsOf(field, FIELDS[index]!));
  return {
    minutes: minutes!,
    hours: hours!,
    days: days!,
    months: months!,
    weekdays: weekdays!,
    anyDay: isAny(fields[2]!),
    anyWeekday: isAny(fields[4]!),
  };
}

interface Clock {
  readonly month: number;
  readonly day: number;
  readonly weekday: number;
  readonly hour: number;
  readonly minute: number;
}

/** Reads the clock on the wall of a time zone of the IANA database. Throws RangeError when there is none of that name. */
function clockOf(timeZone: string): (ms: number) => Clock {
  if (timeZone === "UTC") {
    return (ms) => {
      const date = new Date(ms);
      const [month, day] = [date.getUTCMonth() + 1, date.getUTCDate()];
      return { month, day, weekday: date.getUTCDay(), hour: date.getUTCHours(), minute: date.getUTCMinutes() };
    };
  }
  const numeric = "numeric" as const;
  const format = new Intl.DateTimeFormat("en-US", {
    ...{ timeZone, hourCycle: "h23", weekday: "short" },
    ...{ month: numeric, day: numeric, hour: numeric, minute: numeric },
  });
  return (ms) => {
    const parts = Object.fromEntries(format.formatToParts(ms).map(({ type, value }) => [type, value]));
    const weekday = WEEKDAYS.indexOf(parts["weekday"]!.toLowerCase());
    const [month, day] = [Number(parts["month"]), Number(parts["day"])];
    return { month, day, weekday, hour: Number(parts["hour"]), minute: Number(parts["minute"]) };
  };
}

const has = (bits: bigint, value: number): boolean => ((bits >> BigInt(value)) & 1n) === 1n;

function isDay({ days, months, weekdays, anyDay, anyWeekday }: CronSchedule, clock: Clock): boolean {
  if (!has(months, clock.month)) return false;
  const [day, weekday] = [has(days, clock.day), has(weekdays, clock.weekday)];
  return anyDay || anyWeekday ? day && weekday : day || weekday;
}

/**
 * The first time after `afterMs` at which the schedule is due, in milliseconds since the epoch; undefined when there is none within five
 * years. An hour that the clock leaves out has no runs, one that it repeats has them twice. Throws RangeError on an unknown time zone.
 */
export function nextRun(schedule: CronSchedule, afterMs: number, timeZone = "UTC"): number | undefined {
  if (schedule.every !== undefined) return Math.floor(afterMs / 1000) * 1000 + schedule.every;
  const clockAt = clockOf(timeZone);
  const end = afterMs + GIVE_UP_MS;
  let at = (Math.floor(afterMs / MINUTE) + 1) * MINUTE;
  while (at < end) {
    const clock = clockAt(at);
    const { hour, minute } = clock;
    // Late in a day by hours only: the clock may be put forward or back at midnight.
    if (!isDay(schedule, clock)) at += (hour < 22 ? (22 - hour) * 60 - minute : 60 - minute) * MINUTE;
    else if (!has(schedule.hours, hour)) at += (60 - minute) * MINUTE;
    else if (!has(schedule.minutes, minute)) at += MINUTE;
    else return at;
  }
  return undefined;
}

/** True for a name of the IANA database that this machine knows, as `spec.timeZone` must be. */
export function isTimeZone(name: string): boolean {
  try {
    clockOf(name);
    return name !== "" && name.toLowerCase() !== "local";
  } catch {
    return false;
  }
}
