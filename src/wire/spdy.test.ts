import { createInflate, deflateSync } from "node:zlib";
import fc from "fast-check";
import { expect, test } from "vitest";
import { SPDY_DICTIONARY } from "./spdy-dictionary.ts";
import {
  encodeData,
  encodeGoAway,
  encodePing,
  encodeReset,
  encodeSynReply,
  encodeSynStream,
  SpdyError,
  type SpdyFrame,
  SpdyFrameReader,
} from "./spdy-frame.ts";
import { decodeHeaderBlock, encodeHeaderBlock, storedPortion } from "./spdy-headers.ts";

test("the dictionary is the one of the protocol", () => {
  expect(SPDY_DICTIONARY.length).toBe(1423);
  // a zlib stream with a dictionary names it by its Adler-32 in bytes 2 to 5
  const named = deflateSync("x", { dictionary: SPDY_DICTIONARY }).readUInt32BE(2);
  expect(named.toString(16)).toBe("e3c6a7c2");
});

test("a known frame", () => {
  expect([...encodeSynReply(1, true, Uint8Array.of(9))]).toEqual([0x80, 3, 0, 2, 1, 0, 0, 5, 0, 0, 0, 1, 9]);
  expect([...encodeData(5, false, Uint8Array.of(1, 2))]).toEqual([0, 0, 0, 5, 0, 0, 0, 2, 1, 2]);
});

const id = fc.integer({ min: 1, max: 0x7fffffff });
const bytes = fc.uint8Array({ maxLength: 300 });
const frame: fc.Arbitrary<{ frame: SpdyFrame; wire: Uint8Array }> = fc.oneof(
  fc.record({ streamId: id, fin: fc.boolean(), bytes }).map((f) => ({
    frame: { type: "data" as const, ...f },
    wire: encodeData(f.streamId, f.fin, f.bytes),
  })),
  fc.record({ streamId: id, fin: fc.boolean(), headerBlock: bytes }).map((f) => ({
    frame: { type: "syn-stream" as const, ...f },
    wire: encodeSynStream(f.streamId, f.fin, f.headerBlock),
  })),
  id.map((value) => ({ frame: { type: "ping" as const, id: value }, wire: encodePing(value) })),
  id.map((streamId) => ({ frame: { type: "reset" as const, streamId, status: 5 }, wire: encodeReset(streamId, 5) })),
  fc.constant({ frame: { type: "go-away" as const }, wire: encodeGoAway(1) }),
);

test("frames come back whatever the portions are", () => {
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 8 }), fc.integer({ min: 1, max: 40 }), (frames, portion) => {
      const wire = new Uint8Array(Buffer.concat(frames.map((item) => item.wire)));
      const reader = new SpdyFrameReader();
      const seen: SpdyFrame[] = [];
      for (let at = 0; at < wire.length; at += portion) seen.push(...reader.push(wire.subarray(at, at + portion)));
      const plain = (item: SpdyFrame) =>
        JSON.stringify(item, (_key, value) => (value instanceof Uint8Array ? [...value] : value));
      expect(seen.map(plain)).toEqual(frames.map((item) => plain(item.frame)));
    }),
  );
});

test("header blocks come back through any inflater", async () => {
  const headers = new Map([
    ["streamtype", "stdout"],
    ["x", ""],
  ]);
  const inflate = createInflate({ dictionary: SPDY_DICTIONARY });
  const block = encodeHeaderBlock(headers);
  const seen: Buffer[] = [];
  inflate.on("data", (chunk: Buffer) => seen.push(chunk));
  await new Promise<void>((resolve) => inflate.write(storedPortion(block, true), () => resolve()));
  await new Promise<void>((resolve) => inflate.write(storedPortion(block, false), () => resolve()));
  expect([...storedPortion(block, false).subarray(-5)]).toEqual([0, 0, 0, 0xff, 0xff]);
  const both = Buffer.concat(seen);
  expect(decodeHeaderBlock(both.subarray(0, block.length))).toEqual(headers);
  expect(decodeHeaderBlock(both.subarray(block.length))).toEqual(headers);
});

test("what is not SPDY is refused, and never hangs", () => {
  expect(() => new SpdyFrameReader().push(Uint8Array.of(0x80, 2, 0, 1, 0, 0, 0, 0))).toThrow(SpdyError);
  expect(() => new SpdyFrameReader().push(Uint8Array.of(0x80, 3, 0, 1, 0, 0, 0, 1, 0))).toThrow(/shorter/);
  expect(() => new SpdyFrameReader().push(Uint8Array.of(0, 0, 0, 1, 0, 0xff, 0xff, 0xff))).toThrow(/longer/);
  expect(() => decodeHeaderBlock(Uint8Array.of(0, 0, 0, 1, 0, 0, 0, 9, 65))).toThrow(SpdyError);
});
