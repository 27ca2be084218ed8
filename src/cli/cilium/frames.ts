/** Frames longer than this are no frames: the stream is broken. */
const MAX_FRAME_BYTES = 16 << 20;

/**
 * Cuts a byte stream into frames of a little-endian 32-bit length and that many bytes. Throws on a length that no agent
 * would send.
 */
export async function* readFrames(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let buffer = Buffer.alloc(0);
  for await (const chunk of chunks) {
    buffer = buffer.length === 0 ? Buffer.from(chunk) : Buffer.concat([buffer, chunk]);
    let offset = 0;
    while (buffer.length - offset >= 4) {
      const length = buffer.readUInt32LE(offset);
      if (length > MAX_FRAME_BYTES) throw new Error(`monitor stream: frame of ${length} bytes`);
      if (buffer.length - offset - 4 < length) break;
      yield buffer.subarray(offset + 4, offset + 4 + length);
      offset += 4 + length;
    }
    buffer = buffer.subarray(offset);
  }
}
