import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type FlowLine, http, lineOf } from "../../../test/support/flow-lines.ts";
import { cutsOf, millisecondsAt } from "./line-key.ts";
import { readRecorded } from "./recorded-flow.ts";

/** What is left of a line; undefined = it must be read as a whole. */
function keyOfText(text: string, keepsHeaders = false): string | undefined {
  const bytes = Buffer.from(`xx${text}yy`);
  const cut = cutsOf(bytes, 2, bytes.length - 2, keepsHeaders);
  if (cut === undefined) return undefined;
  const edges = [2, ...cut.cuts, bytes.length - 2];
  return edges.map((from, i) => (i % 2 === 0 ? bytes.toString("utf8", from, edges[i + 1]) : "|")).join("");
}

const keyOf = (line: FlowLine, keepsHeaders = false) => keyOfText(lineOf(line), keepsHeaders);

describe("cutsOf", () => {
  it("is the same for flows that differ in time, id and the client's port", () => {
    expect(keyOf({ at: 1, sourcePort: 1 })).toBeDefined();
    expect(keyOf({ at: 1, sourcePort: 1 })).toBe(keyOf({ at: 99_000, sourcePort: 65_535 }));
  });

  it("differs in whatever policy can look at", () => {
    const lines: FlowLine[] = [
      {},
      { port: 6380 },
      { from: "shop/web" },
      { to: "shop/other" },
      { protocol: "UDP" },
      { more: { verdict: "DROPPED" } },
      { more: { traffic_direction: "EGRESS" } },
      { more: { destination_names: ["a.example"] } },
      { more: http("GET", "/a") },
      { more: http("GET", "/b") },
      { more: http("GET", "/a", { "X-A": "1" }) },
    ];
    const keys = lines.map((line) => keyOf(line));
    expect(new Set(keys).size).toBe(lines.length);
  });

  it("keeps the asked port of a reply and leaves out the client's", () => {
    const more = { is_reply: true, event_type: { type: 4 } };
    const reply = (port: number, sourcePort: number) => keyOf({ port, sourcePort, more });
    expect(reply(41_000, 80)).toBe(reply(41_001, 80));
    expect(reply(41_000, 80)).not.toBe(reply(41_000, 81));
  });

  it("leaves ids of requests out unless rules look at headers", () => {
    const line = (id: string) => ({ more: http("GET", "/", { "X-Request-Id": id }) });
    expect(keyOf(line("1"))).toBe(keyOf(line("2")));
    expect(keyOf(line("1"), true)).not.toBe(keyOf(line("2"), true));
  });

  it("does not guess which port is the client's", () => {
    expect(keyOf({ more: { is_reply: undefined } })).toBeUndefined();
    expect(keyOfText("{}")).toBeUndefined();
    expect(keyOfText("")).toBeUndefined();
  });

  it("is equal only where lines are read alike", () => {
    const some = fc.record({
      from: fc.constantFrom("shop/cart", "8.8.8.8"),
      port: fc.constantFrom(80, 81, 8080),
      sourcePort: fc.constantFrom(80, 81, 40_000),
      at: fc.integer({ min: 0, max: 5 }),
      more: fc.constantFrom<Record<string, unknown>>(
        {},
        { is_reply: true, event_type: { type: 4 } },
        { verdict: "DROPPED", is_reply: undefined },
        { verdict: "DROPPED", is_reply: undefined, trace_reason: "REPLY" },
        http("GET", "/"),
      ),
    });
    const readOf = (line: FlowLine) => {
      const { timeMs: _time, ...rest } = { timeMs: 0, ...readRecorded(JSON.parse(lineOf(line))) };
      // which port the client had is told for replies, where it does not matter
      return JSON.stringify({ ...rest, sourcePort: undefined });
    };
    fc.assert(
      fc.property(some, some, (a, b) => {
        const key = keyOf(a);
        fc.pre(key !== undefined && key === keyOf(b));
        expect(readOf(a)).toBe(readOf(b));
      }),
      { numRuns: 1000 },
    );
  });
});

describe("millisecondsAt", () => {
  const millisecondsOf = (text: string) => millisecondsAt(Buffer.from(text), 0, text.length);
  it.each(["2026-11-27T16:14:58.123456789Z", "2026-11-27T16:14:58Z", "2024-02-29T23:59:59.9Z"])("%s", (text) =>
    expect(millisecondsOf(text)).toBeCloseTo(Date.parse(text), -1),
  );
  it("says so where it is no time", () => {
    expect(millisecondsOf("yesterday at some time of the day")).toBeUndefined();
    expect(millisecondsOf("2026-99-99T00:00:00Z")).toBeUndefined();
  });
});
