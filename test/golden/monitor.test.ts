import { describe, expect, it } from "vitest";
import { decodeEvent } from "../../src/flow/index.ts";
import { l7Json, l7Line, monitorJson, monitorLine, verboseLines } from "../../src/flow/monitor/index.ts";
import type { L7Notification } from "../../src/model/access-record.ts";
import { FORBIDDEN_PUT } from "../support/access-record.ts";
import { type CraftedEvent, craftEvent, ipv4Packet, tcpPacket } from "../support/craft-event.ts";

const options = {
  numeric: false,
  hex: false,
  interfaceName: (ifindex: number) => (ifindex === 12 ? "lxc0123456789ab" : String(ifindex)),
};

function eventOf(crafted: CraftedEvent) {
  const event = decodeEvent(craftEvent(crafted));
  if (!event) throw new Error("the crafted event was not readable");
  return event;
}

const ends = { endpoint: 871, destinationEndpoint: 871, sourceIdentity: 10135, destinationIdentity: 318 };
const line = (crafted: CraftedEvent) => monitorLine(eventOf(crafted), options);

describe("one line an event", () => {
  it("traces", () => {
    expect(line({ type: 4, ...ends, ifindex: 12 })).toBe(
      "-> endpoint 871 flow 0xb6b3b6b3 , identity 10135->318 state new ifindex lxc0123456789ab orig-ip 0.0.0.0: 172.20.2.10:43966 -> 172.20.1.20:80 tcp SYN",
    );
    const reply = tcpPacket({
      source: "172.20.1.20",
      destination: "172.20.2.10",
      sourcePort: 80,
      destinationPort: 43966,
      flags: 0x12,
    });
    expect(line({ type: 4, subtype: 4, ctStatus: 2, sourceIdentity: 318, destinationIdentity: 1, packet: reply })).toBe(
      "-> overlay flow 0xb6b3b6b3 , identity 318->host state reply ifindex 0 orig-ip 0.0.0.0: 172.20.1.20:80 -> 172.20.2.10:43966 tcp SYN, ACK",
    );
    expect(
      line({ type: 4, subtype: 5, endpoint: 7, ctStatus: 5, packet: ipv4Packet(1, [8, 0, 0, 0, 0, 0, 0, 0]) }),
    ).toBe(
      "<- endpoint 7 flow 0xb6b3b6b3 , identity unknown->unknown state unknown ifindex 0 orig-ip 0.0.0.0: 172.20.2.10 -> 172.20.1.20 icmp EchoRequest",
    );
    expect(monitorLine(eventOf({ type: 4, sourceIdentity: 1 }), { ...options, numeric: true })).toContain(
      "identity 1->0 ",
    );
  });

  it("drops", () => {
    expect(line({ type: 1, subtype: 133, ...ends, ifindex: 12 })).toBe(
      "xx drop (Policy denied) flow 0xb6b3b6b3 to endpoint 871, ifindex 12, file unknown(0):0, , identity 10135->318: 172.20.2.10:43966 -> 172.20.1.20:80 tcp SYN",
    );
  });

  it("policy verdicts", () => {
    expect(line({ type: 5, direction: 1, verdict: -133, ...ends })).toBe(
      "Policy verdict log: flow 0xb6b3b6b3 local EP ID 871, remote ID 10135, proto 6, ingress, action deny, auth: disabled, match none, 172.20.2.10:43966 -> 172.20.1.20:80 tcp SYN",
    );
    expect(line({ type: 5, direction: 2, verdict: 10001, matchType: 2, ...ends })).toContain(
      "remote ID 318, proto 6, egress, action redirect, auth: disabled, match L3-L4,",
    );
  });
});

const notification: L7Notification = {
  record: { ...FORBIDDEN_PUT, timeMs: 0 },
  source: { id: 3845, identity: 19274, labels: ["k8s:class=tiefighter", "k8s:org=empire"] },
  destination: { id: 871, identity: 318, labels: ["k8s:class=deathstar", "k8s:org=empire"] },
};
const response: L7Notification = {
  ...notification,
  record: { ...notification.record, type: "response", verdict: "forwarded", status: 403 },
};

describe("requests and responses", () => {
  it("as lines", () => {
    expect(l7Line(notification)).toBe(
      "<- Request http from 3845 ([k8s:class=tiefighter k8s:org=empire]) to 871 ([k8s:class=deathstar k8s:org=empire]), identity 19274->318, verdict Denied PUT http://deathstar.default.svc.cluster.local/v1/exhaust-port => 0",
    );
    expect(l7Line(response)).toBe(
      "<- Response http to 3845 ([k8s:class=tiefighter k8s:org=empire]) from 871 ([k8s:class=deathstar k8s:org=empire]), identity 318->19274, verdict Forwarded PUT http://deathstar.default.svc.cluster.local/v1/exhaust-port => 403",
    );
  });

  it("of TLS, by the name that was asked for", () => {
    const tls = { serverName: "a.example", protocols: ["h2"] };
    const denied = { ...notification, record: { ...notification.record, tls } };
    expect(l7Line(denied)).toBe(
      "<- Request tls from 3845 ([k8s:class=tiefighter k8s:org=empire]) to 871 ([k8s:class=deathstar k8s:org=empire]), identity 19274->318, verdict Denied alpn:h2 reason:no rule matched sni:a.example",
    );
    expect(l7Json(denied)).toMatchObject({
      l7Proto: "tls",
      l7: { Proto: "tls", Fields: { alpn: "h2", reason: "no rule matched", sni: "a.example" } },
    });
    expect(l7Json(denied)).not.toHaveProperty("http");
  });

  it("of DNS", () => {
    const dns = {
      query: "a.example.",
      type: 1,
      transport: "udp" as const,
      code: 0,
      addresses: ["192.0.2.1"],
      cnames: ["b.example."],
      ttl: 30,
      types: [5, 1],
    };
    const [asked, answered] = (["request", "response"] as const).map((type) => ({
      ...notification,
      record: { ...notification.record, direction: "egress" as const, verdict: "forwarded" as const, type, dns },
    }));
    const ends = "3845 ([k8s:class=tiefighter k8s:org=empire])";
    const server = "871 ([k8s:class=deathstar k8s:org=empire])";
    expect(l7Line(asked!)).toBe(
      `-> Request dns from ${ends} to ${server}, identity 19274->318, verdict Forwarded DNS proxy: a.example. A`,
    );
    expect(l7Line(answered!)).toBe(
      `-> Response dns to ${ends} from ${server}, identity 318->19274, verdict Forwarded DNS proxy: a.example. A TTL: 30 Answer: '192.0.2.1' CNAMEs: b.example.`,
    );
    expect(l7Json(answered!)).toMatchObject({
      l7Proto: "dns",
      dns: { Query: "a.example.", IPs: ["192.0.2.1"], TTL: 30, CNAMEs: ["b.example."], QTypes: [1] },
    });
    expect(l7Json(asked!)).not.toHaveProperty("http");
  });

  it("as JSON", () => {
    expect(l7Json(response)).toMatchObject({ flowType: "Response", srcEpID: 871, dstEpID: 3845, http: { Code: 403 } });
  });
});

describe("more", () => {
  it("verbose: the event and a line a layer", () => {
    expect(verboseLines(eventOf({ type: 4, ...ends, ifindex: 12, ctStatus: 1 }), options)).toEqual([
      "-".repeat(78),
      "CPU 00: MARK 0xb6b3b6b3 FROM 871 to-endpoint: 54 bytes (54 captured), state established, interface lxc0123456789ab, , identity 10135->318, orig-ip 0.0.0.0, to endpoint 871",
      "Ethernet\t{Contents=[..14..] Payload=[..40..] SrcMAC=02:00:00:00:00:01 DstMAC=02:00:00:00:00:02 EthernetType=IPv4 Length=0}",
      "IPv4\t{Contents=[..20..] Payload=[..20..] Version=4 IHL=5 TOS=0 Length=40 Id=7 Flags=DF FragOffset=0 TTL=63 Protocol=TCP Checksum=0 SrcIP=172.20.2.10 DstIP=172.20.1.20 Options=[] Padding=[]}",
      "TCP\t{Contents=[..20..] Payload=[] SrcPort=43966 DstPort=80(http) Seq=1000 Ack=2000 DataOffset=5 FIN=false SYN=true RST=false PSH=false ACK=false URG=false ECE=false CWR=false NS=false Window=64240 Checksum=43981 Urgent=0 Options=[] Padding=[] Multipath=false}",
    ]);
    expect(verboseLines(eventOf({ type: 1, subtype: 133, ...ends }), options)[1]).toBe(
      "CPU 00: MARK 0xb6b3b6b3 FROM 871 DROP: 54 bytes, reason Policy denied, identity 10135->318, to endpoint 871",
    );
    expect(verboseLines(eventOf({ type: 5, direction: 1, ...ends }), options)).toHaveLength(1);
  });

  it("hex", () => {
    const lines = verboseLines(eventOf({ type: 4, ...ends }), { ...options, hex: true });
    expect(lines[2]).toBe("00000000  02 00 00 00 00 02 02 00  00 00 00 01 08 00 45 00  |..............E.|");
    expect(lines).toHaveLength(2 + 4);
    expect(lines[5]).toBe("00000030  fa f0 ab cd 00 00                                 |......|");
  });

  it("JSON", () => {
    const trace: unknown = JSON.parse(monitorJson(eventOf({ type: 4, ...ends, ifindex: 12 }), options));
    expect(trace).toMatchObject({
      type: "trace",
      mark: "0xb6b3b6b3",
      ifindex: "lxc0123456789ab",
      state: "new",
      observationPoint: "to-endpoint",
      traceSummary: "-> endpoint 871",
      srcLabel: 10135,
      dstLabel: 318,
      dstID: 871,
      summary: { l3: { src: "172.20.2.10", dst: "172.20.1.20" }, l4: { src: "43966", dst: "80" } },
    });
    expect(JSON.parse(monitorJson(eventOf({ type: 1, subtype: 133 }), options))).toMatchObject({
      type: "drop",
      reason: "Policy denied",
    });
  });
});
