import type { DescMessage } from "@bufbuild/protobuf";
import { FlowSchema } from "../../../proto/gen/flow_pb.js";
import { CommandError } from "../cobra/run.ts";

/** What the formats other than JSON show of a flow. */
export const SHOWN_FIELDS: readonly string[] = [
  "time",
  "verdict",
  "ethernet",
  "IP",
  "l4",
  ...["source", "destination"].flatMap((end) => ["identity", "namespace", "pod_name"].map((name) => `${end}.${name}`)),
  "Type",
  "node_name",
  "l7",
  "event_type",
  "source_service",
  "destination_service",
  "is_reply",
  "Summary",
  "ip_trace_id",
  "traffic_direction",
  "policy_match_type",
  "ingress_allowed_by",
  "ingress_denied_by",
  "egress_allowed_by",
  "egress_denied_by",
];

function names(schema: DescMessage, [first, ...rest]: readonly string[]): boolean {
  const field = schema.fields.find(({ name }) => name === first);
  if (!field) return false;
  return rest.length === 0 || (field.fieldKind === "message" && names(field.message, rest));
}

/** Throws CommandError when a path names no field of a flow. */
export function checkFieldMask(paths: readonly string[]): void {
  const wrong = paths.find((path) => !names(FlowSchema, path.split(".")));
  if (wrong !== undefined)
    throw new CommandError(
      `failed to construct field mask: proto: invalid path ${JSON.stringify(wrong)} for message "flow.Flow"`,
    );
}
