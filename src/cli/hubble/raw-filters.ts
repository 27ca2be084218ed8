import { fromJsonString } from "@bufbuild/protobuf";
import { type FlowFilter, FlowFilterSchema } from "../../../proto/gen/flow_pb.js";
import type { GetFlowsRequest } from "../../../proto/gen/observer_pb.js";
import { messageJson } from "../../flow/print/index.ts";
import { CommandError } from "../cobra/run.ts";
import { checkProtoJson } from "./proto-json.ts";

/** The ends of the JSON objects that stand one after the other in a text; what is left over is no whole object. */
function splitObjects(text: string): { readonly objects: string[]; readonly rest: string } {
  const objects: string[] = [];
  let depth = 0;
  let start = 0;
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const character = text[i];
    if (quoted && character === "\\") i++;
    else if (character === '"') quoted = !quoted;
    else if (!quoted && character === "{") depth++;
    else if (!quoted && character === "}" && --depth === 0) {
      objects.push(text.slice(start, i + 1).trim());
      start = i + 1;
    }
  }
  return { objects, rest: text.slice(start).trim() };
}

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
