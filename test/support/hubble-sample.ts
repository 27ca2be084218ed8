import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { FlowSchema, LostEventSchema } from "../../proto/gen/flow_pb.js";
import { GetFlowsResponseSchema } from "../../proto/gen/observer_pb.js";
import { NodeStatusEventSchema } from "../../proto/gen/relay_pb.js";
import { messageJson } from "../../src/flow/print/index.ts";
import { anyMessage, Chance } from "./any-message.ts";

type FlowInit = MessageInitShape<typeof FlowSchema>;

function endpoint(chance: Chance) {
  return chance.pick([
    undefined,
    { identity: chance.pick([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 255, 16777217]) },
    { identity: 318, namespace: "default", podName: "deathstar-8c4c77fb7-9klws" },
    { identity: 102, namespace: "kube-system" },
    { identity: 2, podName: "lonely" },
  ]);
}

function layer4(chance: Chance): FlowInit["l4"] {
  const ports = { sourcePort: chance.pick([0, 43966]), destinationPort: chance.pick([0, 53, 80]) };
  return chance.pick<FlowInit["l4"]>([
    undefined,
    { protocol: { case: "TCP", value: { ...ports, flags: { SYN: true } } } },
    { protocol: { case: "UDP", value: ports } },
    { protocol: { case: "SCTP", value: ports } },
    { protocol: { case: "ICMPv4", value: { type: 8, code: chance.below(2) } } },
  ]);
}

function layer7(chance: Chance): FlowInit["l7"] {
  return chance.pick<FlowInit["l7"]>([
    undefined,
    undefined,
    {
      type: chance.pick([0, 1, 2, 3]),
      record: { case: "http", value: { code: 200, method: "GET", url: "http://x/?a=<b>&c" } },
    },
    { type: 1, record: { case: "dns", value: { query: "a.b.", observationSource: chance.pick(["", "proxy"]) } } },
  ]);
}

function likelyFlow(chance: Chance): FlowInit {
  const policies = chance.pick([
    [],
    [{ name: "rule1", namespace: "default", kind: "CiliumNetworkPolicy" }],
    [{ name: "a", kind: "K" }, { name: "b" }],
  ]);
  const source = endpoint(chance);
  const destination = endpoint(chance);
  const l4 = layer4(chance);
  const l7 = layer7(chance);
  return {
    ...(chance.below(12) > 0 && {
      time: { seconds: BigInt(chance.below(16_000_000)), nanos: chance.pick([0, 1, 999_999_999, 120_000_000]) },
    }),
    verdict: chance.below(8),
    ...(chance.below(6) > 0 && {
      IP: { source: chance.pick(["10.0.0.1", "fd00::1"]), destination: "10.0.0.2", ipVersion: 1 },
    }),
    ...(chance.below(2) > 0 && { ethernet: { source: "02:00:00:00:00:01", destination: "02:00:00:00:00:02" } }),
    ...(l4 && { l4 }),
    ...(l7 && { l7 }),
    ...(source && { source }),
    ...(destination && { destination }),
    nodeName: chance.pick(["", "default/k8s-w1"]),
    sourceNames: chance.pick([[], ["a.example.com"], ["a", "b"]]),
    destinationNames: chance.pick([[], ["b.example.com"]]),
    ...(chance.below(8) > 0 && {
      eventType: {
        type: chance.pick([1, 3, 4, 5, 5, 7, 129, 130, 0, 9]),
        subType: chance.pick([
          0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 130, 133, 136, 159, 161, 181, 205, 250,
        ]),
      },
    }),
    ...(chance.below(4) === 0 && { sourceService: { name: chance.pick(["", "web"]), namespace: "shop" } }),
    ...(chance.below(4) === 0 && { destinationService: { name: "web", namespace: chance.pick(["", "shop"]) } }),
    trafficDirection: chance.below(3),
    policyMatchType: chance.below(9),
    ...(chance.below(3) > 0 && { isReply: chance.below(2) === 1 }),
    authType: chance.pick([0, 0, 0, 1, 2]),
    sockXlatePoint: chance.below(5),
    debugCapturePoint: chance.pick([0, 4, 5, 6, 11]),
    ...(chance.below(9) === 0 && { ipTraceId: { traceId: 1234n } }),
    ingressAllowedBy: policies,
    egressDeniedBy: policies,
    egressAllowedBy: chance.pick([[], [{ name: "e", kind: "Z", namespace: "n" }]]),
    ingressDeniedBy: chance.pick([[], [{ name: "i", kind: "Z" }]]),
    Summary: chance.pick(["", "TCP Flags: SYN", "HTTP/1.1 GET http://x/\u001b[2J\r"]),
  };
}

type Response = MessageInitShape<typeof GetFlowsResponseSchema>["responseTypes"];

function response(chance: Chance, i: number): Response {
  if (i % 20 === 7) return { case: "lostEvents", value: anyMessage(LostEventSchema, chance) };
  if (i % 20 === 13) return { case: "nodeStatus", value: anyMessage(NodeStatusEventSchema, chance) };
  if (i % 2 === 0) return { case: "flow", value: create(FlowSchema, likelyFlow(chance)) };
  return { case: "flow", value: anyMessage(FlowSchema, chance) };
}

/**
 * Lines of a file that hubble reads: flows as a cluster has them, flows with anything in any field, lost events and what
 * happened to nodes. The same lines for the same seed.
 */
export function hubbleSample(seed: number, count: number): string {
  const chance = new Chance(seed);
  const lines = Array.from({ length: count }, (_, i) => {
    const responseTypes = response(chance, i);
    const own = responseTypes?.case === "flow" ? responseTypes.value : undefined;
    const time =
      own?.time ?? (chance.below(4) > 0 ? { seconds: BigInt(chance.below(16_000_000)), nanos: 0 } : undefined);
    const nodeName = own?.nodeName ?? chance.pick(["", "k8s-w2"]);
    const init = { responseTypes, nodeName, ...(time && { time }) };
    return messageJson(GetFlowsResponseSchema, create(GetFlowsResponseSchema, init));
  });
  return lines.map((line) => `${line}\n`).join("");
}
