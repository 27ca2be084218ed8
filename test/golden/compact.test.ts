import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { type Flow, FlowSchema, IPSchema, LostEventSource } from "../../proto/gen/flow_pb.js";
import { GetFlowsResponseSchema } from "../../proto/gen/observer_pb.js";
import { NodeState } from "../../proto/gen/relay_pb.js";
import { accessRecordToFlow, decodeEvent, toFlow } from "../../src/flow/index.ts";
import { COLORED, PLAIN } from "../../src/flow/print/color.ts";
import { compactPrinter } from "../../src/flow/print/compact.ts";
import type { PrintOptions } from "../../src/flow/print/printer.ts";
import type { AccessRecord } from "../../src/model/access-record.ts";
import { FORBIDDEN_PUT } from "../support/access-record.ts";
import { type CraftedEvent, craftEvent, tcpPacket } from "../support/craft-event.ts";
import { starWarsContext } from "../support/flow-context.ts";

const OPTIONS: PrintOptions = {
  palette: PLAIN,
  timeFormat: "StampMilli",
  nodeName: false,
  policyNames: false,
  numeric: false,
  debug: false,
};

function line(flow: Flow, options: Partial<PrintOptions> = {}): string {
  const response = create(GetFlowsResponseSchema, {
    responseTypes: { case: "flow", value: flow },
    nodeName: flow.nodeName,
  });
  return compactPrinter({ ...OPTIONS, ...options })
    .print(response)
    .out.trimEnd();
}

function flowOf(crafted: CraftedEvent): Flow {
  const event = decodeEvent(craftEvent({ monotonicNs: 22_148_855_123_456n, ...crafted }));
  if (!event) throw new Error("the crafted event was not readable");
  return toFlow(event, starWarsContext);
}

const ends = { sourceIdentity: 10135, destinationIdentity: 318, endpoint: 871, destinationEndpoint: 871 };
const landing = "http://deathstar.default.svc.cluster.local/v1/request-landing";
const port = "http://deathstar.default.svc.cluster.local/v1/exhaust-port";
const http: AccessRecord = { ...FORBIDDEN_PUT, reason: "" };

describe("the lines of the Star Wars lab", () => {
  it("drop", () => {
    expect(line(flowOf({ type: 1, subtype: 133, ...ends }))).toBe(
      "Sep 25 06:09:08.855: default/xwing:43966 (ID:10135) <> default/deathstar-8c4c77fb7-9klws:80 (ID:318) Policy denied DROPPED (TCP Flags: SYN)",
    );
  });

  it("verdicts", () => {
    expect(line(flowOf({ type: 5, direction: 1, verdict: -133, ...ends }))).toBe(
      "Sep 25 06:09:08.855: default/xwing:43966 (ID:10135) <> default/deathstar-8c4c77fb7-9klws:80 (ID:318) policy-verdict:none INGRESS DENIED (TCP Flags: SYN)",
    );
    expect(line(flowOf({ type: 5, direction: 1, matchType: 2, ...ends }))).toBe(
      "Sep 25 06:09:08.855: default/xwing:43966 (ID:10135) -> default/deathstar-8c4c77fb7-9klws:80 (ID:318) policy-verdict:L3-L4 INGRESS ALLOWED (TCP Flags: SYN)",
    );
    expect(line(flowOf({ type: 5, direction: 1, matchType: 2, cookie: 7, ...ends }), { policyNames: true })).toContain(
      "policy-verdict:L3-L4 INGRESS ALLOWED BY rule1 (CiliumNetworkPolicy) (TCP Flags: SYN)",
    );
  });

  it("traces of both directions, ends swapped for the reply", () => {
    expect(line(flowOf({ type: 4, subtype: 4, ...ends }))).toBe(
      "Sep 25 06:09:08.855: default/xwing:43966 (ID:10135) -> default/deathstar-8c4c77fb7-9klws:80 (ID:318) to-overlay FORWARDED (TCP Flags: SYN)",
    );
    const reply = {
      source: "172.20.1.20",
      destination: "172.20.2.10",
      sourcePort: 80,
      destinationPort: 43966,
      flags: 0x12,
    };
    const crafted = { type: 4, ctStatus: 2, sourceIdentity: 318, destinationIdentity: 10135, packet: tcpPacket(reply) };
    expect(line(flowOf(crafted))).toBe(
      "Sep 25 06:09:08.855: default/xwing:43966 (ID:10135) <- default/deathstar-8c4c77fb7-9klws:80 (ID:318) to-endpoint FORWARDED (TCP Flags: SYN, ACK)",
    );
  });

  it("HTTP requests and responses", () => {
    const request = { ...http, method: "POST", url: landing };
    expect(line(accessRecordToFlow({ ...request, verdict: "forwarded" }, starWarsContext))).toBe(
      `Sep 25 00:00:01.234: default/tiefighter:59020 (ID:19274) -> default/deathstar-8c4c77fb7-9klws:80 (ID:318) http-request FORWARDED (HTTP/1.1 POST ${landing})`,
    );
    const response = { ...request, type: "response", status: 200, latencyMs: 6, verdict: "forwarded" } as const;
    expect(line(accessRecordToFlow(response, starWarsContext))).toBe(
      `Sep 25 00:00:01.234: default/tiefighter:59020 (ID:19274) <- default/deathstar-8c4c77fb7-9klws:80 (ID:318) http-response FORWARDED (HTTP/1.1 200 6ms (POST ${landing}))`,
    );
    expect(line(accessRecordToFlow({ ...request, verdict: "denied", method: "PUT", url: port }, starWarsContext))).toBe(
      `Sep 25 00:00:01.234: default/tiefighter:59020 (ID:19274) -> default/deathstar-8c4c77fb7-9klws:80 (ID:318) http-request DROPPED (HTTP/1.1 PUT ${port})`,
    );
  });
});

const health = create(FlowSchema, {
  time: { seconds: 1234n, nanos: 567_800_000 },
  verdict: 2,
  IP: { source: "1.1.1.1", destination: "2.2.2.2" },
  l4: { protocol: { case: "TCP", value: { sourcePort: 31793, destinationPort: 8080 } } },
  source: { identity: 4 },
  destination: { identity: 12345 },
  nodeName: "k8s1",
  eventType: { type: 1, subType: 133 },
  isReply: false,
  Summary: "TCP Flags: SYN",
});

describe("details of a compact line", () => {
  it("reserved names, node name, direction", () => {
    expect(line(health)).toBe(
      "Jan  1 00:20:34.567: 1.1.1.1:31793 (health) -> 2.2.2.2:8080 (ID:12345) Policy denied DROPPED (TCP Flags: SYN)",
    );
    expect(line({ ...health, isReply: true }, { nodeName: true })).toBe(
      "Jan  1 00:20:34.567 [k8s1]: 2.2.2.2:8080 (ID:12345) <- 1.1.1.1:31793 (health) Policy denied DROPPED (TCP Flags: SYN)",
    );
    expect(line({ ...health, ipTraceId: { traceId: 1234n } } as Flow)).toContain("(IP Trace ID: 1234; TCP Flags: SYN)");
    expect(line({ ...health, authType: 1 })).toContain("(TCP Flags: SYN; Auth: SPIRE)");
  });

  it("numeric keeps addresses, IPv6 is bracketed, an empty end prints (unknown)", () => {
    expect(line(flowOf({ type: 1, subtype: 133, ...ends }), { numeric: true })).toContain(
      "172.20.2.10:43966 (ID:10135) <> 172.20.1.20:80 (ID:318)",
    );
    const v6 = { ...health, IP: create(IPSchema, { source: "fd00::1", destination: "fd00::2" }) };
    expect(line(v6)).toContain("[fd00::1]:31793 (health) -> [fd00::2]:8080");
    expect(line(create(FlowSchema, {}))).toBe("N/A:  (unknown) <>  (unknown) UNKNOWN VERDICT_UNKNOWN ()");
  });

  it("colours hosts, ports, identities and verdicts, and lets no foreign sequence through", () => {
    expect(line(health, { palette: COLORED })).toBe(
      "Jan  1 00:20:34.567: \u001b[36m1.1.1.1:\u001b[33m31793\u001b[0m\u001b[0m \u001b[35m(health)\u001b[0m -> \u001b[36m2.2.2.2:\u001b[33m8080\u001b[0m\u001b[0m \u001b[35m(ID:12345)\u001b[0m Policy denied \u001b[31mDROPPED\u001b[0m (TCP Flags: SYN)",
    );
    expect(line({ ...health, Summary: "HTTP/1.1 GET http://x/\u001b[2J\r" })).toContain(
      "(HTTP/1.1 GET http://x/^[[2J\\r)",
    );
  });

  it("other time formats", () => {
    const at = (timeFormat: PrintOptions["timeFormat"]) => line(health, { timeFormat }).split(": 1.1.1.1")[0];
    expect(at("RFC3339Milli")).toBe("1970-01-01T00:20:34.567Z");
    expect(at("RFC3339Nano")).toBe("1970-01-01T00:20:34.5678Z");
    expect(at("RFC1123Z")).toBe("Thu, 01 Jan 1970 00:20:34 +0000");
    expect(at("YearMonthDay")).toBe("1970-01-01");
  });
});

describe("what is not a flow", () => {
  it("lost events", () => {
    const response = create(GetFlowsResponseSchema, {
      time: { seconds: 1234n, nanos: 567_800_000 },
      responseTypes: { case: "lostEvents", value: { source: LostEventSource.HUBBLE_RING_BUFFER, numEventsLost: 12n } },
    });
    expect(compactPrinter(OPTIONS).print(response).out).toBe(
      "Jan  1 00:20:34.567 EVENTS LOST: HUBBLE_RING_BUFFER CPU(0) 12\n",
    );
  });

  it("node status goes to standard error, good news only when debugging", () => {
    const status = (stateChange: NodeState, nodeNames: string[], message = "") =>
      create(GetFlowsResponseSchema, {
        time: { seconds: 1234n, nanos: 567_800_000 },
        nodeName: "relay",
        responseTypes: { case: "nodeStatus", value: { stateChange, nodeNames, message } },
      });
    const connected = status(NodeState.NODE_CONNECTED, ["k8s-ctr", "k8s-w1"]);
    expect(compactPrinter(OPTIONS).print(connected)).toEqual({ out: "", err: "" });
    expect(compactPrinter({ ...OPTIONS, debug: true }).print(connected).err).toBe(
      "Jan  1 00:20:34.567 [relay]: Receiving flows from 2 nodes: k8s-ctr, k8s-w1\n",
    );
    expect(compactPrinter(OPTIONS).print(status(NodeState.NODE_ERROR, ["k8s-w2"], "EOF")).err).toBe(
      'Jan  1 00:20:34.567 [relay]: Error "EOF" on 1 nodes: k8s-w2\n',
    );
    const many = Array.from({ length: 9 }, (_, i) => `default/node-${i}`);
    expect(compactPrinter(OPTIONS).print(status(NodeState.NODE_UNAVAILABLE, many)).err).toBe(
      "Jan  1 00:20:34.567 [relay]: 9 nodes are unavailable: default/node-0, default/node-1, default/node-2 (and 6 more)\n",
    );
  });
});
