/**
 * Aligns cells as Go's tabwriter does: every column as wide as its widest cell plus `padding`, at least `minWidth`, and
 * nothing after the last cell of a row.
 */
export function alignColumns(rows: readonly (readonly string[])[], padding: number, minWidth: number): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [i, cell] of row.slice(0, -1).entries()) {
      widths[i] = Math.max(widths[i] ?? 0, minWidth, [...cell].length + padding);
    }
  }
  const line = (row: readonly string[]) =>
    row
      .map((cell, i) => (i === row.length - 1 ? cell : cell + " ".repeat((widths[i] ?? 0) - [...cell].length)))
      .join("");
  return rows.map((row) => `${line(row)}\n`).join("");
}
