import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Flow } from "../../proto/gen/flow_pb.js";
import type { GetFlowsRequest } from "../../proto/gen/observer_pb.js";
import { compileFilters, FilterError } from "../flow/filters/index.ts";
import { compileMask } from "./mask.ts";

/** A request whose filters and mask are ready to use. */
export interface FlowQuery {
  /** As it came, to be passed on. */
  readonly request: GetFlowsRequest;
  /** 0 = no limit. */
  readonly number: number;
  readonly follow: boolean;
  readonly first: boolean;
  readonly since: Timestamp | undefined;
  readonly until: Timestamp | undefined;
  readonly matches: (flow: Flow) => boolean;
  /** Undefined when the whole flow is wanted. */
  readonly mask: ((flow: Flow) => Flow) | undefined;
}

/** Checks a request. Throws ConnectError with InvalidArgument that names the field. */
export function parseFlowsRequest(request: GetFlowsRequest): FlowQuery {
  if (request.first && request.follow) {
    throw new ConnectError("first cannot be specified with follow", Code.InvalidArgument);
  }
  return {
    request,
    number: request.number > BigInt(Number.MAX_SAFE_INTEGER) ? 0 : Number(request.number),
    follow: request.follow,
    first: request.first,
    since: request.since,
    until: request.until,
    matches: filtersOf(request),
    mask: request.fieldMask && request.fieldMask.paths.length > 0 ? compileMask(request.fieldMask.paths) : undefined,
  };
}

function filtersOf(request: GetFlowsRequest): (flow: Flow) => boolean {
  try {
    return compileFilters(request.whitelist, request.blacklist);
  } catch (error) {
    if (error instanceof FilterError) throw new ConnectError(error.message, Code.InvalidArgument);
    throw error;
  }
}

/** Negative, zero or positive as `a` is before, at or after `b`. */
export function compareTimestamps(a: Timestamp, b: Timestamp): number {
  if (a.seconds !== b.seconds) return a.seconds < b.seconds ? -1 : 1;
  return a.nanos - b.nanos;
}
