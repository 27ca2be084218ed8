/** Text in lines of cells; as in Go's text/tabwriter a tab ends a cell, and the last cell of a line belongs to no column. */
type Lines = readonly (readonly string[])[];

export interface TabOptions {
  readonly minWidth: number;
  readonly padding: number;
}

const widthOf = (cell: string) => [...cell].length;

/**
 * Aligns cells as Go's text/tabwriter does with spaces and no flags: a column is a run of neighbouring lines that have a
 * cell there, and is as wide as its widest cell and the padding.
 */
export function alignTabs(text: string, { minWidth, padding }: TabOptions): string {
  const lines: Lines = text.split("\n").map((line) => line.split("\t"));
  const out = new Array<string>(lines.length);
  const write = (from: number, to: number, widths: readonly number[]) => {
    for (let at = from; at < to; at++) {
      out[at] = lines[at]!.map((cell, i) => cell + " ".repeat(Math.max(0, (widths[i] ?? 0) - widthOf(cell)))).join("");
    }
  };
  const format = (from: number, to: number, widths: readonly number[]) => {
    const column = widths.length;
    const hasCell = (at: number) => column < lines[at]!.length - 1;
    let written = from;
    for (let at = from; at < to; at++) {
      if (!hasCell(at)) continue;
      write(written, at, widths);
      let end = at;
      let width = minWidth;
      for (; end < to && hasCell(end); end++) width = Math.max(width, widthOf(lines[end]![column]!) + padding);
      format(at, end, [...widths, width]);
      written = end;
      at = end - 1;
    }
    write(written, to, widths);
  };
  format(0, lines.length, []);
  return out.join("\n");
}
