import { describe, expect, it } from "vitest";
import { type FlowLine, flow, http } from "../../../test/support/flow-lines.ts";
import { takeInventory } from "../inventory.ts";
import { coverageOf } from "./coverage.ts";
import { Distinctions } from "./distinctions.ts";
import { Recording } from "./recording.ts";
import { replay } from "./replay.ts";
import { replayJson, replayMarkdown, replayText } from "./replay-text.ts";

const policy = (name: string, spec: string) => `
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: ${name}, namespace: shop}
spec: ${spec}
---`;
const inventoryOf = (text: string) => takeInventory([{ file: "p.yaml", text }]);

const CLOSED = policy("store", "{endpointSelector: {matchLabels: {app: store}}, ingress: [{}]}");
const STORE = (rules: string, port = '"6379"') =>
  policy(
    "store",
    `{endpointSelector: {matchLabels: {app: store}}, ingress: [{fromEndpoints: [{matchLabels: {app: cart}}], toPorts: [{ports: [{port: ${port}, protocol: TCP}]${rules}}]}]}`,
  );
const GET_ONLY = STORE(", rules: {http: [{method: GET}]}");

function recordingOf(lines: readonly FlowLine[], ...policies: string[]): Recording {
  const recording = new Recording(new Distinctions(policies.map(inventoryOf)));
  for (const [index, line] of lines.entries()) recording.add(flow(line), { source: "f", line: index + 1 });
  recording.finish();
  return recording;
}

/** What becomes of each, as `title: now -> then (change)`. */
function changes(lines: readonly FlowLine[], after: string, before?: string): string[] {
  const recording = recordingOf(lines, after, ...(before === undefined ? [] : [before]));
  const { flows } = replay(recording, inventoryOf(after), before === undefined ? undefined : inventoryOf(before));
  return flows.map(({ conversation, now, after: later, change, missing }) => {
    const asked = conversation.request === undefined ? "" : ` ${conversation.request.title}`;
    return `${conversation.from.title} :${conversation.port}${asked}: ${now} -> ${later} (${change})${missing === undefined ? "" : ` ${missing}`}`;
  });
}

const dropped = { verdict: "DROPPED", is_reply: undefined, drop_reason: 133 };
const trace = { event_type: { type: 4 }, trace_reason: "NEW" };
const left = {
  traffic_direction: "EGRESS",
  event_type: { type: 4, sub_type: 3 },
  trace_observation_point: "TO_STACK",
  trace_reason: "NEW",
};

describe("a request", () => {
  it("whose host was not recorded is unknown only where the rules let one pass and another not", () => {
    const more = {
      ...http("GET", "/"),
      l7: { type: "REQUEST", http: { method: "GET", url: "/", headers: [{ key: "Y", value: "2" }] } },
    };
    const rules = (some: string) => changes([{ more }], STORE(`, rules: {http: [${some}]}`)).join();
    for (const same of [
      "{method: GET}",
      "{method: GET}, {method: PUT, host: a}",
      "{host: 'a.*'}, {host: '(?:[^a].*)?'}",
    ])
      expect(rules(same), same).toContain("GET /: allowed -> allowed (unchanged)");
    for (const host of ["{method: GET, host: 'a|b'}", '{headers: ["Host: a"]}', "{host: 'a.*'}, {host: '[^a].*'}"])
      expect(rules(host), host).toContain("(unknown) the host of the request");
  });

  it("is judged by the ingress end with the headers that the egress end's proxy gives it", () => {
    const match = (action: string) => `, rules: {http: [{headerMatches: [{name: X, value: "1"${action}}]}]}`;
    const cart = policy(
      "cart",
      `{endpointSelector: {matchLabels: {app: cart}}, egress: [{toPorts: [{ports: [{port: "6379", protocol: TCP}]${match(", mismatch: ADD")}}]}]}`,
    );
    const asked = [{ more: http("GET", "/", { Y: "2" }) }];
    const title = "shop/deployment/cart :6379 GET /";
    expect(changes(asked, STORE(match("")))).toContain(`${title}: allowed -> denied (closed)`);
    expect(changes(asked, STORE(match("")) + cart)).toContain(`${title}: allowed -> allowed (unchanged)`);
  });
});

describe("a connection", () => {
  it("is opened, closed or unchanged", () => {
    const lines = [
      {},
      { from: "shop/web" },
      { port: 80 },
      { from: "shop/web", port: 80, more: dropped },
      { port: 6380, more: dropped },
    ];
    expect(changes(lines, STORE(""))).toEqual([
      "shop/deployment/cart :80: allowed -> denied (closed)",
      "shop/deployment/web :6379: allowed -> denied (closed)",
      "shop/deployment/cart :6379: allowed -> allowed (unchanged)",
      "shop/deployment/cart :6380: denied -> denied (unchanged)",
      "shop/deployment/web :80: denied -> denied (unchanged)",
    ]);
    expect(changes([{ more: dropped }], STORE(""))).toEqual(["shop/deployment/cart :6379: denied -> allowed (opened)"]);
  });

  it("is compared with the set before, which the recording may contradict", () => {
    expect(changes([{}], STORE(""), CLOSED)).toEqual(["shop/deployment/cart :6379: denied -> allowed (opened)"]);
    expect(replay(recordingOf([{}], CLOSED), inventoryOf(STORE("")), inventoryOf(CLOSED)).disagreements).toBe(1);
    expect(
      replay(recordingOf([{ more: dropped }], CLOSED), inventoryOf(STORE("")), inventoryOf(CLOSED)).disagreements,
    ).toBe(0);
  });

  it("is unknown where nothing says what the other side did", () => {
    const missing = "whether shop/deployment/store let it in: nothing of its side is recorded, and no answer";
    expect(changes([{ more: left }], CLOSED)).toEqual([
      `shop/deployment/cart :6379: unknown -> denied (unknown) ${missing}`,
    ]);
    const reply = {
      from: "shop/store",
      to: "shop/cart",
      port: 41_000,
      sourcePort: 6379,
      more: { ...trace, is_reply: true },
    };
    expect(changes([{ more: left }, reply], CLOSED)).toEqual([
      "shop/deployment/cart :6379: allowed -> denied (closed)",
    ]);
    // who is outside has no side of ours
    expect(changes([{ to: "8.8.8.8", more: left }], CLOSED)).toEqual([
      "shop/deployment/cart :6379: allowed -> allowed (unchanged)",
    ]);
    // the proxy of the sender's side may have answered
    expect(changes([{ more: { ...left, verdict: "REDIRECTED" } }, reply], CLOSED)[0]).toContain("(unknown)");
  });

  it("is closed where one side that let it pass no longer does", () => {
    const egress = policy("cart", "{endpointSelector: {matchLabels: {app: cart}}, egress: [{}]}");
    expect(changes([{ more: left }], egress)).toEqual(["shop/deployment/cart :6379: unknown -> denied (closed)"]);
  });

  it("is unknown where nobody knows who it is", () => {
    const nobody = { source: { identity: 0 } };
    expect(changes([{ more: nobody }], CLOSED)[0]).toMatch(
      /unknown\) who 10\.1\.0\.\d+ is: the recording has no labels of it/,
    );
  });

  it("that audit let pass was not enforced: it counts as let in, and says so", () => {
    const recording = recordingOf([{ more: { verdict: "AUDIT" } }], CLOSED);
    const { flows } = replay(recording, inventoryOf(CLOSED));
    expect(flows[0]).toMatchObject({
      now: "allowed",
      after: "denied",
      change: "closed",
      notes: [expect.stringContaining("audited")],
    });
  });

  it("whose verdict changed has the last one", () => {
    const lines = [{ at: 2000, more: dropped }, { at: 1000 }, { at: 3000 }];
    const { flows } = replay(recordingOf(lines, CLOSED), inventoryOf(CLOSED));
    expect(flows[0]).toMatchObject({ now: "allowed", notes: [expect.stringContaining("changed")] });
  });
});

describe("a count", () => {
  it("is that of the place that saw most, whatever else saw it", () => {
    const drop = { ...dropped, event_type: { type: 1 } };
    const lines = [
      { more: dropped },
      { more: drop },
      { more: dropped, sourcePort: 2 },
      { more: drop, sourcePort: 2 },
      { more: drop },
    ];
    const [only] = replay(recordingOf(lines, CLOSED), inventoryOf(CLOSED)).flows;
    expect(only?.count).toBe(3);
    const seen = [...only!.conversation.places].map(([place, { count }]) => [place, count]);
    expect(Object.fromEntries(seen)).toEqual({ "verdict ingress": 2, "drop ingress": 3 });
  });

  it("counts a connection of many packets once", () => {
    const ack = {
      ...trace,
      trace_reason: "ESTABLISHED",
      l4: { TCP: { source_port: 9, destination_port: 6379, flags: { ACK: true } } },
    };
    const lines = [{}, { more: { ...trace } }, { more: ack }, { more: ack }, { more: ack }];
    const [only] = replay(recordingOf(lines, CLOSED), inventoryOf(CLOSED)).flows;
    expect([only?.count, only?.conversation.packets]).toEqual([1, 3]);
  });

  it("has the first and last time, and where they stand", () => {
    const [only] = replay(recordingOf([{ at: 5000 }, { at: 9000 }, { at: 1000 }], CLOSED), inventoryOf(CLOSED)).flows;
    const { firstMs, lastMs, evidence, lastLine } = only!.conversation;
    expect([lastMs - firstMs, evidence.line, lastLine]).toEqual([8000, 1, 2]);
  });
});

describe("requests", () => {
  const redirected = { verdict: "REDIRECTED" };

  it("are judged one by one, and the connection below them is not", () => {
    const lines = [
      { more: redirected },
      { more: http("GET", "/a") },
      { more: { ...http("PUT", "/a"), verdict: "DROPPED" } },
      { more: http("POST", "/a") },
    ];
    expect(changes(lines, GET_ONLY)).toEqual([
      "shop/deployment/cart :6379 POST /a: allowed -> denied (closed)",
      "shop/deployment/cart :6379: allowed -> allowed (unchanged)",
      "shop/deployment/cart :6379 GET /a: allowed -> allowed (unchanged)",
      "shop/deployment/cart :6379 PUT /a: denied -> denied (unchanged)",
    ]);
  });

  it("that no recording has leave the connection unknown", () => {
    expect(changes([{}], GET_ONLY)[0]).toContain("(unknown) the HTTP requests: the proxy would judge each");
  });

  it("that policies cannot tell apart are one", () => {
    const lines = Array.from({ length: 500 }, (_, id) => ({ more: http("GET", `/orders/${id}`) }));
    const rules = ', rules: {http: [{method: GET, path: "/orders/4[0-9]"}]}';
    expect(changes(lines, STORE(rules))).toEqual([
      "shop/deployment/cart :6379 GET /orders/{number}: allowed -> denied (closed)",
      "shop/deployment/cart :6379 GET /orders/{number}: allowed -> allowed (unchanged)",
    ]);
  });

  it("without headers are unknown where rules look at them, and only there", () => {
    const rules = ', rules: {http: [{method: GET, headers: ["X-Token: 1"]}, {method: HEAD}]}';
    const blind = (method: string) => ({ more: http(method, "/", {}) });
    expect(changes([blind("GET"), blind("PUT"), blind("HEAD")], STORE(rules))).toEqual([
      "shop/deployment/cart :6379 PUT /: allowed -> denied (closed)",
      "shop/deployment/cart :6379 GET /: allowed -> unknown (unknown) the request's headers (headers: not recorded)",
      "shop/deployment/cart :6379 HEAD /: allowed -> allowed (unchanged)",
    ]);
    const hidden = { more: http("GET", "/", { "X-Token": "HUBBLE_REDACTED", "User-Agent": "t" }) };
    expect(changes([hidden], STORE(rules))[0]).toContain("the request's headers (header x-token: not recorded)");
    const without = { more: http("GET", "/", { "User-Agent": "t" }) };
    expect(changes([without], STORE(rules))[0]).toContain("denied (closed)");
  });
});

describe("servers' names that TLS clients ask for", () => {
  const rules = STORE(", serverNames: [a.example, '*.b.example']");
  const hello = (name: string) => ({
    more: { ...http("", ""), l7: { type: "REQUEST" }, Summary: `tls Fields: map[alpn:h2${name && ` sni:${name}`}]` },
  });

  it("are judged one by one, and the connection below them is not", () => {
    expect(changes([{}, hello("a.example"), hello("x.b.example"), hello("c.example"), hello("")], rules)).toEqual([
      "shop/deployment/cart :6379 TLS for c.example: allowed -> denied (closed)",
      "shop/deployment/cart :6379 TLS for no name: allowed -> denied (closed)",
      "shop/deployment/cart :6379: allowed -> allowed (unchanged)",
      "shop/deployment/cart :6379 TLS for a.example: allowed -> allowed (unchanged)",
      "shop/deployment/cart :6379 TLS for x.b.example: allowed -> allowed (unchanged)",
    ]);
  });

  it("that could not be read are unknown, whatever was read between the same two", () => {
    const unread = { more: { ...http("", ""), l7: { type: "REQUEST" }, Summary: "" } };
    for (const [rules_, read] of [
      [rules, hello("a.example")],
      [GET_ONLY, { more: http("GET", "/") }],
    ] as const)
      expect(changes([{}, read, unread], rules_).join()).toMatch(
        /:6379 something that is not read here: allowed -> unknown/,
      );
    expect(changes([unread], STORE("")).join()).toContain("allowed -> allowed (unchanged)");
  });

  it("that no recording has leave the connection unknown, as they do requests of HTTP", () => {
    expect(changes([{}], rules)[0]).toMatch(/\(unknown\) the server's name that the TLS client asks for/);
    expect(changes([{}, hello("a.example")], GET_ONLY).join()).toMatch(
      /:6379: allowed -> unknown.*TLS for a.example: allowed -> unknown \(unknown\) the HTTP requests/,
    );
  });
});

describe("what flows do not say", () => {
  const fqdn = policy(
    "cart",
    "{endpointSelector: {matchLabels: {app: cart}}, egress: [{toFQDNs: [{matchName: api.example.com}]}]}",
  );

  it("is the name behind an address, unless something else told it", () => {
    const out = { to: "8.8.8.8", more: left };
    expect(changes([out], fqdn)[0]).toContain("(unknown) by which name 8.8.8.8 was asked for");
    expect(changes([{ ...out, more: { ...left, destination_names: ["api.example.com"] } }], fqdn)[0]).toContain(
      "allowed (unchanged)",
    );
    expect(changes([{ ...out, more: { ...left, destination_names: ["db.example.com"] } }], fqdn)[0]).toContain(
      "denied (closed)",
    );
    const answer = {
      from: "shop/dns",
      to: "shop/cart",
      more: {
        ...http("GET", "/"),
        is_reply: true,
        l7: { type: "RESPONSE", dns: { query: "api.example.com.", ips: ["8.8.8.8"] } },
      },
    };
    expect(changes([answer, out], fqdn)[0]).toContain("allowed (unchanged)");
  });

  it("is the name of a port, unless a manifest says it", () => {
    const named = STORE("", "redis");
    expect(changes([{}], named)[0]).toContain(
      "(unknown) whether TCP 6379 of shop/deployment/store is called redis (give its manifest)",
    );
    const pod = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: store, namespace: shop}
spec: {template: {metadata: {labels: {app: store}}, spec: {containers: [{name: a, ports: [{name: redis, containerPort: 6379}]}]}}}
---${named}`;
    expect(changes([{}, { port: 80 }], pod)).toEqual([
      "shop/deployment/cart :80: allowed -> denied (closed)",
      "shop/deployment/cart :6379: allowed -> allowed (unchanged)",
    ]);
  });
});

describe("the whole", () => {
  it("says which rules no flow used, and what the recording lacks", () => {
    const text = `${STORE("")}${policy("other", "{endpointSelector: {matchLabels: {app: other}}, ingress: [{}]}")}`;
    const recording = recordingOf([{}, { from: "shop/web" }], text);
    recording.add({ lost_events: { num_events_lost: "7" } }, { source: "f", line: 3 });
    recording.add({ nothing: 1 }, { source: "f", line: 4 });
    const candidate = inventoryOf(text);
    const result = replay(recording, candidate);
    const coverage = coverageOf(recording, result, candidate);
    expect(result.rules.filter(({ isUsed }) => !isUsed).map(({ rule }) => rule.policy)).toEqual([
      "CiliumNetworkPolicy shop/other",
    ]);
    expect(coverage).toMatchObject({ trust: "partial", lostEvents: 7, flows: 2 });
    const report = { ...result, coverage };
    expect(replayText(report)).toMatch(
      /^CLOSED 1\n {2}shop\/deployment\/web -> shop\/deployment\/store:6379\/tcp\n {4}now allowed, then denied; once, .*; f:2\n/,
    );
    expect(replayText(report)).toContain("RULES THAT NO FLOW USED 1 of 2");
    expect(replayText(report)).toContain("  but the recorder lost 7 events: what was in them is not known\n");
    expect(replayMarkdown(report)).toContain(
      "| shop/deployment/web -> shop/deployment/store:6379/tcp | allowed | denied | 1 |",
    );
    expect(JSON.parse(replayJson(report))).toMatchObject({
      counts: { closed: 1, unchanged: 1 },
      recording: { trust: "partial" },
    });
  });

  it("shows nothing that would steer a terminal or a page", () => {
    const recording = recordingOf([{ more: http("GET", "/\u001b[2J<img src=x>|`@all`\u202e") }], CLOSED);
    const candidate = inventoryOf(CLOSED);
    const result = replay(recording, candidate);
    const report = { ...result, coverage: coverageOf(recording, result, candidate) };
    expect(replayText(report)).toContain("GET /\ufffd[2J<img src=x>|`@all`\ufffd\n");
    expect(replayMarkdown(report)).toContain("GET /\ufffd&#91;2J&#60;img src=x>&#124;&#96;&#64;all&#96;\ufffd |");
  });

  it("keeps no more than the limit, and counts what came after", () => {
    const recording = new Recording(new Distinctions([inventoryOf(CLOSED)]), { distinct: 2 });
    for (const port of [1, 2, 3, 3, 1]) recording.add(flow({ port }), { source: "f", line: port });
    expect([recording.conversations.size, recording.beyondLimit, recording.flowCount]).toEqual([2, 2, 5]);
  });

  it("tells outsiders apart where policies do, and no further", () => {
    const cidr = policy("store", "{endpointSelector: {matchLabels: {app: store}}, ingress: [{fromCIDR: [9.0.0.0/8]}]}");
    const lines = ["9.1.1.1", "9.2.2.2", "8.8.8.8", "7.7.7.7"].map((from) => ({ from }));
    expect(changes(lines, cidr)).toEqual([
      "entity:world :6379: allowed -> denied (closed)",
      "9.0.0.0/8 :6379: allowed -> allowed (unchanged)",
    ]);
  });
});
