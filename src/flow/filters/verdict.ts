import { type Flow, type FlowFilter, Verdict } from "../../../proto/gen/flow_pb.js";
import { anyOf, type FlowTest } from "./flow-test.ts";

/** A drop never says whether it was a reply; readers that ask for requests want to see it. */
function replyMatches(wanted: boolean, flow: Flow): boolean {
  if (flow.isReply === undefined) return flow.verdict === Verdict.DROPPED && !wanted;
  return flow.isReply === wanted;
}

/** verdict, drop_reason_desc, traffic_direction, reply, encrypted. */
export function verdictTests(filter: FlowFilter): FlowTest[] {
  return [
    ...anyOf(filter.verdict, (verdict, flow) => flow.verdict === verdict),
    ...anyOf(
      filter.dropReasonDesc,
      (reason, flow) => flow.verdict === Verdict.DROPPED && flow.dropReasonDesc === reason,
    ),
    ...anyOf(filter.trafficDirection, (direction, flow) => flow.trafficDirection === direction),
    ...anyOf(filter.reply, replyMatches),
    ...anyOf(filter.encrypted, (encrypted, flow) => (flow.IP?.encrypted ?? false) === encrypted),
  ];
}
