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

/** Lines of a file, counted from 1, both included. */
export interface LineRange {
  readonly first: number;
  readonly last: number;
}

/** By path the lines that hold about `share` (0..1) of each file; 1 = every line. */
export function sampleRanges(
  files: ReadonlyMap<string, string>,
  share: number,
  seed: number,
): Map<string, LineRange[]> {
  const random = randomFrom(seed);
  const drawn = [...files].map(([path, text]): [string, LineRange[]] => {
    const count = Math.ceil(text.split("\n").length / WINDOW);
    const windows = Array.from({ length: count }, (_, index) => index).filter(() => random() < share);
    return [path, windows.map((index) => ({ first: index * WINDOW + 1, last: (index + 1) * WINDOW }))];
  });
  return new Map(drawn);
}
