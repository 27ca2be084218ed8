import { stat } from "node:fs/promises";
import { basename } from "node:path";
import type { RingEntry } from "../flow/index.ts";
import { decodeBlock } from "./block.ts";
import { decodeEntries } from "./entry.ts";
import { nextBlock } from "./segment-reader.ts";
import { isSegmentName } from "./segments.ts";

/** Whether a path is that of a file that a flow history wrote. */
export function isHistoryFile(path: string): boolean {
  return isSegmentName(basename(path));
}

/** What a file of a history holds, also while its agent writes to it; bytes that are no block are told. Holds one block at a time. */
export async function* entriesOfFile(
  path: string,
): AsyncGenerator<RingEntry | { readonly kind: "damaged"; readonly bytes: number }> {
  const { size } = await stat(path);
  for (let at = 0; at < size; ) {
    const found = await nextBlock(path, at, size);
    // the end of a file that is written to is no block yet
    const isBeingWritten = !("end" in found) && path.endsWith(".open");
    if (found.skipped > 0 && !isBeingWritten) yield { kind: "damaged", bytes: found.skipped };
    if (!("end" in found)) return;
    yield* decodeEntries(await decodeBlock(found.bytes, found.header));
    at = found.end;
  }
}
