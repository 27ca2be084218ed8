import { expect, test } from "vitest";
import type { AccessRecord } from "../model/access-record.ts";
import { decodeRecords, encodeRecords } from "./access-batch.ts";

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

test("records come out as they went in", () => {
  const dns = {
    query: "a.",
    type: 1,
    transport: "udp",
    code: 0,
    addresses: ["1.2.3.4"],
    cnames: [],
    ttl: 5,
    types: [1],
  };
  const records: AccessRecord[] = [
    RECORD,
    { ...RECORD, type: "response", status: 200, reason: "", headers: [] },
    { ...RECORD, dns: dns as NonNullable<AccessRecord["dns"]> },
    { ...RECORD, tls: { serverName: "a", protocols: ["h2"] } },
    { ...RECORD, responseFlags: "UF" },
    { ...RECORD, missingHeaders: RECORD.headers, rejectedHeaders: [{ name: "C", value: "d" }] },
  ];
  expect(decodeRecords(encodeRecords(records))).toEqual(records);
  expect(decodeRecords(encodeRecords([]))).toEqual([]);
});

test("headers that are the same list are told once", () => {
  const json = encodeRecords([RECORD, { ...RECORD, url: "http://x/b" }]);
  expect(json.split('"name":"A"')).toHaveLength(2);
});
