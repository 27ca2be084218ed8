const BLOCK = 4096;

/** Bytes `start` to `end` as text, one character a byte, so that nothing is lost or joined. */
export function latin1(bytes: Uint8Array, start: number, end: number): string {
  if (end - start <= BLOCK) return String.fromCharCode.apply(null, bytes.subarray(start, end) as unknown as number[]);
  let text = "";
  for (let at = start; at < end; at += BLOCK) text += latin1(bytes, at, Math.min(at + BLOCK, end));
  return text;
}

/** The bytes of a text whose characters are all below 256. */
export function latin1Bytes(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let index = 0; index < text.length; index++) bytes[index] = text.charCodeAt(index);
  return bytes;
}

/** The UTF-8 bytes of a text as text, one character a byte: how a policy's words stand beside what comes from the wire. */
export function utf8Latin1(text: string): string {
  const bytes = new TextEncoder().encode(text);
  return latin1(bytes, 0, bytes.length);
}

/** Bytes `start` to `end` for oneself, whatever becomes of those given. */
export function copyOf(bytes: Uint8Array, start: number, end: number): Uint8Array {
  const copy = new Uint8Array(end - start);
  copy.set(bytes.subarray(start, end));
  return copy;
}
