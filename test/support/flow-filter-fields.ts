import { create, type JsonValue, type MessageInitShape } from "@bufbuild/protobuf";
import fc from "fast-check";
import { type Endpoint, type Flow, FlowSchema } from "../../proto/gen/flow_pb.js";

const pick = fc.constantFrom;
const few = <T>(...values: T[]) => fc.subarray(values);

const LABELS = ["k8s:app=a", "k8s:app=b", "reserved:host", "k8s:io.x/tier=front"];
const WORKLOADS = [
  { name: "web", kind: "Deployment" },
  { name: "db", kind: "StatefulSet" },
  { name: "web", kind: "Pod" },
];
const ADDRESSES = ["10.0.0.1", "10.0.1.1", "192.168.1.1", "fd00::1", "fd00:1::1", ""];
const NAMES = ["a.example.com", "B.Example.com.", "example.com", "x.org"];

const endpoint = fc.record({
  identity: pick(0, 1, 2, 300),
  namespace: pick("", "default", "prod"),
  podName: pick("", "web-1", "web-2", "db-1"),
  labels: few(...LABELS),
  workloads: few(...WORKLOADS),
  clusterName: pick("", "default", "other"),
});
const ports = { sourcePort: pick(0, 53, 80, 1024), destinationPort: pick(0, 53, 80, 65535) };
const flag = fc.boolean();
const flags = fc.record({ SYN: flag, ACK: flag, FIN: flag, RST: flag, PSH: flag, NS: flag });
const layer4 = fc.oneof(
  fc.record({
    case: fc.constant("TCP" as const),
    value: fc.record({ ...ports, flags: flags }),
  }),
  fc.record({ case: pick("UDP" as const, "SCTP" as const), value: fc.record(ports) }),
  fc.record({
    case: pick("ICMPv4" as const, "ICMPv6" as const),
    value: fc.record({ type: pick(0, 8), code: pick(0, 1) }),
  }),
  fc.record({ case: fc.constant("VRRP" as const), value: fc.record({ vrid: pick(1, 2) }) }),
  fc.record({ case: fc.constant("IGMP" as const), value: fc.record({ type: pick(1, 2) }) }),
);
const URLS = ["http://shop/cart?id=1", "http://shop/", "/cart", "http://shop", "https://x/a/cart#top"];
const HEADERS = [
  { key: "Host", value: "shop" },
  { key: "X-A", value: "" },
  { key: "X-A", value: "1" },
];
const layer7 = fc.oneof(
  fc.record({
    case: fc.constant("http" as const),
    value: fc.record({
      code: pick(0, 200, 204, 404, 500),
      method: pick("GET", "POST", "get"),
      url: pick(...URLS),
      headers: few(...HEADERS),
    }),
  }),
  fc.record({ case: fc.constant("dns" as const), value: fc.record({ query: pick("a.example.com.", "x.org.") }) }),
  fc.record({ case: fc.constant("kafka" as const), value: fc.record({ topic: pick("t") }) }),
);

/** Flows out of few values, so that filters match often. */
export const flows: fc.Arbitrary<Flow> = fc
  .record(
    {
      uuid: pick("", "u1", "u2"),
      verdict: pick(0, 1, 2, 3, 4, 5),
      dropReasonDesc: pick(0, 133, 181),
      IP: fc.record({
        source: pick(...ADDRESSES),
        destination: pick(...ADDRESSES),
        sourceXlated: pick(...ADDRESSES),
        ipVersion: pick(0, 1, 2),
        encrypted: flag,
      }),
      l4: fc.record({ protocol: layer4 }),
      l7: fc.record({ record: layer7 }),
      source: endpoint,
      destination: endpoint,
      nodeName: pick("", "default/k8s-w1", "default/k8s-w2", "other/k8s-w1", "k8s-w1"),
      nodeLabels: few(...LABELS),
      sourceNames: few(...NAMES),
      destinationNames: few(...NAMES),
      eventType: fc.record({ type: pick(1, 4, 5, 129), subType: pick(0, 3, 133) }),
      sourceService: fc.record({ name: pick("", "web"), namespace: pick("", "default", "prod") }),
      destinationService: fc.record({ name: pick("", "web"), namespace: pick("", "default", "prod") }),
      trafficDirection: pick(0, 1, 2),
      isReply: flag,
      interface: fc.record({ index: pick(0, 1, 2), name: pick("", "eth0", "lxc1") }),
      traceContext: fc.record({ parent: fc.record({ traceId: pick("", "t1") }) }),
      ipTraceId: fc.record({ traceId: pick(0n, 7n) }),
    },
    { requiredKeys: [] },
  )
  .map((init) => create(FlowSchema, init as MessageInitShape<typeof FlowSchema>));

type Ask = (value: never, flow: Flow) => boolean;
/** Values to ask for, and what asking for one of them means. */
interface Field {
  readonly values: readonly JsonValue[];
  readonly matches: Ask;
}

const field = <T extends JsonValue>(values: readonly T[], matches: (value: T, flow: Flow) => boolean): Field => ({
  values,
  matches: matches as Ask,
});
const ends = ["source", "destination"] as const;
/** The same field of both ends. */
function both(
  name: string,
  make: (end: (flow: Flow) => Endpoint | undefined, side: "source" | "destination") => Field,
) {
  return Object.fromEntries(ends.map((side) => [`${side}_${name}`, make((flow) => flow[side], side)]));
}

/** What an address is in a prefix that ends at a group or a byte: its text begins so. */
const PREFIXES: Readonly<Record<string, string>> = {
  "10.0.0.0/16": "10.0.",
  "192.168.1.0/24": "192.168.1.",
  "fd00:1::/32": "fd00:1:",
  "10.0.0.1/32": "10.0.0.1",
};
const address = (of: (flow: Flow) => string | undefined) =>
  field([...ADDRESSES.filter((text) => text !== ""), ...Object.keys(PREFIXES)], (wanted, flow) => {
    const is = of(flow);
    if (!is) return false;
    const prefix = PREFIXES[wanted];
    return prefix === undefined ? is === wanted : is.startsWith(prefix);
  });

const NAMED: Readonly<Record<string, (namespace: string, name: string) => boolean>> = {
  "default/": (namespace) => namespace === "default",
  "prod/web": (namespace, name) => namespace === "prod" && name.startsWith("web"),
  web: (namespace, name) => namespace === "default" && name.startsWith("web"),
  "/db-1": (_, name) => name.startsWith("db-1"),
  "/": (namespace, name) => namespace !== "" || name !== "",
};
const named = (of: (flow: Flow) => { namespace: string; name: string } | undefined) =>
  field(Object.keys(NAMED), (pattern, flow) => {
    const is = of(flow);
    return is !== undefined && (is.namespace !== "" || is.name !== "") && NAMED[pattern]!(is.namespace, is.name);
  });

const SELECTORS: Readonly<Record<string, (labels: readonly string[]) => boolean>> = {
  "app=a": (labels) => labels.includes("k8s:app=a"),
  "k8s:app": (labels) => labels.includes("k8s:app=a") || labels.includes("k8s:app=b"),
  "app notin (a, c)": (labels) => !labels.includes("k8s:app=a"),
  "reserved:host,!app": (labels) =>
    labels.includes("reserved:host") && !labels.some((label) => label.includes(":app=")),
  "io.x/tier in (front)": (labels) => labels.includes("k8s:io.x/tier=front"),
  "any:app!=b": (labels) => !labels.includes("k8s:app=b"),
  "reserved:app": () => false,
};
const labelled = (of: (flow: Flow) => readonly string[]) =>
  field(Object.keys(SELECTORS), (selector, flow) => SELECTORS[selector]!(of(flow)));

const FQDNS: Readonly<Record<string, (name: string) => boolean>> = {
  "example.com": (name) => name === "example.com",
  "*.EXAMPLE.com.": (name) => /^[a-z.]*\.example\.com$/.test(name),
  "*": (name) => name === name.toLowerCase(),
};
const fqdn = (of: (flow: Flow) => readonly string[]) =>
  field(Object.keys(FQDNS), (pattern, flow) => of(flow).some((name) => FQDNS[pattern]!(name)));

const http = (flow: Flow) => (flow.l7?.record.case === "http" ? flow.l7.record.value : undefined);
const pathOf = (url: string) => url.replace(/^https?:\/\/[^/]*/, "").replace(/[?#].*$/, "");
const portOf = (flow: Flow, side: "sourcePort" | "destinationPort") => {
  const protocol = flow.l4?.protocol;
  return protocol?.case === "TCP" || protocol?.case === "UDP" || protocol?.case === "SCTP"
    ? protocol.value[side]
    : undefined;
};
const enumOf = (
  names: readonly string[],
  of: (flow: Flow) => string | number | undefined,
  numbers: Readonly<Record<string, number>>,
) => field(names, (name, flow) => of(flow) === numbers[name]);

const NODES: Readonly<Record<string, (cluster: string, node: string) => boolean>> = {
  "k8s-w1": (_, node) => node === "k8s-w1",
  "default/k8s-*": (cluster, node) => cluster === "default" && node.startsWith("k8s-"),
  "other/": (cluster) => cluster === "other",
  "*/k8s-w2": (_, node) => node === "k8s-w2",
};
const CEL: Readonly<Record<string, (flow: Flow) => boolean>> = {
  "_flow.verdict == Verdict.DROPPED": (flow) => flow.verdict === 2,
  "has(_flow.source) && _flow.source.pod_name.startsWith('web')": (flow) =>
    flow.source?.podName.startsWith("web") ?? false,
  "_flow.destination.labels.exists(l, l == 'k8s:app=b')": (flow) =>
    flow.destination?.labels.includes("k8s:app=b") ?? false,
  "_flow.l4.TCP.destination_port == 80u || _flow.l4.UDP.destination_port == 80u": (flow) =>
    flow.l4?.protocol.case !== "SCTP" && portOf(flow, "destinationPort") === 80,
  "_flow.l7.http.code >= 400u && _flow.l7.http.url.matches('cart')": (flow) =>
    (http(flow)?.code ?? 0) >= 400 && /cart/.test(http(flow)!.url),
  "_flow.source.labels[0] == 'k8s:app=a'": (flow) => flow.source?.labels[0] === "k8s:app=a",
};

/** Each field of FlowFilter with values to ask for, and a naive reading of them. */
export const FIELDS: Readonly<Record<string, Field>> = {
  uuid: field(["u1", "u3", ""], (wanted, flow) => flow.uuid === wanted),
  trace_id: field(["t1", "t2"], (wanted, flow) => flow.traceContext?.parent?.traceId === wanted),
  ip_trace_id: field(["7", "8"], (wanted, flow) => flow.ipTraceId?.traceId === BigInt(wanted)),
  ...both("ip", (_, side) => address((flow) => flow.IP?.[side])),
  source_ip_xlated: address((flow) => flow.IP?.sourceXlated),
  ip_version: enumOf(["IP_NOT_USED", "IPv4", "IPv6"], (flow) => flow.IP?.ipVersion ?? 0, {
    IP_NOT_USED: 0,
    IPv4: 1,
    IPv6: 2,
  }),
  encrypted: field([true, false], (wanted, flow) => (flow.IP?.encrypted ?? false) === wanted),
  ...both("pod", (end) => named((flow) => end(flow) && { namespace: end(flow)!.namespace, name: end(flow)!.podName })),
  source_service: named((flow) => flow.sourceService),
  destination_service: named((flow) => flow.destinationService),
  ...both("fqdn", (_, side) => fqdn((flow) => (side === "source" ? flow.sourceNames : flow.destinationNames))),
  dns_query: field(
    ["example", "^x\\.org\\.$"],
    (wanted, flow) => flow.l7?.record.case === "dns" && new RegExp(wanted).test(flow.l7.record.value.query),
  ),
  ...both("label", (end) => labelled((flow) => end(flow)?.labels ?? [])),
  node_labels: labelled((flow) => flow.nodeLabels),
  ...both("workload", (end) =>
    field(
      [{ name: "web" }, { kind: "Pod" }, { name: "db", kind: "StatefulSet" }, { name: "db", kind: "Pod" }] as {
        name?: string;
        kind?: string;
      }[],
      ({ name, kind }, flow) =>
        (end(flow)?.workloads ?? []).some((is) => (name ?? is.name) === is.name && (kind ?? is.kind) === is.kind),
    ),
  ),
  ...both("cluster_name", (end) => field(["default", "def"], (wanted, flow) => end(flow)?.clusterName === wanted)),
  ...both("identity", (end) => field([0, 1, 300, 5], (wanted, flow) => end(flow)?.identity === wanted)),
  ...both("port", (_, side) =>
    field(["0", "53", "80"], (wanted, flow) => portOf(flow, `${side}Port`) === Number(wanted)),
  ),
  protocol: field(
    ["tcp", "UDP", "icmp", "icmpv4", "ICMPv6", "sctp", "vrrp", "igmp", "http", "dns", "kafka"],
    (wanted, flow) => {
      const layers = [flow.l4?.protocol.case, flow.l7?.record.case].map((name) => name?.toLowerCase());
      return wanted === "icmp"
        ? layers.some((name) => name?.startsWith("icmp"))
        : layers.includes(wanted.toLowerCase());
    },
  ),
  tcp_flags: field(
    [{ SYN: true }, { SYN: true, ACK: true }, { RST: true, NS: true }, {}] as Record<string, boolean>[],
    (wanted, flow) => {
      if (flow.l4?.protocol.case !== "TCP") return false;
      const is = flow.l4.protocol.value.flags as unknown as Record<string, boolean>;
      return Object.keys(wanted).every((name) => is?.[name]);
    },
  ),
  traffic_direction: enumOf(["TRAFFIC_DIRECTION_UNKNOWN", "INGRESS", "EGRESS"], (flow) => flow.trafficDirection, {
    TRAFFIC_DIRECTION_UNKNOWN: 0,
    INGRESS: 1,
    EGRESS: 2,
  }),
  verdict: enumOf(["FORWARDED", "DROPPED", "AUDIT"], (flow) => flow.verdict, { FORWARDED: 1, DROPPED: 2, AUDIT: 4 }),
  drop_reason_desc: field(
    ["POLICY_DENIED", "POLICY_DENY"],
    (wanted, flow) => flow.verdict === 2 && flow.dropReasonDesc === (wanted === "POLICY_DENY" ? 181 : 133),
  ),
  reply: field(
    [true, false],
    (wanted, flow) => (flow.verdict === 2 ? (flow.isReply ?? false) : flow.isReply) === wanted,
  ),
  event_type: field(
    [
      { type: 129 },
      { type: 0 },
      { type: 1, match_sub_type: true, sub_type: 133 },
      { type: 4, sub_type: 3 },
      { match_sub_type: true, sub_type: 0 },
    ] as { type?: number; match_sub_type?: boolean; sub_type?: number }[],
    (wanted, flow) =>
      flow.eventType !== undefined &&
      (!wanted.type || flow.eventType.type === wanted.type) &&
      (!wanted.match_sub_type || flow.eventType.subType === wanted.sub_type),
  ),
  interface: field(
    [{ index: 1 }, { name: "eth0" }, { index: 2, name: "lxc1" }, {}] as { index?: number; name?: string }[],
    ({ index, name }, flow) =>
      flow.interface !== undefined &&
      (!index || flow.interface.index === index) &&
      (!name || flow.interface.name === name),
  ),
  http_status_code: field(["404", "2+", "40+"], (wanted, flow) => {
    const code = http(flow)?.code;
    return code !== undefined && code !== 0 && String(code).startsWith(wanted.replace("+", ""));
  }),
  http_method: field(["get", "POST"], (wanted, flow) => http(flow)?.method.toLowerCase() === wanted.toLowerCase()),
  http_path: field(
    ["cart", "^/$", "^$"],
    (wanted, flow) => http(flow) !== undefined && new RegExp(wanted).test(pathOf(http(flow)!.url)),
  ),
  http_url: field(
    ["id=1$", "^/cart", "shop"],
    (wanted, flow) => http(flow) !== undefined && new RegExp(wanted).test(http(flow)!.url),
  ),
  http_header: field(
    [{ key: "Host", value: "shop" }, { key: "host", value: "shop" }, { key: "X-A" }] as {
      key: string;
      value?: string;
    }[],
    ({ key, value = "" }, flow) =>
      (http(flow)?.headers ?? []).some((header) => header.key === key && header.value === value),
  ),
  node_name: field(Object.keys(NODES), (wanted, flow) => {
    const parts = flow.nodeName.split("/");
    return NODES[wanted]!(parts.length === 2 ? parts[0]! : "default", parts.at(-1)!);
  }),
  experimental: field(
    Object.keys(CEL).map((text) => ({ cel_expression: [text] })),
    ({ cel_expression: [text] }, flow) => CEL[text!]!(flow),
  ),
};

/** A field of a FlowFilter in JSON: it is a list but for the one that holds a list. */
export const fieldJson = (name: string, values: readonly JsonValue[]): JsonValue =>
  name === "experimental"
    ? { cel_expression: values.flatMap((value) => (value as { cel_expression: string[] }).cel_expression) }
    : [...values];
