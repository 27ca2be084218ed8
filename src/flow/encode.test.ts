import { create, fromBinary, fromJson, type Message, toBinary, toJson } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, it } from "vitest";
import { FlowSchema, LostEventSchema } from "../../proto/gen/flow_pb.js";
import { craftEvent, tcpPacket } from "../../test/support/craft-event.ts";
import { starWarsContext } from "../../test/support/flow-context.ts";
import { decodeEvent } from "./decode/event.ts";
import { EncodedBytes, encodeFlow, encodeMessage } from "./encode.ts";
import { toFlow } from "./flow.ts";

/** What the library reads out of our bytes, as the library would write it. */
function throughUs(flow: Message): Uint8Array {
  const out = new EncodedBytes();
  out.varint(1);
  encodeFlow(flow, out);
  return toBinary(FlowSchema, fromBinary(FlowSchema, out.bytes.subarray(1, out.at)));
}

const text = fc.oneof(fc.string({ maxLength: 200 }), fc.string({ unit: "grapheme", maxLength: 80 }));
const u32 = fc.integer({ min: 0, max: 0xffffffff });
const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const endpoint = fc.record({
  ID: u32,
  identity: u32,
  namespace: text,
  labels: fc.array(text, { maxLength: 4 }),
  podName: text,
  workloads: fc.array(fc.record({ name: text, kind: text }), { maxLength: 2 }),
  clusterName: text,
});
const policies = fc.array(
  fc.record({ name: text, namespace: text, kind: text, labels: fc.array(text), revision: u64 }),
  {
    maxLength: 2,
  },
);
const tcp = fc.record({
  sourcePort: u32,
  destinationPort: u32,
  flags: fc.record({ SYN: fc.boolean(), NS: fc.boolean() }),
});
const headers = fc.array(fc.record({ key: text, value: text }), { maxLength: 5 });
const flows = fc.record(
  {
    time: fc.record({ seconds: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), nanos: fc.integer() }),
    uuid: text,
    verdict: fc.nat(7),
    dropReason: u32,
    IP: fc.record({ source: text, destination: text, ipVersion: fc.nat(2), encrypted: fc.boolean() }),
    l4: tcp.map((value) => ({ protocol: { case: "TCP" as const, value } })),
    source: endpoint,
    destination: endpoint,
    sourceNames: fc.array(text, { maxLength: 3 }),
    l7: fc.record({
      latencyNs: u64,
      record: fc.record({ case: fc.constant("http" as const), value: fc.record({ code: u32, url: text, headers }) }),
    }),
    isReply: fc.boolean(),
    eventType: fc.record({ type: fc.integer(), subType: fc.integer() }),
    socketCookie: u64,
    ingressAllowedBy: policies,
    traceContext: fc.record({ parent: fc.record({ traceId: text }) }),
    extensions: fc.record({ typeUrl: text, value: fc.uint8Array() }),
    Summary: text,
  },
  { requiredKeys: [] },
);

it("writes what the library reads as the same flow", () => {
  fc.assert(
    fc.property(flows, (init) => {
      const flow = create(FlowSchema, init as never);
      expect(Buffer.from(throughUs(flow))).toEqual(Buffer.from(toBinary(FlowSchema, flow)));
    }),
    { numRuns: 500 },
  );
});

it("writes every field that a flow can have", () => {
  const full = fullMessage(FlowSchema);
  expect(toJson(FlowSchema, fromBinary(FlowSchema, throughUs(full)))).toEqual(toJson(FlowSchema, full));
});

/** A flow with each field set to something other than nothing. */
function fullMessage(schema: typeof FlowSchema) {
  const value = (field: (typeof schema.fields)[number], depth: number): unknown => {
    if (field.message?.typeName === "google.protobuf.Any") return undefined;
    if (field.message?.typeName === "google.protobuf.Timestamp") return "2026-01-01T00:00:00.5Z";
    if (field.message?.typeName === "google.protobuf.BoolValue") return true;
    if (field.message !== undefined) return messageOf(field.message as never, depth + 1);
    if (field.enum !== undefined) return field.enum.values[1]?.number ?? 0;
    const samples: Readonly<Record<number, unknown>> = { 3: "7", 4: "8", 5: 9, 8: true, 9: "text", 12: "AAA=", 13: 11 };
    return samples[field.scalar as number];
  };
  const messageOf = (of: typeof schema, depth: number): Record<string, unknown> => {
    const taken = new Set<string>();
    const fields = of.fields.filter(
      ({ oneof }) => oneof === undefined || (!taken.has(oneof.name) && taken.add(oneof.name)),
    );
    const pairs = fields.map((field) => {
      const one = value(field, depth);
      return [field.name, field.fieldKind === "list" ? [one, one] : one] as const;
    });
    return Object.fromEntries(pairs.filter(([, one]) => one !== undefined));
  };
  return fromJson(schema, messageOf(schema, 0) as never);
}

it("writes flows of the datapath, whose lists are shared, again and again", () => {
  for (let i = 0; i < 8; i++) {
    const event = decodeEvent(
      craftEvent({
        type: 5,
        direction: 1 + (i % 2),
        verdict: i < 4 ? 0 : -133,
        endpoint: 871,
        sourceIdentity: 19274,
        cookie: 7,
      }),
    )!;
    const flow = toFlow(event, starWarsContext);
    expect(fromBinary(FlowSchema, throughUs(flow))).toEqual(fromBinary(FlowSchema, toBinary(FlowSchema, flow)));
  }
});

it("writes an end that many flows share, whichever end it is, and anew when it has changed", () => {
  const [pod, ship] = ["172.20.1.20", "172.20.2.11"];
  for (let i = 0; i < 9; i++) {
    const [source, destination] = i % 2 === 0 ? [pod, ship] : [ship, pod];
    const packet = tcpPacket({ source, destination });
    const sourceIdentity = i < 6 ? 318 : 10135;
    const flow = toFlow(decodeEvent(craftEvent({ type: 4, sourceIdentity, packet }))!, starWarsContext);
    const read = fromBinary(FlowSchema, throughUs(flow));
    expect([read.IP?.source, read.IP?.destination]).toEqual([source, destination]);
    expect([read.source?.identity, read.source?.labels]).toEqual([
      sourceIdentity,
      starWarsContext.labelsOfIdentity(sourceIdentity),
    ]);
    expect(read.source?.podName).toBe(starWarsContext.endpointByAddress(source!)?.podName);
  }
});

it("writes numbers below zero and grows as it must", () => {
  const lost = create(LostEventSchema, { numEventsLost: 2n ** 63n, source: -1 as never });
  const out = new EncodedBytes();
  for (let i = 0; i < 10_000; i++) encodeMessage(LostEventSchema, lost, out);
  const one = out.at / 10_000;
  expect(fromBinary(LostEventSchema, out.bytes.subarray(out.at - one, out.at))).toEqual(lost);
});
