import fc from "fast-check";
import { expect, test } from "vitest";
import { HeadReader } from "./http-head.ts";
import { HeadMemo } from "./http-memo.ts";
import { readRequest } from "./http-request.ts";
import { latin1Bytes } from "./latin1.ts";

const HEADS = [
  "GET /a HTTP/1.1\r\nHost: x\r\n\r\n",
  "GET /a HTTP/1.1\r\nHost: y\r\n\r\n",
  "GET /b HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
  "POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n",
  `GET /long HTTP/1.1\r\nHost: x\r\nA: ${"b".repeat(1100)}\r\n\r\n`,
];
const FAULTS = [
  "GET /a HTTP/1.1\r\n\r\n",
  "GET /a HTTP/1.1\nHost: x\r\n\r\n",
  "\r\nGET /a HTTP/1.1\r\nHost: x\r\n\r\n",
];

/** What each head of a stream says, in chunks of the given sizes, every chunk in the same buffer as with real sockets. */
function readAll(memo: HeadMemo<object>, text: string, sizes: readonly number[]): unknown[] {
  const bytes = latin1Bytes(text);
  const buffer = new Uint8Array(bytes.length);
  const reader = new HeadReader();
  const found: unknown[] = [];
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const size = Math.min(sizes[turn % sizes.length]!, bytes.length - at);
    buffer.set(bytes.subarray(at, at + size));
    for (let from = 0; from < size; ) {
      const progress = memo.take(reader, buffer.subarray(0, size), from);
      if (progress.state === "more") break;
      if (progress.state === "fault") return [...found, progress.fault];
      found.push([progress.message, progress.bytes]);
      from += progress.consumed;
    }
    buffer.fill(0);
    at += size;
  }
  return found;
}

test("what is remembered is what a fresh reader says, wherever streams are cut", () => {
  const memo = new HeadMemo(readRequest);
  const stream = fc.array(fc.constantFrom(...HEADS), { minLength: 1, maxLength: 6 });
  const sizes = fc.array(fc.integer({ min: 1, max: 1500 }), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(stream, fc.constantFrom("", ...FAULTS), sizes, (heads, end, cuts) => {
      const text = heads.join("") + end;
      expect(readAll(memo, text, cuts)).toEqual(readAll(new HeadMemo(readRequest), text, [text.length]));
    }),
  );
});

test("the same bytes are read once, others again", () => {
  let reads = 0;
  const memo = new HeadMemo((head) => {
    reads++;
    return readRequest(head);
  });
  const short = HEADS.slice(0, 4);
  for (const head of [...short, ...short, ...short]) readAll(memo, head, [head.length]);
  expect(reads).toBe(4);
  for (const fault of [FAULTS[0]!, FAULTS[0]!]) readAll(memo, fault, [fault.length]);
  expect(reads).toBe(6); // what was refused is looked at again
});
