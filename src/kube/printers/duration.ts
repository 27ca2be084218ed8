const SECOND = 1000;
const DAY_HOURS = 24;

/** Two units, the second left out when it is zero. */
function two(first: number, firstUnit: string, second: number, secondUnit: string): string {
  return second === 0 ? `${first}${firstUnit}` : `${first}${firstUnit}${second}${secondUnit}`;
}

/**
 * A length of time as kubectl writes ages: `5s`, `3m2s`, `47m`, `6h12m`, `3d4h`, `40d`, `2y30d`.
 * `ms` may be up to a second negative (clocks of different machines); more than that is `<invalid>`.
 */
export function ageText(ms: number): string {
  const seconds = Math.trunc(ms / SECOND);
  if (seconds < -1) return "<invalid>";
  if (seconds < 0) return "0s";
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.trunc(seconds / 60);
  if (minutes < 10) return two(minutes, "m", seconds % 60, "s");
  if (minutes < 180) return `${minutes}m`;
  const hours = Math.trunc(minutes / 60);
  if (hours < 8) return two(hours, "h", minutes % 60, "m");
  if (hours < 48) return `${hours}h`;
  const days = Math.trunc(hours / DAY_HOURS);
  if (hours < 192) return two(days, "d", hours % DAY_HOURS, "h");
  if (days < 730) return `${days}d`;
  const years = Math.trunc(days / 365);
  return days < 2920 ? two(years, "y", days % 365, "d") : `${years}y`;
}

/** The age of a timestamp; `<unknown>` when there is none. `now` is milliseconds since the epoch. */
export function since(timestamp: unknown, now: number): string {
  if (typeof timestamp !== "string" || timestamp === "") return "<unknown>";
  const then = Date.parse(timestamp);
  return Number.isNaN(then) ? "<invalid>" : ageText(now - then);
}
