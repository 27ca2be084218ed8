import { spawnSync } from "node:child_process";
import { toJson } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { type Flow, FlowSchema } from "../../proto/gen/flow_pb.js";
import { decodeEvent } from "../../src/flow/decode/event.ts";
import {
  accessRecordToFlow,
  DEFAULT_REDACTION,
  type FlowContext,
  type Redaction,
  toFlow,
} from "../../src/flow/index.ts";
import { TraceContexts } from "../../src/flow/trace-context.ts";
import type { AccessRecord } from "../../src/model/access-record.ts";
import { oracle, skipNote } from "../oracle/cache.ts";
import { FORBIDDEN_PUT } from "../support/access-record.ts";
import { type CraftedEvent, craftEvent, ipv4Packet, ipv6Packet, tcpHeader, udpHeader } from "../support/craft-event.ts";
import { starWarsContext } from "../support/flow-context.ts";
import { ciliumEvent } from "../support/monitor-event.ts";

const cilium = oracle("flows");
const reason = skipNote(cilium);

const ADDRESSES = ["172.20.2.10", "172.20.2.11", "172.20.1.20", "104.198.14.52", "192.168.10.101", "fd00::1"];
const SHOW_ALL: Redaction = { ...DEFAULT_REDACTION, enabled: false, urlQuery: false };

/** What our context knows, for the other side. */
function worldOf(context: FlowContext): unknown {
  const known = ADDRESSES.flatMap((address) => {
    const facts = context.endpointByAddress(address);
    return facts === undefined ? [] : ([[address, facts]] as const);
  });
  const identities = [2, 318, 10135, 19274];
  return {
    endpoints: Object.fromEntries(
      known.map(([address, { id, identity, namespace, podName }]) => [
        address,
        { id, identity, namespace, pod: podName },
      ]),
    ),
    identities: Object.fromEntries(
      ADDRESSES.map((address) => [
        address,
        context.endpointByAddress(address)?.identity ?? context.identityByAddress(address),
      ]).filter(([, identity]) => identity !== 0),
    ),
    labels: Object.fromEntries(identities.map((identity) => [identity, context.labelsOfIdentity(identity)])),
    services: { "10.96.55.1 80": context.serviceByFrontend("10.96.55.1", 80, 6) },
    names: { "871 104.198.14.52": context.dnsNames(871, "104.198.14.52") },
    interfaces: { 12: context.interfaceName(12) },
  };
}

/** Workloads come from pods, which the other side's world has none of; times and ids are each side's own. */
const context: FlowContext = {
  ...starWarsContext,
  endpointByAddress: (address) => {
    const facts = starWarsContext.endpointByAddress(address);
    return facts && { ...facts, workloads: [] };
  },
  ruleOrigins: () => [],
};

type Json = { [key: string]: Json } | Json[] | string | number | boolean | null;

/** What both sides have words for: the rest of a flow's fields have their own tests. */
function comparable(flow: Json, ours: readonly string[] = []): Json {
  const left = ["time", "uuid", "emitter", "node_name", "node_labels", ...ours];
  return Object.fromEntries(Object.entries(flow as object).filter(([name]) => !left.includes(name))) as Json;
}

function ask(questions: readonly unknown[]): Json[] {
  if ("missing" in cilium) return [];
  const input = [worldOf(context), ...questions].map((line) => `${JSON.stringify(line)}\n`).join("");
  const { stdout, stderr } = spawnSync(cilium.path, { input, maxBuffer: 1 << 30, encoding: "utf8" });
  const answers = stdout.trim().split("\n");
  expect(answers, stderr).toHaveLength(questions.length);
  return answers.map((line) => JSON.parse(line) as Json);
}

const jsonOf = (flow: Flow): Json => toJson(FlowSchema, flow, { useProtoFieldName: true }) as Json;

/** Types that the other side compares by value, in its form: numbers of 64 bits are strings in both. */
function expectSame(ours: readonly Json[], theirs: readonly Json[], left: readonly string[] = []): void {
  for (const [index, flow] of ours.entries())
    expect(comparable(flow, left), `case ${index}`).toEqual(comparable(theirs[index]!, left));
}

describe.skipIf("missing" in cilium)(`flows are what Cilium's parser makes of the same facts${reason}`, () => {
  const http = (init: Partial<AccessRecord>): AccessRecord => ({ ...FORBIDDEN_PUT, ...init });
  const HEADERS = [
    { name: "user-agent", value: "curl/8" },
    { name: "Authorization", value: "Bearer s3cr3t" },
    { name: "x-api-key", value: "k" },
    { name: "cookie", value: "a=1" },
    { name: "Accept", value: "text/html" },
    { name: "accept", value: "*/*" },
  ];
  const traced = (value: string) => [...HEADERS, { name: "traceparent", value }, { name: "X-Request-Id", value: "r1" }];
  const trace = (version: string, flags: string, more = "") =>
    `${version}-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-${flags}${more}`;
  const dns = (init: Partial<NonNullable<AccessRecord["dns"]>>, type: AccessRecord["type"] = "response") =>
    http({
      type,
      verdict: "forwarded",
      reason: "",
      direction: "egress",
      dns: {
        ...{ query: "api.github.com.", type: 1, transport: "udp", code: 0, addresses: ["104.198.14.52"], cnames: [] },
        ...{ ttl: 30, types: [1] },
        ...init,
      },
    });
  const records: AccessRecord[] = [
    http({ headers: HEADERS }),
    http({ verdict: "forwarded", reason: "", direction: "egress", url: "http://user:pw@x.example/a/b?token=1#frag" }),
    http({ type: "response", verdict: "forwarded", status: 200, reason: "", headers: HEADERS }),
    http({ type: "response", verdict: "error", status: 503, reason: "no", responseFlags: "UF" }),
    http({ sourceAddress: "fd00::1", destinationAddress: "fd00::2", url: "http://[fd00::2]/x?y" }),
    http({ destinationAddress: "10.96.55.1", url: "http://deathstar/v1" }),
    ...["00", "01", "ff", "cc"].map((version) => http({ headers: traced(trace(version, "01")) })),
    ...["00", "03", "04", "ff", "0G", "0A"].map((flags) => http({ headers: traced(trace("00", flags)) })),
    ...["-", "-x"].map((more) => http({ headers: traced(trace("00", "01", more)) })),
    http({ headers: traced(trace("01", "09", "-what")) }),
    http({ headers: traced("00-00000000000000000000000000000000-b7ad6b7169203331-01") }),
    http({ headers: traced("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01") }),
    http({ type: "response", status: 200, headers: [{ name: "x-request-id", value: "r1" }] }),
    dns({}, "request"),
    dns({}),
    dns({ type: 28, addresses: ["2001:db8::1", "2001:db8::2"], cnames: ["a.b.", "c.d."], types: [5, 28] }),
    dns({ code: 3, addresses: [], ttl: 4_294_967_295, types: [] }),
    ...[1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 16, 17, 23].map((code) => dns({ code, addresses: [] })),
    ...[2, 5, 6, 12, 15, 16, 33, 35, 41, 64, 65, 255, 256].map((type) => dns({ type, addresses: [], types: [type] })),
    dns({ transport: "tcp", addresses: [] }),
  ];

  const question = (record: AccessRecord, redaction: Redaction) => {
    const isReply = record.type === "response";
    const end = (side: "source" | "destination") => {
      const identity = side === "source" ? record.sourceIdentity : record.destinationIdentity;
      const address = side === "source" ? record.sourceAddress : record.destinationAddress;
      const isJudged = (side === "source") === (record.direction === "egress");
      const port = side === "source" ? record.sourcePort : record.destinationPort;
      // both sides take the id from the record, and of a known address from what they know
      const id = isJudged ? record.endpointId : (context.endpointByAddress(address)?.id ?? 0);
      return { id, address, port, identity, labels: context.labelsOfIdentity(identity) };
    };
    const { dns: asked } = record;
    return {
      redact: redaction.enabled
        ? {
            query: redaction.urlQuery,
            userInfo: redaction.userInfo,
            allow: [...redaction.headersAllow],
            deny: [...redaction.headersDeny],
          }
        : null,
      record: {
        type: isReply ? "Response" : "Request",
        verdict: { forwarded: "Forwarded", denied: "Denied", error: "Error" }[record.verdict],
        time: new Date(record.timeMs).toISOString(),
        direction: record.direction === "ingress" ? "Ingress" : "Egress",
        source: end(isReply ? "destination" : "source"),
        destination: end(isReply ? "source" : "destination"),
        transport: asked?.transport === "udp" ? 17 : 6,
        ...(asked === undefined
          ? {
              http: {
                code: record.status,
                method: record.method,
                url: record.url,
                protocol: record.protocol,
                headers: record.headers.map(({ name, value }) => [name, value]),
              },
            }
          : {
              dns: {
                query: asked.query,
                type: asked.type,
                ips: asked.addresses,
                ttl: asked.ttl,
                cnames: asked.cnames,
                rcode: asked.code,
                types: asked.types,
              },
            }),
      },
    };
  };

  const settings: Record<string, Redaction> = {
    "nothing hidden": SHOW_ALL,
    "our defaults": DEFAULT_REDACTION,
    "all headers": { ...DEFAULT_REDACTION, headersAllow: new Set(), urlQuery: false },
    "some headers": {
      ...DEFAULT_REDACTION,
      headersAllow: new Set(),
      headersDeny: new Set(["authorization", "cookie"]),
      userInfo: false,
    },
    "all but some headers": { ...DEFAULT_REDACTION, headersAllow: new Set(["accept"]) },
  };

  test.each(Object.keys(settings))("of access records, with %s", (name) => {
    const redaction = settings[name]!;
    const theirs = ask(records.map((record) => question(record, redaction)));
    const traces = new TraceContexts();
    const ours = records.map((record) =>
      jsonOf(accessRecordToFlow(record, { ...context, redaction: () => redaction }, traces)),
    );
    expectSame(ours, theirs);
  });

  const IPV6 = [0xfd, 0, ...new Array(13).fill(0), 1];
  const packets: Uint8Array[] = [
    ...[0x02, 0x12, 0x10, 0x18, 0x11, 0x04, 0xff, 0x00].map((flags) => ipv4Packet(6, tcpHeader({ flags }))),
    ipv4Packet(17, udpHeader()),
    ...[0, 1, 2, 3, 6, 7, 8, 14].map((chunk) =>
      ipv4Packet(132, [1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 9, chunk, 0, 0, 8, 0, 0, 0, 0]),
    ),
    ...[0, 3, 4, 5, 8, 11, 12, 13].map((type) => ipv4Packet(1, [type, type === 3 ? 1 : 0, 0, 0, 0, 1, 0, 2])),
    ...[1, 2, 3, 4, 128, 129, 133, 134, 135, 136].map((type) =>
      ipv6Packet(58, [type, 0, 0, 0, 0, 0, 0, 0, ...new Array(24).fill(0)], IPV6, IPV6),
    ),
    ipv6Packet(6, tcpHeader(), IPV6, IPV6),
    ipv4Packet(112, [0x21, 7, 100, 1, 0, 1, 0, 0, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]),
    ...[0x11, 0x12, 0x16, 0x17].map((type) => ipv4Packet(2, [type, 0, 0, 0, 224, 0, 0, 9])),
    ipv4Packet(47, [0, 0, 8, 0, 1, 2, 3, 4]),
    ipv4Packet(6, tcpHeader(), { source: "172.20.1.20", destination: "104.198.14.52" }),
    ipv4Packet(6, tcpHeader(), { source: "104.198.14.52", destination: "172.20.1.20" }),
    ipv4Packet(6, tcpHeader(), { destination: "10.96.55.1" }),
    new Uint8Array([2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 8, 6, ...new Array(28).fill(0)]),
  ];
  const common = { endpoint: 871, sourceIdentity: 10135, destinationIdentity: 318, ifindex: 12 };
  /** Of an endpoint that got another identity meanwhile Cilium shows the labels of now, and we those that were judged. */
  const inTransit = (packet: Uint8Array) => {
    const isOutgoing = packet[26] === 172 && packet[28] === 1 && packet[12] === 8;
    return { ...common, packet, ...(isOutgoing ? { sourceIdentity: 318, destinationIdentity: 2 } : {}) };
  };

  const compare = (events: readonly CraftedEvent[], left: readonly string[]) => {
    const theirs = ask(events.map((event) => ({ event: Buffer.from(ciliumEvent(event)).toString("base64") })));
    const ours = events.map((event) => jsonOf(toFlow(decodeEvent(craftEvent(event))!, context)));
    expectSame(ours, theirs, left);
  };

  test("of traces", () => {
    const points = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
    const events = [
      ...packets.map((packet): CraftedEvent => ({ type: 4, subtype: 0, ...inTransit(packet) })),
      ...points.flatMap((subtype) =>
        [0, 1, 2, 3, 5].flatMap((ctStatus) =>
          [0, 871].map((endpoint): CraftedEvent => ({ type: 4, ...common, subtype, ctStatus, endpoint })),
        ),
      ),
      { type: 4, subtype: 1, ...common, verdict: 10_001 },
      { type: 4, subtype: 3, ...common, sourceIdentity: 318, originalAddress: "172.20.1.20" },
      { type: 4, subtype: 3, ...common, originalAddress: "172.20.2.10" },
      { type: 4, subtype: 5, ...common, sourceIdentity: 0, destinationIdentity: 0 },
    ];
    // the reply flags of our event repeat what connection tracking says
    compare(
      events.map((event) => ({ ...event, flags: event.ctStatus === 5 ? 0 : event.ctStatus === 2 ? 3 : 2 })),
      [],
    );
  });

  test("of drops", () => {
    const reasons = [130, 132, 133, 134, 140, 142, 166, 169, 181, 195, 203];
    compare(
      [
        ...packets.map((packet): CraftedEvent => ({ type: 1, subtype: 133, ...inTransit(packet) })),
        ...reasons.flatMap((subtype) =>
          [0, 871, 5].map((endpoint): CraftedEvent => ({ type: 1, ...common, subtype, endpoint })),
        ),
      ],
      // where our datapath tells more, the interface of a drop, and other, its own files
      ["interface", "file"],
    );
  });

  test("of policy verdicts", () => {
    const ingress = { direction: 1, packet: ipv4Packet(6, tcpHeader()) };
    const egress = {
      direction: 2,
      packet: ipv4Packet(6, tcpHeader(), { source: "172.20.1.20", destination: "172.20.2.10" }),
    };
    const events = [ingress, egress].flatMap((way) =>
      [0, -133, -181, -189, 10_001].flatMap((verdict) =>
        [0, 1, 2, 3, 4, 5, 6].flatMap((matchType) =>
          [0, 16]
            .filter((flags) => flags === 0 || verdict === 0)
            .map((flags): CraftedEvent => {
              const [sourceIdentity, destinationIdentity] = way === ingress ? [10135, 318] : [318, 10135];
              return { type: 5, ...common, ...way, verdict, matchType, flags, sourceIdentity, destinationIdentity };
            }),
        ),
      ),
    );
    // where our datapath tells more: the interface, and the port of the proxy that a redirect goes to
    compare(events, ["interface", "proxy_port"]);
  });
});
