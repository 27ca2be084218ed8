import fc from "fast-check";
import { expect, it } from "vitest";
import { MAX_PORT, maskPort, portPrefixes } from "./port.ts";

it("covers the wildcard, a port and a range with few blocks", () => {
  expect(portPrefixes(0, MAX_PORT)).toEqual([{ port: 0, prefix: 0 }]);
  expect(portPrefixes(80, 80)).toEqual([{ port: 80, prefix: 16 }]);
  expect(portPrefixes(80, 90)).toEqual([
    { port: 80, prefix: 13 },
    { port: 88, prefix: 15 },
    { port: 90, prefix: 16 },
  ]);
});

it("covers exactly the range, each port once", () => {
  const port = fc.integer({ min: 0, max: MAX_PORT });
  fc.assert(
    fc.property(port, port, port, (a, b, probe) => {
      const [first, last] = a < b ? [a, b] : [b, a];
      const hits = portPrefixes(first, last).filter((block) => maskPort(probe, block.prefix) === block.port);
      expect(hits.length).toBe(probe >= first && probe <= last ? 1 : 0);
      expect(portPrefixes(first, last).length).toBeLessThanOrEqual(30);
    }),
  );
});
