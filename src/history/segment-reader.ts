import { type FileHandle, open } from "node:fs/promises";
import { type BlockHeader, HEADER_BYTES, isIntact, MAGIC_BYTES, readHeader } from "./block.ts";

const SEARCH_BYTES = 64 << 10;

/** A block as it was found: `end` is where the next one begins. */
export interface FoundBlock {
  readonly header: BlockHeader;
  readonly bytes: Buffer;
  readonly end: number;
  /** Bytes before it that are no block. */
  readonly skipped: number;
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await file.read(bytes, done, length - done, position + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return bytes.subarray(0, done);
}

/** The next place from `from` on where a block may begin; `size` when there is none. */
async function findMagic(file: FileHandle, from: number, size: number): Promise<number> {
  for (let at = from; at < size; at += SEARCH_BYTES - MAGIC_BYTES.length + 1) {
    const found = (await readAt(file, at, Math.min(SEARCH_BYTES, size - at))).indexOf(MAGIC_BYTES);
    if (found >= 0) return at + found;
  }
  return size;
}

/**
 * The first intact block from `from` on that `isWanted`, or undefined up to `size`. Others are passed over by their headers
 * alone; damaged ones are skipped to where the next begins.
 */
async function findBlock(
  file: FileHandle,
  from: number,
  size: number,
  isWanted: (header: BlockHeader) => boolean,
): Promise<FoundBlock | { readonly skipped: number }> {
  let skipped = 0;
  let at = from;
  while (at < size) {
    const header = readHeader(await readAt(file, at, Math.min(HEADER_BYTES, size - at)));
    const end = at + HEADER_BYTES + (header?.storedBytes ?? 0);
    if (header !== undefined && end <= size) {
      // what follows says whether a header that is not read any further is one
      if (!isWanted(header) && (end === size || readHeader(await readAt(file, end, HEADER_BYTES)) !== undefined)) {
        at = end;
        continue;
      }
      const bytes = await readAt(file, at, end - at);
      if (isIntact(bytes, header)) {
        if (isWanted(header)) return { header, bytes, end, skipped };
        at = end;
        continue;
      }
    }
    const next = await findMagic(file, at + 1, size);
    skipped += next - at;
    at = next;
  }
  return { skipped };
}

/** The next wanted block of a file between two places; undefined when there is none, or no file any more. */
export async function nextBlock(
  path: string,
  from: number,
  size: number,
  isWanted: (header: BlockHeader) => boolean = () => true,
): Promise<FoundBlock | { readonly skipped: number }> {
  const file = await open(path, "r");
  try {
    return await findBlock(file, from, size, isWanted);
  } finally {
    await file.close();
  }
}

/** All intact blocks of a file. */
export async function* blocksOf(path: string, from: number, size: number): AsyncGenerator<FoundBlock> {
  for (let at = from; ; ) {
    const found = await nextBlock(path, at, size);
    if (!("end" in found)) return;
    yield found;
    at = found.end;
  }
}
