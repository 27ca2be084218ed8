import { expect, test } from "vitest";
import type { AccessRecord } from "../model/access-record.ts";
import { BatchWriter, decodeRecords } from "./access-batch.ts";

const RECORD: AccessRecord = {
  type: "request",
  verdict: "denied",
  timeMs: 1764000000000.25,
  direction: "egress",
  endpointId: 7,
  sourceIdentity: 1001,
  destinationIdentity: 1002,
  sourceAddress: "172.20.1.10",
  sourcePort: 40_000,
  destinationAddress: "fd00::1",
  destinationPort: 80,
  protocol: "HTTP/1.1",
  method: "GET",
  url: 'http://x/a\u00e9"\\',
  status: 403,
  latencyMs: 0.5,
  headers: [{ name: "A", value: "b\u00ff" }],
  reason: "no rule matched",
};

function encodeRecords(records: readonly AccessRecord[], writer = new BatchWriter()): Uint8Array {
  for (const record of records) writer.append(record);
  return writer.take();
}

const DNS = {
  query: "a.",
  type: 65,
  transport: "tcp",
  code: 3,
  addresses: ["1.2.3.4", "fd00::2"],
  cnames: ["b."],
  ttl: 4_294_967_295,
  types: [1, 28],
} satisfies AccessRecord["dns"];

test("records come out as they went in", () => {
  const records: AccessRecord[] = [
    RECORD,
    { ...RECORD, type: "response", status: 200, reason: "", headers: [] },
    { ...RECORD, verdict: "error", direction: "ingress", url: `http://x/${"long".repeat(100_000)}` },
    { ...RECORD, protocol: "", method: "", url: "", dns: DNS },
    { ...RECORD, tls: { serverName: "a", protocols: ["h2"] } },
    { ...RECORD, dns: DNS, responseFlags: "UF" },
    { ...RECORD, missingHeaders: RECORD.headers, rejectedHeaders: [{ name: "C", value: "d" }] },
  ];
  expect(decodeRecords(encodeRecords(records))).toEqual(records);
  expect(decodeRecords(encodeRecords([]))).toEqual([]);
});

test("a batch says everything that it refers to, whatever the one before said", () => {
  const writer = new BatchWriter();
  expect(decodeRecords(encodeRecords([RECORD], writer))).toEqual([RECORD]);
  expect(writer.size).toBe(0);
  expect(decodeRecords(encodeRecords([RECORD, RECORD], writer))).toEqual([RECORD, RECORD]);
});

test("headers that are the same list are told once, and so are words", () => {
  const one = encodeRecords([RECORD]).length;
  const both = encodeRecords([RECORD, { ...RECORD, timeMs: 1 }]).length;
  const apart = encodeRecords([RECORD, { ...RECORD, headers: [...RECORD.headers] }]).length;
  expect(both).toBeLessThan(2 * one - "172.20.1.10fd00::1no rule matched".length);
  expect(apart).toBeGreaterThan(both);
});

test("bytes that are no batch are refused", () => {
  const whole = encodeRecords([RECORD, { ...RECORD, dns: DNS }]);
  for (let length = 1; length < whole.length; length++) {
    if (length === encodeRecords([RECORD]).length) continue;
    expect(() => decodeRecords(whole.subarray(0, length)), `${length} bytes`).toThrow();
  }
  expect(() => decodeRecords(Uint8Array.of(9, ...whole.subarray(1)))).toThrow("no such word: 9");
});
