/** Completion indexes as a job's status writes them: `0-2,5`. Throws nothing: what is no number is passed over. */
export function parseIndexes(text: unknown): Set<number> {
  const found = new Set<number>();
  for (const part of String(text ?? "").split(",")) {
    const range = /^(\d+)(?:-(\d+))?$/.exec(part);
    if (range === null) continue;
    const first = Number(range[1]);
    for (let index = first; index <= Number(range[2] ?? first); index++) found.add(index);
  }
  return found;
}

/** The same back: runs of two stand as `3,4`, longer ones as `3-5`. */
export function formatIndexes(indexes: ReadonlySet<number>): string {
  const sorted = [...indexes].sort((a, b) => a - b);
  const parts: string[] = [];
  for (let at = 0; at < sorted.length; ) {
    const first = sorted[at]!;
    let last = first;
    while (sorted[++at] === last + 1) last++;
    parts.push(first === last ? String(first) : last === first + 1 ? `${first},${last}` : `${first}-${last}`);
  }
  return parts.join(",");
}
