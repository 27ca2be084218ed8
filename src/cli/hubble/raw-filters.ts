import type { FlowFilter } from "../../../proto/gen/flow_pb.js";
import { FlowFilterSchema } from "../../../proto/gen/flow_pb.js";
import type { GetFlowsRequest } from "../../../proto/gen/observer_pb.js";
import { messageJson } from "../../flow/print/index.ts";

function list(key: string, filters: readonly FlowFilter[]): string {
  if (filters.length === 0) return "";
  const quoted = filters.map((filter) => `    - '${messageJson(FlowFilterSchema, filter).replaceAll("'", "''")}'\n`);
  return `${key}:\n${quoted.join("")}`;
}

/** The filters as YAML that `--allowlist` and `--denylist` take back. */
export function rawFiltersYaml(request: GetFlowsRequest): string {
  return list("allowlist", request.whitelist) + list("denylist", request.blacklist) || "{}\n";
}
