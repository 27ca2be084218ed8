/** How many values were at most so large. */
export interface Bucket {
  readonly bound: number;
  readonly count: number;
}

/** The buckets of a histogram but for the one without end, whose values are taken to be those of the last bound. */
export function bucketsOf(samples: readonly { readonly le?: number; readonly value: number }[]): readonly Bucket[] {
  return samples.flatMap(({ le, value }) =>
    le === undefined || le === Number.POSITIVE_INFINITY ? [] : [{ bound: le, count: value }],
  );
}

/** The value below which a share of all values lies, in a straight line through its bucket; 0 where there are none. */
export function quantile(buckets: readonly Bucket[], share: number): number {
  const all = buckets.at(-1)?.count ?? 0;
  if (all === 0) return 0;
  const rank = share * all;
  const at = Math.max(
    buckets.findIndex(({ count }) => count >= rank),
    0,
  );
  const { bound, count } = buckets[at]!;
  const below = buckets[at - 1] ?? { bound: 0, count: 0 };
  return below.bound + (bound - below.bound) * ((rank - below.count) / (count - below.count));
}

/** Signs of the powers of a thousand, largest first, with the size above which each one holds. */
const UNITS = [
  [1e12, "T", 1e-12],
  [1e9, "G", 1e-9],
  [1e6, "M", 1e-6],
  [1e3, "k", 1e-3],
] as const;
const SMALL_UNITS = [
  [1e-9, "p", 1e12],
  [1e-6, "n", 1e9],
  [1e-3, "µ", 1e6],
  [1, "m", 1e3],
] as const;

function unitOf(size: number): readonly [sign: string, factor: number] {
  if (size === 0) return ["", 1];
  for (const [above, sign, factor] of UNITS) if (size > above) return [sign, factor];
  for (const [below, sign, factor] of SMALL_UNITS) if (size < below) return [sign, factor];
  return ["", 1];
}

/** Four digits at most and the sign of a power of a thousand: `2.5m`, `1.2k`. */
export function shortNumber(value: number): string {
  const [sign, factor] = unitOf(Math.abs(value));
  return `${Number((value * factor).toPrecision(4))}${sign}`;
}
