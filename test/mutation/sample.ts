/** Which mutants to try: windows of lines, drawn by a seed. */
const WINDOW = 5;

/** Numbers of 0..1 that follow from the seed (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Ranges `path:first-last` in Stryker's words, which hold about `share` (0..1) of the lines of each file; 1 = every line. */
export function sampleRanges(files: ReadonlyMap<string, string>, share: number, seed: number): string[] {
  const random = randomFrom(seed);
  if (share >= 1) return [...files.keys()];
  return [...files].flatMap(([path, text]) => {
    const count = Math.ceil(text.split("\n").length / WINDOW);
    const windows = Array.from({ length: count }, (_, index) => index).filter(() => random() < share);
    return windows.map((index) => `${path}:${index * WINDOW + 1}-${(index + 1) * WINDOW}`);
  });
}
