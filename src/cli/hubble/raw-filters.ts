import { fromJsonString } from "@bufbuild/protobuf";
import { type FlowFilter, FlowFilterSchema } from "../../../proto/gen/flow_pb.js";
import type { GetFlowsRequest } from "../../../proto/gen/observer_pb.js";
import { splitObjects } from "../../flow/filters/json-objects.ts";
import { messageJson } from "../../flow/print/index.ts";
import { CommandError } from "../cobra/run.ts";
import { checkProtoJson } from "./proto-json.ts";

function parseOne(json: string): FlowFilter {
  checkProtoJson(FlowFilterSchema, json, false);
  return fromJsonString(FlowFilterSchema, json);
}

/** JSON filters, several perhaps in one value. Throws CommandError. */
export function parseRawFilters(flag: string, values: readonly string[]): FlowFilter[] {
  return values.flatMap((value) => {
    const { objects, rest } = splitObjects(value);
    try {
      const filters = objects.map(parseOne);
      if (rest === "") return filters;
      const first = [...rest][0];
      throw new Error(first === "{" ? "unexpected EOF" : `invalid character '${first}' looking for beginning of value`);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new CommandError(`invalid --${flag} flag: failed to decode '${value}': ${reason}`);
    }
  });
}

function list(key: string, filters: readonly FlowFilter[]): string {
  if (filters.length === 0) return "";
  const quoted = filters.map((filter) => `    - '${messageJson(FlowFilterSchema, filter).replaceAll("'", "''")}'\n`);
  return `${key}:\n${quoted.join("")}`;
}

/** The filters as YAML that `--config` takes back. */
export function rawFiltersYaml(request: GetFlowsRequest): string {
  return list("allowlist", request.whitelist) + list("denylist", request.blacklist) || "{}\n";
}
