/** Every field of Flow: when Cilium 1.20 fills it, and that we do too; or why there is nothing to fill it with here. */
import { isFieldSet } from "@bufbuild/protobuf";
import { expect, it } from "vitest";
import { type Flow, FlowSchema } from "../../proto/gen/flow_pb.js";
import { FORBIDDEN_PUT } from "../../test/support/access-record.ts";
import { type CraftedEvent, craftEvent, tcpPacket } from "../../test/support/craft-event.ts";
import { starWarsContext } from "../../test/support/flow-context.ts";
import { accessRecordToFlow } from "./access.ts";
import type { FlowContext } from "./context.ts";
import { decodeEvent } from "./decode/event.ts";
import { toFlow } from "./flow.ts";

type Kind = "trace" | "drop" | "verdict" | "l7";
const ALL: readonly Kind[] = ["trace", "drop", "verdict", "l7"];

/** In which kinds of flows a field may be set. */
const FILLED: Readonly<Record<string, readonly Kind[]>> = {
  time: ALL,
  uuid: ALL,
  emitter: ALL,
  verdict: ALL,
  drop_reason: ["drop", "verdict"],
  drop_reason_desc: ["drop", "verdict"],
  ethernet: ["trace", "drop", "verdict"],
  IP: ALL,
  l4: ALL,
  source: ALL,
  destination: ALL,
  Type: ALL,
  node_name: ALL,
  node_labels: ALL,
  source_names: ALL,
  destination_names: ALL,
  l7: ["l7"],
  reply: ["trace", "l7"],
  is_reply: ["trace", "verdict", "l7"],
  event_type: ALL,
  source_service: ALL,
  destination_service: ALL,
  traffic_direction: ALL,
  // of a drop and of a redirect's verdict Cilium's parser does not tell these
  policy_match_type: ["verdict", "drop"],
  proxy_port: ["trace", "verdict"],
  interface: ["trace", "drop", "verdict"],
  trace_observation_point: ["trace"],
  trace_reason: ["trace"],
  file: ["drop"],
  trace_context: ["l7"],
  // of a drop by policy Cilium's parser does not name the policies
  egress_allowed_by: ["verdict"],
  ingress_allowed_by: ["verdict"],
  egress_denied_by: ["verdict", "drop"],
  ingress_denied_by: ["verdict", "drop"],
  policy_log: ["verdict", "drop"],
  Summary: ALL,
};

const NEVER: Readonly<Record<string, string>> = {
  auth_type: "mutual authentication is refused when a policy asks for it",
  debug_capture_point: "the datapath writes no captures",
  sock_xlate_point: "services are translated at the pod's interface, not in its sockets",
  socket_cookie: "services are translated at the pod's interface, not in its sockets",
  cgroup_id: "services are translated at the pod's interface, not in its sockets",
  tunnel: "what the overlay carries is told as the pods' own packets; the outer ones are no events",
  ip_trace_id: "the datapath reads no trace option of IP; Cilium's does when it is told to",
  aggregate: "set by exporters that aggregate, not by observers",
  extensions: "for vendors; Cilium sets none",
};

const context: FlowContext = {
  ...starWarsContext,
  dnsNames: () => ["a.example"],
  serviceByFrontend: () => ({ name: "deathstar", namespace: "default" }),
};
const event = (init: CraftedEvent) => toFlow(decodeEvent(craftEvent(init))!, context);
const pod = { source: "172.20.1.20", destination: "172.20.1.20" };
const seen = { endpoint: 871, destinationEndpoint: 871, ifindex: 12, cookie: 7, packet: tcpPacket(pod) };

const flows: Readonly<Record<Kind, readonly Flow[]>> = {
  trace: [
    event({ type: 4, subtype: 0, ctStatus: 2, flags: 3, ...seen }),
    event({ type: 4, subtype: 1, verdict: 10_001, ctStatus: 0, flags: 2, ...seen }),
  ],
  drop: [133, 181].flatMap((subtype) => {
    const drop = { type: 1, subtype, matchType: 2, place: (11 << 16) | 97, ...seen };
    return [pod, { ...pod, source: "172.20.2.10" }].map((ends) => event({ ...drop, packet: tcpPacket(ends) }));
  }),
  verdict: [1, 2].flatMap((direction) =>
    [0, -133, 10_001].map((verdict) => event({ type: 5, direction, verdict, matchType: 2, ...seen })),
  ),
  l7: (["request", "response"] as const).map((type) => {
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const ends = { sourceAddress: pod.source, destinationAddress: pod.destination };
    const headers = [{ name: "traceparent", value: traceparent }];
    return accessRecordToFlow({ ...FORBIDDEN_PUT, ...ends, type, headers }, context);
  }),
};

it("knows every field of a flow", () => {
  const named = [...Object.keys(FILLED), ...Object.keys(NEVER)].sort();
  const fields = FlowSchema.fields.map(({ name }) => name).sort();
  expect(named).toEqual(fields);
});

it.each(FlowSchema.fields.map((field) => [field.name, field] as const))("%s", (name, field) => {
  const kinds = ALL.filter((kind) => flows[kind].some((flow) => isFieldSet(flow, field)));
  expect(kinds).toEqual(ALL.filter((kind) => FILLED[name]?.includes(kind) ?? false));
});

it("names the file and line of our source in which a packet was dropped", () => {
  expect(flows.drop.map(({ file }) => [file?.name, file?.line])).toEqual(flows.drop.map(() => ["policy.h", 97]));
});
