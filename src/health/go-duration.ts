const NS_PER_SECOND = 1e9;

/** Digits after the point, without zeros at the end. */
function trimmed(value: number, digits: number): string {
  const text = value.toFixed(digits);
  return digits === 0 ? text : text.replace(/\.?0+$/, "");
}

/** Whole nanoseconds, not negative, as Go's `time.Duration` writes them: `318.511µs`, `1m56.754608943s`, `2h0m0s`. */
export function goDuration(ns: number): string {
  if (ns === 0) return "0s";
  if (ns < 1e3) return `${ns}ns`;
  if (ns < 1e6) return `${trimmed(ns / 1e3, 3)}µs`;
  if (ns < NS_PER_SECOND) return `${trimmed(ns / 1e6, 6)}ms`;
  const minutes = Math.floor(ns / NS_PER_SECOND / 60);
  const seconds = `${trimmed(ns / NS_PER_SECOND - minutes * 60, 9)}s`;
  if (minutes === 0) return seconds;
  const hours = Math.floor(minutes / 60);
  return hours === 0 ? `${minutes}m${seconds}` : `${hours}h${minutes - hours * 60}m${seconds}`;
}
