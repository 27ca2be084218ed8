import { describe, expect, it } from "vitest";
import { flow, http } from "../../../test/support/flow-lines.ts";
import { readRecorded } from "./recorded-flow.ts";

const denied = {
  event_type: { type: 1, sub_type: 133 },
  is_reply: undefined,
  verdict: "DROPPED",
  drop_reason: 133,
  drop_reason_desc: "POLICY_DENIED",
};
const trace = (sub_type: number, point: string, more: object = {}) => ({
  event_type: { type: 4, sub_type },
  trace_observation_point: point,
  trace_reason: "NEW",
  ...more,
});

describe("a line of any shape", () => {
  it.each([
    ["a response", (inner: object) => ({ flow: inner, node_name: "n", time: "2026-01-01T00:00:00Z" })],
    ["a bare flow", (inner: object) => inner],
    ["an answer of a gateway", (inner: object) => ({ result: { flow: inner } })],
    ["with fields of a later release", (inner: object) => ({ flow: { ...inner, quantum: { spin: 1 } }, later: true })],
  ])("%s is read", (_, wrap) => {
    expect(readRecorded(wrap(flow()))).toMatchObject({
      kind: "flow",
      place: "verdict ingress",
      side: "ingress",
      outcome: "allowed",
      isFirst: true,
      protocol: 6,
      port: 6379,
      source: { workload: { kind: "Deployment", name: "cart" } },
    });
  });

  it("reads names in camel case and enums by their numbers", () => {
    const { source, destination } = flow();
    const line = {
      time: { seconds: "1764000000", nanos: 5_000_000 },
      verdict: 5,
      IP: { source: "10.1.0.1", destination: "10.1.0.2" },
      l4: { TCP: { sourcePort: 4000, destinationPort: 80 } },
      source: { ...(source as object), podName: "a" },
      destination,
      eventType: { type: 5 },
      trafficDirection: 2,
      isReply: { value: false },
    };
    expect(readRecorded(line)).toMatchObject({
      outcome: "redirected",
      side: "egress",
      port: 80,
      timeMs: 1_764_000_000_005,
    });
  });

  it.each([
    [{ lost_events: { source: "HUBBLE_RING_BUFFER", num_events_lost: "12" } }, { kind: "lost", events: 12 }],
    [{ lostEvents: { numEventsLost: 3 } }, { kind: "lost", events: 3 }],
    [{ node_status: { state_change: "NODE_CONNECTED" } }, { kind: "aside", why: "a node's status" }],
    [{ agent_event: {} }, { kind: "aside" }],
    [
      { level: "info", msg: "started" },
      { kind: "unreadable", why: "no flow of Hubble" },
    ],
    [[1], { kind: "unreadable" }],
    [null, { kind: "unreadable" }],
  ])("%j is no flow", (value, expected) => expect(readRecorded(value)).toMatchObject(expected));
});

describe("what a flow tells of policy", () => {
  it.each<[string, object, object]>([
    ["a denial at ingress", denied, { outcome: "denied", side: "ingress", place: "drop ingress" }],
    ["one of an old release, by number alone", { ...denied, drop_reason_desc: undefined }, { outcome: "denied" }],
    ["by a deny rule", { ...denied, drop_reason: 181, drop_reason_desc: "POLICY_DENY" }, { outcome: "denied" }],
    ["an audited one", { verdict: "AUDIT" }, { outcome: "audited" }],
    ["a packet that arrives", trace(0, "TO_ENDPOINT"), { side: "ingress", place: "to-endpoint", isFirst: true }],
    [
      "without the point's name",
      trace(0, "", { traffic_direction: undefined }),
      { side: "ingress", place: "to-endpoint" },
    ],
    [
      "a packet that leaves",
      trace(3, "TO_STACK", { traffic_direction: "EGRESS" }),
      { side: "egress", place: "to-stack" },
    ],
    ["one for the proxy", trace(1, "TO_PROXY"), { side: "ingress", outcome: "redirected" }],
    [
      "a later packet",
      trace(0, "TO_ENDPOINT", {
        trace_reason: "ESTABLISHED",
        l4: { TCP: { destination_port: 6379, flags: { ACK: true } } },
      }),
      { isFirst: false },
    ],
    ["a refused request", { ...http("GET", "/"), verdict: "DROPPED" }, { outcome: "denied", place: "request ingress" }],
    ["a request that the proxy failed", { ...http("GET", "/"), verdict: "ERROR" }, { outcome: "failed" }],
  ])("%s", (_, more, expected) =>
    expect(readRecorded(flow({ more: more as Record<string, unknown> }))).toMatchObject({ kind: "flow", ...expected }),
  );

  it.each<[string, object, string]>([
    ["before it was judged", trace(5, "FROM_ENDPOINT"), "seen before policy judged it, or after the proxy did"],
    [
      "translated at the socket",
      { verdict: "TRANSLATED", event_type: { type: 130 } },
      "the address of a service, translated at the socket",
    ],
    ["related to another", trace(0, "TO_ENDPOINT", { trace_reason: "RELATED" }), "an ICMP error about another packet"],
    [
      "whose way is not known",
      { event_type: { type: 4 }, is_reply: undefined, l4: { TCP: { destination_port: 1, flags: { ACK: true } } } },
      "not known which way it went",
    ],
    ["of a new kind", { event_type: { type: 200 } }, "an event of type 200, which is not known here"],
    [
      "dropped for another reason",
      { ...denied, drop_reason: 172, drop_reason_desc: "UNKNOWN_SENDER" },
      "dropped for another reason than policy: UNKNOWN_SENDER",
    ],
    [
      "of a protocol without ports",
      { l4: { IGMP: { type: 17 } } },
      "a protocol without ports or types that policy knows",
    ],
    [
      "answered by the proxy",
      { ...http("GET", "/"), l7: { type: "RESPONSE", http: { code: 403, method: "GET", url: "/" } }, is_reply: true },
      "an answer that the proxy may have given itself",
    ],
  ])("nothing: %s", (_, more, why) =>
    expect(readRecorded(flow({ more: more as Record<string, unknown> }))).toMatchObject({ kind: "aside", why }),
  );

  it("a verdict of a newer recorder is none that is guessed; other new fields are passed over", () => {
    for (const verdict of ["SHREDDED", 99])
      expect(readRecorded(flow({ more: { verdict } }))).toEqual({
        kind: "unreadable",
        why: `verdict ${verdict} is none that is known here`,
      });
    const known = readRecorded(flow({}));
    expect(readRecorded(flow({ more: { brand_new: { a: [1] } } }))).toEqual(known);
  });

  it("a reply is an answer to the connection that it belongs to", () => {
    for (const more of [
      trace(0, "TO_ENDPOINT", { is_reply: true }),
      { event_type: { type: 4 }, is_reply: undefined, reply: true },
    ]) {
      const reply = flow({ from: "shop/store", to: "shop/cart", port: 41_000, sourcePort: 6379, more });
      expect(readRecorded(reply)).toMatchObject({
        kind: "answer",
        port: 6379,
        source: { workload: { name: "cart" } },
        destination: { workload: { name: "store" } },
      });
    }
  });

  it("an echo reply answers an echo request", () => {
    const more = { l4: { ICMPv4: {} }, ...trace(0, "TO_ENDPOINT", { is_reply: true }) };
    expect(readRecorded(flow({ more }))).toMatchObject({ kind: "answer", protocol: 1, port: 8 });
  });

  it("a request comes with its host, path and headers, and with what was hidden", () => {
    const more = http("POST", "/a?b=1", { "X-Token": "HUBBLE_REDACTED", Accept: "*/*" });
    expect(readRecorded(flow({ more }))).toMatchObject({
      request: {
        parser: "http",
        facts: { http: { method: "POST", host: "store", path: "/a?b=1", headers: [{ name: "Accept", value: "*/*" }] } },
        hidden: ["header x-token"],
      },
    });
    const bare = { ...http("GET", "/"), l7: { type: "REQUEST", record: { http: { method: "GET", url: "/x" } } } };
    expect(readRecorded(flow({ more: bare }))).toMatchObject({
      request: { facts: { http: { path: "/x" } }, hidden: ["headers", "host"] },
    });
  });

  it("a TLS client hello comes with the name that it asks for", () => {
    const hello = (Summary: string) =>
      readRecorded(flow({ more: { ...http("", ""), l7: { type: "REQUEST" }, Summary } }));
    const request = (sni: string) => ({ request: { parser: "tls", facts: { sni }, hidden: [] } });
    expect(hello("tls Fields: map[alpn:h2 sni:a.example]")).toMatchObject(request("a.example"));
    expect(hello("tls Fields: map[]")).toMatchObject(request(""));
    expect(hello("r2d2 Fields: map[sni:a]")).toMatchObject({ request: { parser: "other", facts: {} } });
  });
});
