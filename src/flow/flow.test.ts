import { describe, expect, it } from "vitest";
import {
  DropReason,
  FlowType,
  L7FlowType,
  TraceObservationPoint,
  TraceReason,
  TrafficDirection,
  Verdict,
} from "../../proto/gen/flow_pb.js";
import { FORBIDDEN_PUT } from "../../test/support/access-record.ts";
import { type CraftedEvent, craftEvent, ipv4Packet, tcpPacket } from "../../test/support/craft-event.ts";
import { starWarsContext } from "../../test/support/flow-context.ts";
import type { AccessRecord, DnsFacts } from "../model/access-record.ts";
import { accessRecordToFlow } from "./access.ts";
import { decodeEvent } from "./decode/event.ts";
import { toFlow } from "./flow.ts";
import { serverNameIn, tlsSummary } from "./summary.ts";

function flowOf(crafted: CraftedEvent) {
  const event = decodeEvent(craftEvent(crafted));
  if (!event) throw new Error("the crafted event was not readable");
  return toFlow(event, starWarsContext);
}

const deniedSyn = {
  subtype: 133,
  endpoint: 871,
  destinationEndpoint: 871,
  sourceIdentity: 10135,
  destinationIdentity: 318,
};

describe("toFlow", () => {
  it("names both ends of a drop, and does not claim to know whether it was a reply", () => {
    const flow = flowOf({ type: 1, ...deniedSyn, monotonicNs: 1_234_567_890n, cookie: 7, revision: 3 });
    expect(flow).toMatchObject({
      verdict: Verdict.DROPPED,
      dropReason: 133,
      dropReasonDesc: DropReason.POLICY_DENIED,
      Type: FlowType.L3_L4,
      nodeName: "default/k8s-w1",
      Summary: "TCP Flags: SYN",
      eventType: { type: 1, subType: 133 },
      trafficDirection: TrafficDirection.INGRESS,
      time: { seconds: 1_790_294_401n, nanos: 234_567_890 },
      source: {
        identity: 10135,
        namespace: "default",
        podName: "xwing",
        labels: ["k8s:class=xwing", "k8s:org=alliance"],
      },
      destination: { ID: 871, identity: 318, workloads: [{ name: "deathstar", kind: "Deployment" }] },
    });
    expect(flow.isReply).toBeUndefined();
    expect(flow.reply).toBe(false);
    expect(flow.ingressDeniedBy).toMatchObject([
      { name: "rule1", namespace: "default", kind: "CiliumNetworkPolicy", revision: 3n },
    ]);
    expect(flow.ingressDeniedBy[0]?.labels).toContain("shieldgate:rule=spec.ingress[0]");
  });

  it("does not attribute a drop that no policy made", () => {
    expect(flowOf({ type: 1, ...deniedSyn, subtype: 132, cookie: 7 }).ingressDeniedBy).toEqual([]);
  });

  it("tells allowed, redirected and denied verdicts apart", () => {
    const verdict = (value: number) =>
      flowOf({ type: 5, direction: 1, endpoint: 871, verdict: value, cookie: 7, matchType: 2 });
    expect(verdict(0)).toMatchObject({ verdict: Verdict.FORWARDED, isReply: false, policyMatchType: 2, dropReason: 0 });
    expect(verdict(0).ingressAllowedBy[0]?.name).toBe("rule1");
    expect(verdict(10001)).toMatchObject({ verdict: Verdict.REDIRECTED, proxyPort: 10001, isReply: false });
    expect(verdict(-181)).toMatchObject({ verdict: Verdict.DROPPED, dropReasonDesc: DropReason.POLICY_DENY });
    expect(verdict(-181).isReply).toBeUndefined();
    expect(verdict(-181).ingressDeniedBy[0]?.name).toBe("rule1");
    expect(verdict(-181).ingressAllowedBy).toEqual([]);
  });

  it("tells what policy would have denied", () => {
    const flow = flowOf({ type: 5, direction: 1, endpoint: 871, verdict: 0, cookie: 7, matchType: 0, flags: 16 });
    expect(flow).toMatchObject({ verdict: Verdict.AUDIT, dropReason: 0, ingressAllowedBy: [] });
    expect(flow.ingressDeniedBy[0]?.name).toBe("rule1");
  });

  it("says what the rules that matched want logged", () => {
    const verdict = (matchType: number) =>
      flowOf({ type: 5, direction: 1, endpoint: 871, verdict: 0, cookie: 7, matchType });
    expect([verdict(2).policyLog, verdict(0).policyLog]).toEqual([["landing"], []]);
  });

  it("shares what flows have in common, and not what has changed", () => {
    const of = (destination: string, labels?: readonly string[]) => {
      const context = labels === undefined ? starWarsContext : { ...starWarsContext, labelsOfIdentity: () => labels };
      const packet = tcpPacket({ source: "172.20.2.10", destination });
      return toFlow(decodeEvent(craftEvent({ type: 4, packet, sourceIdentity: 10135 }))!, context);
    };
    const [first, same, other] = [of("172.20.1.20"), of("172.20.1.20"), of("172.20.2.11")];
    expect([same.source, same.IP, same.ethernet]).toEqual([first.source, first.IP, first.ethernet]);
    expect(same.IP).toBe(first.IP);
    expect([other.IP?.destination, other.destination?.podName]).toEqual(["172.20.2.11", "tiefighter"]);
    expect(of("172.20.1.20", ["k8s:new=label"]).source?.labels).toEqual(["k8s:new=label"]);
  });

  it("gives the judged endpoint its id", () => {
    expect(flowOf({ type: 5, direction: 1, endpoint: 99 }).destination?.ID).toBe(99);
    expect(flowOf({ type: 5, direction: 2, endpoint: 99 }).source?.ID).toBe(99);
  });

  it("turns a trace's sub-type and reason into both of their numberings", () => {
    const flow = flowOf({ type: 4, subtype: 0, ctStatus: 0, endpoint: 871, ifindex: 12 });
    expect(flow).toMatchObject({
      verdict: Verdict.FORWARDED,
      eventType: { type: 4, subType: 0 },
      traceObservationPoint: TraceObservationPoint.TO_ENDPOINT,
      traceReason: TraceReason.NEW,
      isReply: false,
      trafficDirection: TrafficDirection.INGRESS,
      interface: { index: 12, name: "lxc0123456789ab" },
    });
    expect(flowOf({ type: 4, subtype: 4 }).traceObservationPoint).toBe(TraceObservationPoint.TO_OVERLAY);
  });

  it("knows a reply by connection tracking, by the flag, or not at all", () => {
    const reply = { source: "172.20.1.20", destination: "172.20.2.10", sourcePort: 80, destinationPort: 43966 };
    const packet = tcpPacket({ ...reply, flags: 0x12 });
    expect(flowOf({ type: 4, ctStatus: 2, endpoint: 871, packet })).toMatchObject({
      isReply: true,
      reply: true,
      trafficDirection: TrafficDirection.INGRESS,
    });
    expect(flowOf({ type: 4, ctStatus: 5, flags: 3, packet }).isReply).toBe(true);
    expect(flowOf({ type: 4, ctStatus: 5, flags: 2, packet }).isReply).toBe(false);
    expect(flowOf({ type: 4, ctStatus: 5, packet }).isReply).toBeUndefined();
  });

  it("shows the address before translation as the source", () => {
    expect(flowOf({ type: 4, originalAddress: "172.20.2.11" }).IP).toMatchObject({
      source: "172.20.2.11",
      sourceXlated: "172.20.2.10",
    });
  });

  it("names services and learned DNS names", () => {
    expect(flowOf({ type: 4, packet: tcpPacket({ destination: "10.96.55.1" }) }).destinationService?.name).toBe(
      "deathstar",
    );
    const out = tcpPacket({ source: "172.20.1.20", destination: "104.198.14.52" });
    expect(flowOf({ type: 4, packet: out })).toMatchObject({
      destinationNames: ["api.github.com"],
      destination: { identity: 2, labels: ["reserved:world"] },
    });
  });

  it("summarises ICMP by name and the rest by the innermost layer", () => {
    expect(flowOf({ type: 4, packet: ipv4Packet(1, [8, 0, 0, 0, 0, 0, 0, 0]) }).Summary).toBe("ICMPv4 EchoRequest");
    expect(flowOf({ type: 4, packet: ipv4Packet(1, [3, 1, 0, 0, 0, 0, 0, 0]) }).Summary).toBe(
      "ICMPv4 DestinationUnreachable(Host)",
    );
    expect(flowOf({ type: 4, packet: ipv4Packet(89, []) }).Summary).toBe("IPv4");
  });
});

const REQUEST: AccessRecord = {
  ...FORBIDDEN_PUT,
  headers: [{ name: "traceparent", value: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" }],
};

describe("accessRecordToFlow", () => {
  it("makes a request flow without a code", () => {
    const flow = accessRecordToFlow(REQUEST, starWarsContext);
    expect(flow).toMatchObject({
      Type: FlowType.L7,
      verdict: Verdict.DROPPED,
      isReply: false,
      eventType: { type: 129, subType: 0 },
      source: { podName: "tiefighter", ID: 0 },
      destination: { ID: 871 },
      l7: { type: L7FlowType.REQUEST, record: { case: "http", value: { code: 0, method: "PUT" } } },
      traceContext: { parent: { traceId: "0af7651916cd43dd8448eb211c80319c" } },
      Summary: "HTTP/1.1 PUT http://deathstar.default.svc.cluster.local/v1/exhaust-port",
      trafficDirection: TrafficDirection.INGRESS,
    });
    expect(flow.time).toMatchObject({ seconds: 1_790_294_401n, nanos: 234_000_000 });
  });

  it("shows a TLS connection as Cilium's clients show a protocol that they do not know", () => {
    const tls = { serverName: "evil.example", protocols: ["h2", "http/1.1"] };
    const flow = accessRecordToFlow(
      { ...REQUEST, protocol: "", method: "", url: "", headers: [], tls },
      starWarsContext,
    );
    expect(flow).toMatchObject({ Type: FlowType.L7, verdict: Verdict.DROPPED, eventType: { type: 129 } });
    expect(flow.l7).toMatchObject({ type: L7FlowType.REQUEST, record: { case: undefined } });
    expect(flow.Summary).toBe("tls Fields: map[alpn:h2,http/1.1 reason:no rule matched sni:evil.example]");
    const nameless = { ...REQUEST, verdict: "forwarded", reason: "", tls: { protocols: [] } } as const;
    expect(accessRecordToFlow(nameless, starWarsContext).Summary).toBe("tls Fields: map[]");
  });

  it("shows a server's name so that it can be read again, whatever else the client and the reason say", () => {
    const again = (protocols: string[], serverName?: string, reason = "") =>
      serverNameIn(tlsSummary({ protocols, ...(serverName !== undefined && { serverName }) }, reason));
    expect(again(["h2"], "a.example", "no rule matched")).toBe("a.example");
    for (const name of ["a sni:b", "%41,[]", "]", "\u00e9\n\0"]) expect(again(["h2"], name)).toBe(name);
    expect([again(["x sni:a"]), again(["h2"], undefined, "hello for x sni:a"), again([])]).toEqual(["", "", ""]);
    expect([serverNameIn("HTTP/1.1 GET http://tls Fields: map[sni:a]"), serverNameIn("")]).toEqual([
      undefined,
      undefined,
    ]);
  });

  it.each([
    ["request", {}, "DNS Query deathstar.example. A"],
    ["response", {}, 'DNS Answer "192.0.2.1,192.0.2.2" CNAMEs: "a.example." TTL: 30 (Proxy deathstar.example. A)'],
    [
      "response",
      { addresses: [], cnames: [], ttl: 0xffff_ffff },
      "DNS Answer  TTL: 4294967295 (Proxy deathstar.example. A)",
    ],
    [
      "response",
      { code: 2, ttl: 0xffff_ffff },
      "DNS Answer RCode: Server Failure TTL: 4294967295 (Proxy deathstar.example. A)",
    ],
  ] as const)("makes a DNS %s's flow", (type, change, summary) => {
    const dns: DnsFacts = {
      query: "deathstar.example.",
      type: 1,
      transport: "udp",
      code: 0,
      addresses: ["192.0.2.1", "192.0.2.2"],
      cnames: ["a.example."],
      ttl: 30,
      types: [5, 1, 1],
      ...change,
    };
    const flow = accessRecordToFlow({ ...REQUEST, type, protocol: "", headers: [], dns }, starWarsContext);
    expect(flow.Summary).toBe(summary);
    expect(flow.l4?.protocol.case).toBe("UDP");
    const asked = { query: "deathstar.example.", observationSource: "proxy", qtypes: ["A"] };
    const answered = {
      ips: dns.addresses,
      cnames: dns.cnames,
      ttl: dns.ttl,
      rcode: dns.code,
      rrtypes: ["CNAME", "A", "A"],
    };
    const nothing = { ips: [], cnames: [], ttl: 0, rcode: 0, rrtypes: [] };
    expect(flow.l7?.record).toMatchObject({
      case: "dns",
      value: { ...asked, ...(type === "request" ? nothing : answered) },
    });
  });

  it("swaps the ends of a response and tells its latency", () => {
    const record: AccessRecord = { ...REQUEST, type: "response", verdict: "forwarded", status: 403, latencyMs: 6.4 };
    const flow = accessRecordToFlow(record, starWarsContext);
    expect(flow).toMatchObject({
      isReply: true,
      reply: true,
      source: { ID: 871, podName: "deathstar-8c4c77fb7-9klws" },
      destination: { podName: "tiefighter" },
      l4: { protocol: { value: { sourcePort: 80, destinationPort: 59020 } } },
      l7: { type: L7FlowType.RESPONSE, latencyNs: 6_400_000n, record: { value: { code: 403 } } },
      Summary: "HTTP/1.1 403 6ms (PUT http://deathstar.default.svc.cluster.local/v1/exhaust-port)",
    });
  });
});
