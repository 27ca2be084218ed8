/** One thing to measure; each call is one round and returns a figure. */
export type Side = () => Promise<number>;

export function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}

/** The value below which the fraction `p` of the sorted values lies (nearest rank). */
export function percentile(values: readonly number[], p: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(p * sorted.length) - 1)] ?? Number.NaN;
}

/**
 * Measures both sides in turn, the order changing from round to round, so that a slow minute of the machine meets both.
 * Returns the median of each side, the median of the rounds' ratios, ours to theirs, and between which values the middle half
 * of those ratios lies.
 */
export async function interleave(rounds: number, ours: Side, theirs: Side) {
  const figures: { ours: number; theirs: number }[] = [];
  for (let round = 0; round < rounds; round++) {
    if (round % 2 === 0) {
      const first = await ours();
      figures.push({ ours: first, theirs: await theirs() });
    } else {
      const first = await theirs();
      figures.push({ ours: await ours(), theirs: first });
    }
  }
  const ratios = figures.map((figure) => figure.ours / figure.theirs);
  return {
    ours: median(figures.map((figure) => figure.ours)),
    theirs: median(figures.map((figure) => figure.theirs)),
    ratio: median(ratios),
    spread: [percentile(ratios, 0.25), percentile(ratios, 0.75)] as const,
    rounds: figures,
  };
}
