import { once } from "node:events";
import { createReadStream } from "node:fs";
import { create, fromJsonString } from "@bufbuild/protobuf";
import { type Flow, type FlowFilter, FlowSchema } from "../../../proto/gen/flow_pb.js";
import { type GetFlowsRequest, type GetFlowsResponse, GetFlowsResponseSchema } from "../../../proto/gen/observer_pb.js";
import { compileFilters, FilterError } from "../../flow/filters/index.ts";
import { CommandError } from "../cobra/run.ts";
import { openingError } from "./file-error.ts";
import { log } from "./log.ts";
import { checkProtoJson } from "./proto-json.ts";

/** Longest line that is read, in bytes with its end: a flow is some thousand. */
const LONGEST_LINE = 65_536;
const MOST_KEPT = 1_000_000n;
const EVERYTHING = 2n ** 64n - 1n;
const NEWLINE = 0x0a;

/** Lines of a file without their ends. Throws CommandError on one that is too long. */
async function* linesOf(input: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let rest = Buffer.alloc(0);
  for await (const chunk of input) {
    rest = Buffer.concat([rest, chunk]);
    for (let end = rest.indexOf(NEWLINE); end >= 0; end = rest.indexOf(NEWLINE)) {
      if (end >= LONGEST_LINE) throw new CommandError("bufio.Scanner: token too long");
      yield rest.toString("utf8", 0, end).replace(/\r$/, "");
      rest = rest.subarray(end + 1);
    }
    if (rest.length >= LONGEST_LINE) throw new CommandError("bufio.Scanner: token too long");
  }
  if (rest.length > 0) yield rest.toString("utf8").replace(/\r$/, "");
}

/** Reads lines as responses; what is none is told and skipped. */
class LineParser {
  /** After the first field that is not known, such fields are no longer told. */
  private discardUnknown = false;

  private read(line: string, ignoreUnknownFields: boolean): GetFlowsResponse {
    checkProtoJson(GetFlowsResponseSchema, line, ignoreUnknownFields);
    return fromJsonString(GetFlowsResponseSchema, line, { ignoreUnknownFields });
  }

  parse(line: string): GetFlowsResponse | undefined {
    let failure: Error;
    try {
      return this.read(line, this.discardUnknown);
    } catch (error) {
      failure = error as Error;
    }
    if (!this.discardUnknown) {
      try {
        const response = this.read(line, true);
        this.discardUnknown = true;
        const advice = "unknown field detected, upgrade the Hubble CLI to get rid of this warning";
        log("WARN", advice, { error: failure.message });
        return response;
      } catch (error) {
        failure = error as Error;
      }
    }
    log("WARN", "Failed to unmarshal json to flow", { error: failure.message, line });
    return undefined;
  }
}

function nanoseconds(time: { seconds: bigint; nanos: number } | undefined): bigint {
  return time ? time.seconds * 1_000_000_000n + BigInt(time.nanos) : 0n;
}

function withinTimes({ since, until }: GetFlowsRequest): (response: GetFlowsResponse) => boolean {
  return ({ time }) => {
    const at = nanoseconds(time);
    return (!since || at >= nanoseconds(since)) && (!until || at <= nanoseconds(until));
  };
}

function compiled(whitelist: readonly FlowFilter[], blacklist: readonly FlowFilter[]): (flow: Flow) => boolean {
  try {
    return compileFilters(whitelist, blacklist);
  } catch (error) {
    if (error instanceof FilterError) throw new CommandError(error.message);
    throw error;
  }
}

/** Whether a filter could select what is no flow: some of its fields do not even take a flow without any value. */
const takesOthers = (filter: FlowFilter) =>
  [filter.verdict, filter.ipVersion, filter.trafficDirection, filter.uuid, filter.dropReasonDesc].every(
    (values) => values.length === 0,
  );

function filtersOf({ whitelist, blacklist }: GetFlowsRequest): (response: GetFlowsResponse) => boolean {
  const matches = compiled(whitelist, blacklist);
  const wanted = whitelist.filter(takesOthers);
  const impossible = whitelist.length > 0 && wanted.length === 0;
  const others = !impossible && compiled(wanted, blacklist.filter(takesOthers))(create(FlowSchema));
  return ({ responseTypes: { case: kind, value } }) => (kind === "flow" ? matches(value) : others);
}

/** The file's bytes. Throws CommandError when it cannot be opened, later when it cannot be read. */
async function open(path: string): Promise<AsyncIterable<Buffer>> {
  if (path === "-") return process.stdin;
  const stream = createReadStream(path);
  const failed = (error: unknown): never => {
    throw new CommandError(openingError(path, error));
  };
  await once(stream, "open").catch(failed);
  return (async function* () {
    try {
      yield* stream as AsyncIterable<Buffer>;
    } catch (error) {
      failed(error);
    }
  })();
}

/**
 * The responses in a file of JSON lines (`-` is standard input) that the request selects, in the file's order. Throws
 * CommandError when the file cannot be read.
 */
export async function readFlowFile(path: string, request: GetFlowsRequest): Promise<AsyncIterable<GetFlowsResponse>> {
  const input = await open(path);
  const matches = filtersOf(request);
  const { number, first } = request;
  const counted = number > 0n && number !== EVERYTHING;
  if (counted && !first && number > MOST_KEPT) throw new CommandError(`--last must be <= 1_000_000, got ${number}`);
  return select(linesOf(input), { matches, inTime: withinTimes(request), limit: counted ? number : 0n, first });
}

interface Selection {
  matches(response: GetFlowsResponse): boolean;
  inTime(response: GetFlowsResponse): boolean;
  /** How many; 0 is all. */
  readonly limit: bigint;
  readonly first: boolean;
}

async function* select(
  lines: AsyncIterable<string>,
  { matches, inTime, limit, first }: Selection,
): AsyncGenerator<GetFlowsResponse> {
  const parser = new LineParser();
  let last: GetFlowsResponse[] = [];
  let sent = 0n;
  for await (const line of lines) {
    const response = parser.parse(line);
    if (!response || !inTime(response) || !matches(response)) continue;
    if (limit > 0n && !first) {
      last.push(response);
      if (BigInt(last.length) > limit * 2n) last = last.slice(-Number(limit));
      continue;
    }
    yield response;
    if (limit > 0n && ++sent >= limit) return;
  }
  if (limit > 0n && !first) yield* last.slice(-Number(limit));
}
