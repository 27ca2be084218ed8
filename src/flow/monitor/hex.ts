const ROW = 16;

function row(bytes: Uint8Array, offset: number): string {
  const part = bytes.subarray(offset, offset + ROW);
  let hex = "";
  for (let i = 0; i < ROW; i++) {
    hex += `${part[i] === undefined ? "  " : part[i]?.toString(16).padStart(2, "0")} ${i === 7 ? " " : ""}`;
  }
  const text = [...part].map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : ".")).join("");
  return `${offset.toString(16).padStart(8, "0")}  ${hex} |${text}|`;
}

/** Offset, sixteen bytes in two halves, and their printable characters a line. */
export function hexDump(bytes: Uint8Array): string[] {
  const rows: string[] = [];
  for (let offset = 0; offset < bytes.length; offset += ROW) rows.push(row(bytes, offset));
  return rows;
}
