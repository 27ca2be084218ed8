import fc from "fast-check";
import { expect, test } from "vitest";
import { ByteQueue } from "./byte-queue.ts";

test("bytes leave as they came, however they are put in and taken out", () => {
  const step = fc.oneof(
    fc.record({ push: fc.nat(6000), from: fc.nat(20) }),
    fc.record({ push: fc.nat(3), from: fc.constant(0) }),
    fc.record({ take: fc.oneof(fc.nat(9), fc.nat(9000)) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const queue = new ByteQueue();
      let next = 0;
      let out = 0;
      const taken = (bytes: Uint8Array) => expect(bytes.every((byte) => byte === (out++ & 255))).toBe(true);
      for (const one of steps) {
        if ("take" in one) {
          taken(queue.take(one.take));
        } else {
          const from = Math.min(one.from, one.push);
          const bytes = Uint8Array.from({ length: one.push }, (_, at) => (at < from ? 0 : next++));
          queue.push(bytes, from);
          bytes.fill(0);
        }
        expect(queue.length).toBe(next - out);
      }
      for (let rest = queue.length; rest > 0; rest = queue.length) {
        taken(queue.take(1000));
        expect(queue.length).toBeLessThan(rest);
      }
      expect(out).toBe(next);
    }),
    {
      numRuns: 200,
      examples: [
        [
          [
            { push: 0, from: 0 },
            { push: 4097, from: 0 },
          ],
        ],
      ],
    },
  );
});

test("many small pieces share memory, and what is given up is gone", () => {
  const queue = new ByteQueue();
  for (let index = 0; index < 10_000; index++) queue.push(Uint8Array.of(index), 0);
  let pieces = 0;
  for (; queue.length > 0 && pieces < 100; pieces++) queue.take(100_000);
  expect(pieces).toBeLessThan(10);
  queue.push(Uint8Array.of(1, 2), 0);
  queue.clear();
  expect([queue.length, queue.take(9).length]).toEqual([0, 0]);
});
