import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type Flow, FlowSchema, type Layer4Schema, type Layer7Schema } from "../../proto/gen/flow_pb.js";
import type { Chance } from "./any-message.ts";

const LABELS = [
  [],
  ["reserved:world"],
  ["reserved:world-ipv4", "cidr:0.0.0.0/0"],
  ["reserved:kube-apiserver", "reserved:remote-node"],
  ["reserved:host", "reserved:kube-apiserver"],
  ["k8s:app=web", "k8s:app.kubernetes.io/name=named"],
  ["k8s:app.kubernetes.io/name=", "k8s:k8s-app=dns=1"],
  ["k8s:class=xwing", "k8s:org=alliance"],
];
const PODS = [
  ["", ""],
  ["default", "xwing"],
  ["prod", "deathstar-7f9"],
  ["", "static"],
  ["prod", ""],
] as const;
const WORKLOADS = [
  [],
  [{ name: "deathstar", kind: "Deployment" }],
  [{ name: "xwing", kind: "Pod" }, { name: "other" }],
];
const NAMES = [[], ["api.github.com"], ["a.example", "b.example"]];
const IDENTITIES = [0, 1, 2, 318];

function endpoint(chance: Chance) {
  if (chance.below(8) === 0) return undefined;
  const [namespace, podName] = chance.pick(PODS);
  const labels = chance.pick(LABELS);
  return { namespace, podName, labels, workloads: chance.pick(WORKLOADS), identity: chance.pick(IDENTITIES) };
}

type Layer4 = MessageInitShape<typeof Layer4Schema>["protocol"];

function layer4(chance: Chance): Layer4 {
  const flag = () => chance.below(2) === 1;
  const destinationPort = chance.pick([0, 53, 80, 443, 65_535]);
  const message = { type: chance.pick([0, 3, 5, 8, 11, 12, 128, 135, 200]), code: chance.pick([0, 1, 2, 9, 77]) };
  const flags = chance.below(5) === 0 ? undefined : { SYN: flag(), ACK: flag(), FIN: flag(), RST: flag() };
  return chance.pick<Layer4>([
    { case: undefined },
    ...Array.from({ length: 5 }, (): Layer4 => ({ case: "TCP", value: { destinationPort, ...(flags && { flags }) } })),
    { case: "UDP", value: { destinationPort } },
    { case: "SCTP", value: { destinationPort, chunkType: chance.pick<number>([0, 1, 2, 7, 14]) } },
    { case: "ICMPv4", value: message },
    { case: "ICMPv6", value: message },
    { case: "VRRP", value: { vrid: 3 } },
    { case: "IGMP", value: { type: 17 } },
  ]);
}

type Layer7 = MessageInitShape<typeof Layer7Schema>["record"];

function layer7(chance: Chance): MessageInitShape<typeof Layer7Schema> {
  const code = chance.pick([0, 200, 403, 503]);
  const http: Layer7 = {
    case: "http",
    value: {
      code,
      method: chance.pick(["GET", "PUT"]),
      protocol: chance.pick(["HTTP/1.1", "HTTP/2"]),
      url: "http://x/",
    },
  };
  const dns: Layer7 = {
    case: "dns",
    value: {
      query: chance.pick(["api.github.com.", "b.example."]),
      ips: chance.pick([[], ["10.0.0.1"], ["10.0.0.1", "10.0.0.2"]]),
      qtypes: chance.pick([["A"], ["AAAA"], ["A", "AAAA"], []]),
      rrtypes: chance.pick([[], ["A"], ["CNAME", "A"]]),
      rcode: chance.pick([0, 1, 3, 5, 12, 16, 23, 4000]),
    },
  };
  const latencyNs =
    BigInt(chance.pick([0, 1, 4_999_999, 5_000_000, 1_234_567, 300_000_000])) << BigInt(chance.pick([0, 6]));
  return {
    type: chance.pick([0, 1, 2, 2, 3]),
    latencyNs,
    record: chance.pick<Layer7>([http, http, dns, { case: undefined }]),
  };
}

/** A flow of any kind that metrics tell apart, of few pods, so that many flows meet in one series. */
export function meteredFlow(chance: Chance): Flow {
  const type = chance.pick([0, 1, 3, 4, 4, 5, 129, 129, 129, 130]);
  const isLayer7 = type === 129 && chance.below(10) > 0;
  const protocol = layer4(chance);
  const [source, destination] = [endpoint(chance), endpoint(chance)];
  const traceId = chance.pick(["", "0af7651916cd43dd8448eb211c80319c"]);
  return create(FlowSchema, {
    verdict: chance.pick([0, 1, 1, 2, 2, 3, 4, 5, 6, 99]),
    dropReasonDesc: chance.pick([0, 130, 133, 181, 9999]),
    ...(chance.below(9) > 0 && { eventType: { type, subType: chance.pick([0, 1, 4, 5, 11, 12, 13, 99, 257]) } }),
    ...(chance.below(9) > 0 && {
      IP: {
        source: chance.pick(["10.0.0.1", "fd00::1"]),
        destination: chance.pick(["10.0.0.2", ""]),
        ipVersion: chance.pick([0, 1, 2]),
      },
    }),
    ...(chance.below(6) > 0 && { l4: { protocol } }),
    ...(isLayer7 && { l7: layer7(chance) }),
    ...(source && { source }),
    ...(destination && { destination }),
    sourceNames: chance.pick(NAMES),
    destinationNames: chance.pick(NAMES),
    trafficDirection: chance.pick([0, 1, 2, 7]),
    policyMatchType: chance.pick([0, 1, 2, 3, 4, 5, 6, 7]),
    ...(chance.below(4) > 0 && { isReply: chance.below(2) === 1 }),
    ...(chance.below(3) > 0 && { traceContext: { parent: { traceId } } }),
  });
}
