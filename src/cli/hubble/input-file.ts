import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { create, fromJson, type JsonValue } from "@bufbuild/protobuf";
import { type Flow, FlowSchema } from "../../../proto/gen/flow_pb.js";
import { type GetFlowsRequest, type GetFlowsResponse, GetFlowsResponseSchema } from "../../../proto/gen/observer_pb.js";
import { compileFilters, FilterError } from "../../flow/filters/index.ts";
import { CommandError } from "../cobra/run.ts";

/** A line is a GetFlowsResponse with a flow, or the flow alone; anything else is told once and skipped. */
function parseLine(line: string): GetFlowsResponse | undefined {
  const value = JSON.parse(line) as { flow?: JsonValue };
  const bare = value.flow ?? (value as JsonValue);
  const flow: Flow = fromJson(FlowSchema, bare, { ignoreUnknownFields: true });
  return create(GetFlowsResponseSchema, {
    responseTypes: { case: "flow", value: flow },
    nodeName: flow.nodeName,
    ...(flow.time && { time: flow.time }),
  });
}

function nanoseconds(time: { seconds: bigint; nanos: number } | undefined): bigint | undefined {
  return time && time.seconds * 1_000_000_000n + BigInt(time.nanos);
}

function withinTimes(request: GetFlowsRequest): (flow: Flow) => boolean {
  const since = nanoseconds(request.since);
  const until = nanoseconds(request.until);
  return (flow) => {
    const at = nanoseconds(flow.time);
    if (at === undefined) return since === undefined && until === undefined;
    return (since === undefined || at >= since) && (until === undefined || at <= until);
  };
}

function filtersOf(request: GetFlowsRequest): (flow: Flow) => boolean {
  try {
    return compileFilters(request.whitelist, request.blacklist);
  } catch (error) {
    if (error instanceof FilterError) throw new CommandError(error.message);
    throw error;
  }
}

/** Flows of a file of JSON lines (`-` is standard input) that the request selects, in the file's order. */
export async function* readFlowFile(path: string, request: GetFlowsRequest): AsyncGenerator<GetFlowsResponse> {
  const matches = filtersOf(request);
  const inTime = withinTimes(request);
  const input = path === "-" ? process.stdin : createReadStream(path);
  const limit = request.number;
  let last: GetFlowsResponse[] = [];
  let sent = 0n;
  for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
    if (line.trim() === "") continue;
    const response = parsed(line);
    const flow = response?.responseTypes.value;
    if (!response || flow?.$typeName !== "flow.Flow" || !inTime(flow) || !matches(flow)) continue;
    if (limit > 0n && !request.first) {
      last.push(response);
      if (BigInt(last.length) > limit * 2n) last = last.slice(-Number(limit));
      continue;
    }
    yield response;
    if (limit > 0n && ++sent >= limit) return;
  }
  if (limit > 0n && !request.first) yield* BigInt(last.length) > limit ? last.slice(-Number(limit)) : last;
}

function parsed(line: string): GetFlowsResponse | undefined {
  try {
    return parseLine(line);
  } catch (error) {
    process.stderr.write(`Failed to unmarshal json to flow: ${error instanceof Error ? error.message : error}\n`);
    return undefined;
  }
}
