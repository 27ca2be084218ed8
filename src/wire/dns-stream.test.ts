import { expect, test } from "vitest";
import { DnsStreamReader, dnsFrame } from "./dns-stream.ts";

const MESSAGES = [12, 300, 65535, 13].map((length, index) => new Uint8Array(length).fill(index + 1));
const STREAM = Uint8Array.from(Buffer.concat(MESSAGES.map(dnsFrame)));

function readIn(pieces: readonly Uint8Array[]): Uint8Array[] {
  const reader = new DnsStreamReader();
  // Copies, since a message may be a view of the chunk, and chunks are used again.
  const messages = pieces.flatMap((piece) => {
    const chunk = piece.slice();
    const found = reader.push(chunk).map((message) => message.slice());
    chunk.fill(0xee);
    return found;
  });
  expect(reader.atBoundary).toBe(true);
  return messages;
}

test("messages come out whole, however the stream is cut", () => {
  expect(readIn([STREAM])).toEqual(MESSAGES);
  expect(readIn(Array.from(STREAM, (byte) => Uint8Array.of(byte)))).toEqual(MESSAGES);
  for (const cut of [0, 1, 2, 3, 13, 14, 15, 16, 315, 317, 20_000, STREAM.length - 1]) {
    expect(readIn([STREAM.subarray(0, cut), STREAM.subarray(cut)])).toEqual(MESSAGES);
  }
});

test("a stream that ends within a message is not at a boundary", () => {
  for (const end of [1, 2, 13]) {
    const reader = new DnsStreamReader();
    expect(reader.push(STREAM.subarray(0, end))).toEqual([]);
    expect(reader.atBoundary).toBe(false);
  }
});

test("a length that no message has fails the stream, after the messages before it", () => {
  const reader = new DnsStreamReader();
  const bytes = Buffer.concat([dnsFrame(MESSAGES[0]!), Uint8Array.of(0, 11), dnsFrame(MESSAGES[0]!)]);
  expect(reader.push(Uint8Array.from(bytes))).toEqual([MESSAGES[0]]);
  expect(reader.failed).toBe(true);
  expect(reader.push(dnsFrame(MESSAGES[0]!))).toEqual([]);
});
