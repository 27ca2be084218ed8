import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Flow } from "../../proto/gen/flow_pb.js";
import type { GetAgentEventsRequest, GetFlowsRequest } from "../../proto/gen/observer_pb.js";
import { compileFilters, FilterError } from "../flow/filters/index.ts";
import { compileMask } from "./mask.ts";

/** Which part of the ring is wanted. */
export interface RingQuery {
  /** 0 = no limit. */
  readonly number: number;
  readonly follow: boolean;
  readonly first: boolean;
  readonly since: Timestamp | undefined;
  readonly until: Timestamp | undefined;
}

/** A request whose filters and mask are ready to use. */
export interface FlowQuery extends RingQuery {
  /** As it came, to be passed on. */
  readonly request: GetFlowsRequest;
  /** Undefined when every flow is wanted. */
  readonly matches: ((flow: Flow) => boolean) | undefined;
  /** Undefined when the whole flow is wanted. */
  readonly mask: ((flow: Flow) => Flow) | undefined;
}

/** Range of a valid Timestamp: the years 1 to 9999. */
const FIRST_SECOND = -62_135_596_800n;
const LAST_SECOND = 253_402_300_799n;

function validTime(field: string, time: Timestamp | undefined): Timestamp | undefined {
  if (time === undefined) return undefined;
  const { seconds, nanos } = time;
  if (seconds >= FIRST_SECOND && seconds <= LAST_SECOND && nanos >= 0 && nanos < 1e9) return time;
  throw new ConnectError(`${field}: ${seconds} seconds and ${nanos} nanoseconds are no valid time`, Code.Unknown);
}

/** Checks what the requests for flows, agent events and debug events share. Throws ConnectError that names the field. */
export function parseRingQuery(
  request: Pick<GetAgentEventsRequest, "number" | "follow" | "first" | "since" | "until">,
): RingQuery {
  const { number, follow, first } = request;
  if (first && follow) throw new ConnectError("first cannot be specified with follow", Code.InvalidArgument);
  return {
    number: number > BigInt(Number.MAX_SAFE_INTEGER) ? 0 : Number(number),
    follow,
    first,
    since: validTime("since", request.since),
    until: validTime("until", request.until),
  };
}

/** Checks a request for flows. Throws ConnectError: of a filter or mask with the code Unknown, as upstream's server does. */
export function parseFlowsRequest(request: GetFlowsRequest): FlowQuery {
  return {
    ...parseRingQuery(request),
    request,
    matches: filtersOf(request),
    mask: request.fieldMask && request.fieldMask.paths.length > 0 ? compileMask(request.fieldMask.paths) : undefined,
  };
}

function filtersOf(request: GetFlowsRequest): FlowQuery["matches"] {
  if (request.whitelist.length === 0 && request.blacklist.length === 0) return undefined;
  try {
    return compileFilters(request.whitelist, request.blacklist);
  } catch (error) {
    if (error instanceof FilterError) throw new ConnectError(error.message, Code.Unknown);
    throw error;
  }
}

/** Negative, zero or positive as `a` is before, at or after `b`. */
export function compareTimestamps(a: Timestamp, b: Timestamp): number {
  if (a.seconds !== b.seconds) return a.seconds < b.seconds ? -1 : 1;
  return a.nanos - b.nanos;
}
