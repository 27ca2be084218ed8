import { promisify } from "node:util";
import { crc32, constants as zlib, zstdCompress, zstdDecompress } from "node:zlib";

/** Node has it from 22.15 on; in an older one the functions are not there. */
const hasZstd = typeof zstdDecompress === "function";
const missing = () => Promise.reject(new Error("a flow history is packed with zstd, which needs Node 22.15 or newer"));
const compress = hasZstd ? promisify(zstdCompress) : missing;
const decompress = hasZstd ? promisify(zstdDecompress) : missing;

/** `SGF1`, little end first: where a reader that lost its way goes on. */
const MAGIC = 0x31464753;
export const HEADER_BYTES = 56;
/** Where the part begins that the checksum covers. */
const CHECKED_FROM = 16;
/** More is no block of ours: a damaged length must not make a reader take memory. */
export const MAX_BLOCK_BYTES = 8 << 20;
export const MAGIC_BYTES = Buffer.from("SGF1");

/** What the flows of one write have in common. */
export interface BlockHeader {
  /** Bytes after the header. */
  readonly storedBytes: number;
  readonly rawBytes: number;
  readonly checksum: number;
  readonly count: number;
  /** Which process wrote it: sequence numbers hold within one. */
  readonly run: bigint;
  /** Of the first entry in the ring; the others follow without a gap. */
  readonly firstSequence: number;
  /** Milliseconds since the epoch of the earliest and latest flow. */
  readonly minMs: number;
  readonly maxMs: number;
}

/** Entries on their way to the disk. */
export interface RawBlock extends Pick<BlockHeader, "count" | "run" | "firstSequence" | "minMs" | "maxMs"> {
  readonly raw: Uint8Array;
}

/** The bytes of a block, packed in a thread of the pool. */
export async function encodeBlock(block: RawBlock): Promise<Buffer> {
  const stored = await compress(block.raw, { params: { [zlib.ZSTD_c_compressionLevel]: 1 } });
  const bytes = Buffer.allocUnsafe(HEADER_BYTES + stored.length);
  bytes.writeUInt32LE(MAGIC, 0);
  bytes.writeUInt32LE(stored.length, 4);
  bytes.writeUInt32LE(block.raw.length, 8);
  bytes.writeUInt32LE(block.count, 16);
  bytes.writeUInt32LE(0, 20);
  bytes.writeBigUInt64LE(block.run, 24);
  bytes.writeDoubleLE(block.firstSequence, 32);
  bytes.writeDoubleLE(block.minMs, 40);
  bytes.writeDoubleLE(block.maxMs, 48);
  bytes.set(stored, HEADER_BYTES);
  bytes.writeUInt32LE(checksumOf(bytes), 12);
  return bytes;
}

/** Of a whole block, its lengths included. */
function checksumOf(bytes: Uint8Array): number {
  return crc32(bytes.subarray(CHECKED_FROM), crc32(bytes.subarray(4, 12)));
}

/** Undefined when no block begins there. */
export function readHeader(bytes: Buffer): BlockHeader | undefined {
  if (bytes.length < HEADER_BYTES || bytes.readUInt32LE(0) !== MAGIC) return undefined;
  const header: BlockHeader = {
    storedBytes: bytes.readUInt32LE(4),
    rawBytes: bytes.readUInt32LE(8),
    checksum: bytes.readUInt32LE(12),
    count: bytes.readUInt32LE(16),
    run: bytes.readBigUInt64LE(24),
    firstSequence: bytes.readDoubleLE(32),
    minMs: bytes.readDoubleLE(40),
    maxMs: bytes.readDoubleLE(48),
  };
  return header.storedBytes > MAX_BLOCK_BYTES || header.rawBytes > MAX_BLOCK_BYTES ? undefined : header;
}

/** Whether a whole block, header included, is as it was written. */
export function isIntact(bytes: Buffer, header: BlockHeader): boolean {
  return bytes.length === HEADER_BYTES + header.storedBytes && checksumOf(bytes) === header.checksum;
}

/** The entries' bytes. Rejects when they are no more than their header says. */
export async function decodeBlock(bytes: Buffer, header: BlockHeader): Promise<Uint8Array> {
  return decompress(bytes.subarray(HEADER_BYTES), { maxOutputLength: Math.max(1, header.rawBytes) });
}
