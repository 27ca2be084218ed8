import { create, equals, fromBinary } from "@bufbuild/protobuf";
import { expect, it } from "vitest";
import { FlowSchema, LostEventSchema } from "../../proto/gen/flow_pb.js";
import { GetFlowsResponseSchema } from "../../proto/gen/observer_pb.js";
import { createFlowRing, type FlowRing } from "./ring.ts";

function append(ring: FlowRing, count: number): void {
  for (let i = 0; i < count; i++) ring.append({ kind: "flow", flow: create(FlowSchema, { uuid: String(ring.next) }) });
}

function held(ring: FlowRing): (string | undefined)[] {
  const found: (string | undefined)[] = [];
  for (let sequence = ring.oldest; sequence < ring.next; sequence++) {
    const entry = ring.read(sequence);
    found.push(entry?.kind === "flow" ? entry.flow.uuid : entry?.kind);
  }
  return found;
}

it.each([
  [7, 5, 3, ["2", "3", "4"]],
  [7, 20, 3, ["17", "18", "19"]],
  [3, 20, 15, ["17", "18", "19"]],
  [3, 2, 7, ["0", "1"]],
])("of %i with %i entries keeps what fits into %i", (before, count, after, kept) => {
  const ring = createFlowRing(before);
  append(ring, count);
  ring.resize(after);
  expect([ring.capacity, ring.next, held(ring)]).toEqual([after, count, kept]);
  expect(ring.read(ring.oldest - 1)).toEqual({ kind: "overtaken", missed: 1 });
  append(ring, 2 * after);
  expect(held(ring)).toEqual(Array.from({ length: after }, (_, i) => String(count + after + i)));
});

it("gives old flows as they were: of their bytes, whole, with time and node", () => {
  const ring = createFlowRing(1023);
  const flows = Array.from({ length: 1500 }, (_, i) =>
    create(FlowSchema, {
      uuid: `flow ${i}`,
      nodeName: `node-${i % 3}`,
      Summary: "x".repeat((i * 37) % 9000),
      ...(i % 5 === 0 ? {} : { time: { seconds: BigInt(1e9 + i), nanos: i } }),
    }),
  );
  for (const flow of flows) ring.append({ kind: "flow", flow });
  ring.append({ kind: "lost", lost: create(LostEventSchema, { numEventsLost: 3n }) });
  expect(ring.read(1500)).toMatchObject({ kind: "lost", lost: { numEventsLost: 3n } });
  for (let sequence = ring.oldest; sequence < 1500; sequence++) {
    const entry = ring.read(sequence);
    if (entry?.kind !== "flow") throw new Error(`entry ${sequence} is ${entry?.kind}`);
    const flow = flows[sequence]!;
    expect(equals(FlowSchema, entry.flow, flow)).toBe(true);
    expect(equals(FlowSchema, fromBinary(FlowSchema, entry.bytes), flow)).toBe(true);
    const response = fromBinary(GetFlowsResponseSchema, entry.response);
    expect(response).toMatchObject({ responseTypes: { case: "flow", value: { uuid: flow.uuid } } });
    expect([response.nodeName, response.time]).toEqual([flow.nodeName, flow.time]);
    const { nodeName, time } = entry;
    expect([nodeName, time?.seconds, time?.nanos]).toEqual([flow.nodeName, flow.time?.seconds, flow.time?.nanos]);
  }
});

it("refuses sizes that are not one less than a power of two", () => {
  const ring = createFlowRing(7);
  for (const capacity of [0, 4, 65_536, 131_071, 1.5]) expect(() => ring.resize(capacity)).toThrow(RangeError);
  expect(ring.capacity).toBe(7);
});

it("writes over memory only when its flows are gone, also after it has shrunk and grown", () => {
  const ring = createFlowRing(1023);
  const summary = (number: number) => `${number} `.repeat(50 + (number % 97));
  const add = (count: number) => {
    for (let i = 0; i < count; i++) {
      ring.append({ kind: "flow", flow: create(FlowSchema, { Summary: summary(ring.next) }) });
    }
  };
  for (const [capacity, count] of [
    [1023, 3000],
    [31, 500],
    [255, 2000],
    [2047, 5000],
  ] as const) {
    ring.resize(capacity);
    add(count);
    expect(ring.next - ring.oldest).toBe(capacity);
    for (let sequence = ring.oldest; sequence < ring.next; sequence++) {
      const entry = ring.read(sequence);
      expect(entry?.kind === "flow" && fromBinary(FlowSchema, entry.bytes).Summary).toBe(summary(sequence));
    }
  }
});
