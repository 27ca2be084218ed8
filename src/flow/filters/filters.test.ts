import { create, fromBinary, fromJson, type JsonValue } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { FlowFilterSchema, FlowSchema } from "../../../proto/gen/flow_pb.js";
import { compileFilters } from "./index.ts";

const flow = create(FlowSchema, {
  uuid: "u-1",
  verdict: 1,
  nodeName: "default/k8s-w1",
  nodeLabels: ["kubernetes.io/os=linux"],
  trafficDirection: 1,
  isReply: false,
  eventType: { type: 129, subType: 0 },
  IP: { source: "172.20.2.11", destination: "fd00::20", ipVersion: 1, sourceXlated: "10.0.0.9" },
  l4: { protocol: { case: "TCP", value: { sourcePort: 59020, destinationPort: 80, flags: { SYN: true, ACK: true } } } },
  source: {
    identity: 19274,
    namespace: "default",
    podName: "tiefighter",
    clusterName: "default",
    labels: ["k8s:class=tiefighter", "k8s:org=empire"],
    workloads: [{ name: "tiefighter", kind: "Pod" }],
  },
  destination: {
    identity: 318,
    namespace: "prod",
    podName: "deathstar-abc-x",
    labels: ["k8s:app.kubernetes.io/name=deathstar"],
  },
  destinationService: { name: "deathstar", namespace: "default" },
  destinationNames: ["api.example.com"],
  interface: { index: 12, name: "lxc12" },
  traceContext: { parent: { traceId: "abc" } },
  ipTraceId: { traceId: 5n },
  l7: {
    type: 1,
    record: {
      case: "http",
      value: {
        code: 404,
        method: "PUT",
        url: "http://deathstar/v1/exhaust-port?x=1",
        headers: [{ key: "Host", value: "d" }],
      },
    },
  },
});

const matches = (filter: JsonValue, of = flow) => compileFilters([fromJson(FlowFilterSchema, filter)], [])(of);
const error = (filter: JsonValue) => () => compileFilters([fromJson(FlowFilterSchema, filter)], []);

/** Four loops within each other. */
const LOOPS = "[1].all(a, [1].all(b, [1].all(c, [1].all(d, true))))";

/** Field, values that match, values that do not. */
const CASES: readonly [string, JsonValue[], JsonValue[]][] = [
  ["uuid", ["u-1"], ["u-2"]],
  ["trace_id", ["abc"], ["ab"]],
  ["ip_trace_id", ["5"], ["6"]],
  ["source_ip", ["172.20.2.11", "172.20.0.0/16", "0.0.0.0/0"], ["172.20.2.12", "172.21.0.0/16", "::/0"]],
  ["destination_ip", ["fd00::20", "fd00::/8"], ["fd00::21", "fe00::/8", "0.0.0.0/0"]],
  ["source_ip_xlated", ["10.0.0.9"], ["10.0.0.8"]],
  ["ip_version", ["IPv4"], ["IPv6", "IP_NOT_USED"]],
  ["source_pod", ["tiefighter", "tie", "default/", "/tie", "default/tiefighter"], ["xwing", "prod/tie", "prod/", "/x"]],
  ["destination_pod", ["prod/deathstar", "/deathstar"], ["deathstar"]],
  ["destination_service", ["deathstar", "default/deathstar"], ["prod/deathstar"]],
  ["source_service", [], ["default/"]],
  ["destination_fqdn", ["api.example.com", "*.example.com", "API.*"], ["example.com", "xapi.example.com"]],
  ["source_fqdn", [], ["*"]],
  [
    "source_label",
    [
      "class=tiefighter",
      "k8s:org=empire",
      "any:org",
      "org in (empire, alliance)",
      "org!=alliance",
      "!missing",
      "class=tiefighter,org",
    ],
    [
      "class=xwing",
      "reserved:org",
      "org notin (empire)",
      "org!=empire",
      "!org",
      "missing",
      "class=tiefighter,org=alliance",
    ],
  ],
  ["destination_label", ["app.kubernetes.io/name=deathstar"], ["app.kubernetes.io/name=xwing"]],
  ["node_labels", ["kubernetes.io/os=linux"], ["kubernetes.io/os=windows"]],
  [
    "source_workload",
    [{ name: "tiefighter" }, { kind: "Pod" }],
    [{ name: "tie" }, { kind: "Deployment", name: "tiefighter" }],
  ],
  ["destination_workload", [], [{ name: "deathstar" }, {}]],
  ["source_cluster_name", ["default"], ["def"]],
  ["destination_cluster_name", [], ["default"]],
  ["source_identity", [19274], [318, 0]],
  ["destination_identity", [318], [19274]],
  ["traffic_direction", ["INGRESS"], ["EGRESS"]],
  ["verdict", ["FORWARDED"], ["DROPPED"]],
  ["drop_reason_desc", [], ["POLICY_DENIED", "DROP_REASON_UNKNOWN"]],
  ["interface", [{ index: 12 }, { name: "lxc12" }], [{ index: 13 }, { name: "lxc" }]],
  [
    "event_type",
    [{ type: 129 }, { type: 0 }, { type: 129, match_sub_type: true }],
    [{ type: 4 }, { type: 129, match_sub_type: true, sub_type: 1 }],
  ],
  ["http_status_code", ["404", "4+", "40+"], ["403", "5+", "41+"]],
  ["http_method", ["put", "PUT"], ["POST"]],
  ["http_path", ["/v1/exhaust", "port$"], ["^/exhaust", "x=1"]],
  ["http_url", ["x=1$", "^http://deathstar/"], ["^/v1"]],
  ["http_header", [{ key: "Host", value: "d" }], [{ key: "host", value: "d" }, { key: "Host" }]],
  ["dns_query", [], ["."]],
  ["protocol", ["tcp", "HTTP"], ["udp", "dns", "icmp"]],
  ["source_port", ["59020"], ["80"]],
  ["destination_port", ["80"], ["59020"]],
  ["reply", [false], [true]],
  ["encrypted", [false], [true]],
  ["tcp_flags", [{ SYN: true }, { SYN: true, ACK: true }, {}], [{ FIN: true }, { SYN: true, FIN: true }]],
  [
    "experimental",
    [
      { cel_expression: ["_flow.verdict == Verdict.FORWARDED && _flow.l4.TCP.destination_port == 80u"] },
      { cel_expression: ["false", "_flow.source.labels.exists(l, l.startsWith('k8s:class='))"] },
      {
        cel_expression: ["_flow.is_reply == false && size(_flow.source.labels) == 2 ? _flow.l4.TCP.flags.SYN : false"],
      },
      { cel_expression: ["_flow.source.workloads.all(w, w.kind in ['Pod', 'Job']) && _flow.time != null"] },
      { cel_expression: ["_flow.source.labels.filter(l, l.endsWith('empire')).size() == 1 && 1 + 1 == 2"] },
      { cel_expression: [`_flow.source.labels${".filter(l, l != '')".repeat(5)} != []`] },
      { cel_expression: ["_flow.source.labels[1] != '' && has(_flow.l7.http) && !has(_flow.l4.UDP)"] },
      { cel_expression: ["!_flow.is_reply"] },
    ],
    [{ cel_expression: ["_flow.source.identity == 1u"] }, { cel_expression: ["_flow.source.labels[99] == 'x'"] }],
  ],
  ["node_name", ["k8s-w1", "default/k8s-w1", "k8s-*", "default/", "/k8s-w1", "*/k8s-w1"], ["k8s-w2", "other/k8s-w1"]],
];

describe("every field of FlowFilter", () => {
  it.each(CASES)("%s", (field, matching, other) => {
    const isList = FlowFilterSchema.fields.find(({ name }) => name === field)?.fieldKind === "list";
    const says = (value: JsonValue) => matches({ [field]: isList ? [value] : value });
    for (const value of matching) expect(says(value), JSON.stringify(value)).toBe(true);
    for (const value of other) expect(says(value), JSON.stringify(value)).toBe(false);
  });

  it("is in the table above", () => {
    const named = new Set(CASES.map(([field]) => field));
    const missing = FlowFilterSchema.fields.map(({ name }) => name).filter((name) => !named.has(name));
    expect(missing).toEqual([]);
  });
});

describe("how fields and filters combine", () => {
  it("all fields of a filter, any value of a field, any filter of a list, none of the blacklist", () => {
    expect(matches({})).toBe(true);
    expect(matches({ verdict: ["DROPPED", "FORWARDED"], protocol: ["tcp"] })).toBe(true);
    expect(matches({ verdict: ["FORWARDED"], protocol: ["udp"] })).toBe(false);
    const dropped = fromJson(FlowFilterSchema, { verdict: ["DROPPED"] });
    const tcp = fromJson(FlowFilterSchema, { protocol: ["tcp"] });
    expect(compileFilters([dropped, tcp], [])(flow)).toBe(true);
    expect(compileFilters([dropped, tcp], [tcp])(flow)).toBe(false);
    expect(compileFilters([], [])(flow)).toBe(true);
  });

  it("counts an unknown reply as false for drops only", () => {
    const drop = create(FlowSchema, { verdict: 2, dropReasonDesc: 133 });
    expect(matches({ reply: [false] }, drop)).toBe(true);
    expect(matches({ reply: [true] }, drop)).toBe(false);
    expect(matches({ reply: [false] }, create(FlowSchema, { verdict: 1 }))).toBe(false);
    expect(matches({ drop_reason_desc: ["POLICY_DENIED"] }, drop)).toBe(true);
  });
});

describe("what is refused", () => {
  it.each([
    [{ protocol: ["quic"] }, 'unknown protocol: "quic"'],
    [{ source_ip: ["300.1.1.1"] }, "source_ip: invalid IP address"],
    [{ source_ip: ["10.0.0.0/33"] }, "source_ip: invalid CIDR"],
    [{ destination_port: ["http"] }, "destination_port: invalid port"],
    [{ http_path: ["("] }, "http_path: invalid regular expression"],
    [{ http_path: ["(?=x)"] }, "http_path: invalid regular expression"],
    [{ http_status_code: ["600"] }, "invalid http status code prefix"],
    [{ http_method: ["GET"], event_type: [{ type: 1 }] }, "filtering by http method requires the event type filter"],
    [{ source_label: ["a=b,=c"] }, "source_label: invalid label selector"],
    [{ node_name: ["a/b/c"] }, "node_name: invalid pattern"],
    [{ source_pod: [""] }, "source_pod: empty name"],
    [{ experimental: { cel_expression: ["1 +"] } }, "found + but expecting end of input"],
    [
      { experimental: { cel_expression: ["true || _flow.verdikt == 1"] } },
      "ERROR: <input>:1:14: undefined field 'verdikt'\n | true || _flow.verdikt == 1\n | .............^",
    ],
    [{ experimental: { cel_expression: ["_flow.source.pod == 'x'"] } }, "undefined field 'pod'"],
    [{ experimental: { cel_expression: ["_flow.uuid"] } }, 'got "string", wanted "bool" result type'],
    [{ experimental: { cel_expression: ["_flow.source.labels[0]"] } }, 'got "string", wanted "bool" result type'],
    [
      { experimental: { cel_expression: ["_flow.source.labels.map(l, l)"] } },
      'got "list(string)", wanted "bool" result type',
    ],
    [
      { experimental: { cel_expression: ["true || _flow.uuid == 1"] } },
      "found no matching overload for '_==_' applied to '(string, int)'",
    ],
    [
      { experimental: { cel_expression: ["_flow.source.identity > 1"] } },
      "found no matching overload for '_>_' applied to '(uint, int)'",
    ],
    [
      { experimental: { cel_expression: ["_flow.source.labels.exists(l, l == 7)"] } },
      "found no matching overload for '_==_' applied to '(string, int)'",
    ],
    [{ experimental: { cel_expression: ["_flow.source && true"] } }, "expected type 'bool' but found 'flow.Endpoint'"],
    [{ experimental: { cel_expression: ["_flow.uuid.x == 1"] } }, "type 'string' does not support field selection"],
    [{ experimental: { cel_expression: ["verdict == 1"] } }, "undeclared reference to 'verdict' (in container 'flow')"],
    [
      { experimental: { cel_expression: ["_flow.uuid == lower(_flow.uuid)"] } },
      "undeclared reference to 'lower' (in container 'flow')",
    ],
    [{ experimental: { cel_expression: ["_flow.uuid.matches('(')"] } }, "missing closing )"],
    [{ experimental: { cel_expression: [LOOPS] } }, "more than 3 loops within each other"],
    [{ experimental: { cel_expression: [`true ${" ".repeat(16_384)}`] } }, "longer than 16384 characters"],
  ] as [JsonValue, string][])("%j", (filter, message) => {
    expect(error(filter)).toThrow(message);
  });

  it("a field of a newer protocol", () => {
    const filter = fromBinary(FlowFilterSchema, new Uint8Array([0xfa, 0x3e, 1, 0x61]));
    expect(() => compileFilters([filter], [])).toThrow("FlowFilter field 1007 is not known");
  });
});
