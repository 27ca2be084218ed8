import { toBinary } from "@bufbuild/protobuf";
import { BinaryReader } from "@bufbuild/protobuf/wire";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Http2SessionManager } from "@connectrpc/connect-node";
import {
  type GetFlowsRequest,
  GetFlowsRequestSchema,
  type GetFlowsResponse,
  GetFlowsResponseSchema,
} from "../../proto/gen/observer_pb.js";

export const FLOWS_PATH = "/observer.Observer/GetFlows";
/** Field numbers of GetFlowsResponse. */
const FLOW = 1;
const TIME = 1001;
const PREFIX_BYTES = 5;
/** Bytes of flows on their way to us: while we or the node are busy for some milliseconds, the way stays full. */
const WINDOW = 1 << 20;

/** A GetFlowsResponse as it came: whoever passes it on needs to know when it was, and nothing more. */
export interface RawResponse {
  readonly bytes: Uint8Array;
  /** Since the epoch; NaN when it does not say. */
  readonly seconds: number;
  readonly nanos: number;
  readonly isFlow: boolean;
}

/** Finds what is needed of an encoded GetFlowsResponse. Throws when it is none. */
function readRawResponse(bytes: Uint8Array): RawResponse {
  const reader = new BinaryReader(bytes);
  let seconds = Number.NaN;
  let nanos = 0;
  let isFlow = false;
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field !== TIME) {
      isFlow ||= field === FLOW;
      reader.skip(wireType, field);
      continue;
    }
    const length = reader.uint32();
    seconds = 0;
    for (const end = reader.pos + length; reader.pos < end; ) {
      const [part, partType] = reader.tag();
      if (part === 1) seconds = Number(reader.int64());
      else if (part === 2) nanos = reader.int32();
      else reader.skip(partType, part);
    }
  }
  return { bytes, seconds, nanos, isFlow };
}

/** A response of our own in the same form. */
export function rawResponse(response: GetFlowsResponse): RawResponse {
  const bytes = toBinary(GetFlowsResponseSchema, response);
  const { time } = response;
  const isFlow = response.responseTypes.case === "flow";
  return { bytes, seconds: Number(time?.seconds ?? Number.NaN), nanos: time?.nanos ?? 0, isFlow };
}

/** Splits gRPC's frames out of a stream's chunks: of each chunk those that it completes. Throws on a compressed one: none was asked for. */
async function* messages(stream: AsyncIterable<Buffer>): AsyncGenerator<Uint8Array[]> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of stream) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    const whole: Uint8Array[] = [];
    while (rest.length - at >= PREFIX_BYTES) {
      const end = at + PREFIX_BYTES + rest.readUInt32BE(at + 1);
      if (rest[at] !== 0) throw new ConnectError("a compressed flow, which was not asked for", Code.Internal);
      if (rest.length < end) break;
      whole.push(rest.subarray(at + PREFIX_BYTES, end));
      at = end;
    }
    rest = rest.subarray(at);
    if (whole.length > 0) yield whole;
  }
}

/**
 * Calls GetFlows of an observer and gives its responses undecoded, those that came together at once: a relay that decoded and encoded each flow would do several
 * times the work of all else together. Rejects with a ConnectError, as the general client does.
 */
export async function* rawFlows(
  sessions: Http2SessionManager,
  request: GetFlowsRequest,
  signal: AbortSignal,
): AsyncGenerator<RawResponse[]> {
  const headers = { "content-type": "application/grpc+proto", te: "trailers" };
  const stream = await sessions.request("POST", FLOWS_PATH, headers, {});
  stream.session?.setLocalWindowSize(WINDOW);
  const abort = () => stream.close(8 /* CANCEL */);
  signal.addEventListener("abort", abort);
  if (signal.aborted) abort();
  const status = new Promise<Readonly<Record<string, unknown>>>((resolve) => {
    stream.on("response", (head) => {
      if (head["grpc-status"] !== undefined) resolve(head);
    });
    stream.on("trailers", resolve);
    stream.on("close", () => resolve({}));
  });
  try {
    const body = toBinary(GetFlowsRequestSchema, request);
    const prefix = Buffer.alloc(PREFIX_BYTES);
    prefix.writeUInt32BE(body.length, 1);
    stream.end(Buffer.concat([prefix, body]));
    for await (const bytes of messages(stream)) yield bytes.map(readRawResponse);
    mustBeOk(await status);
  } catch (error) {
    throw ConnectError.from(error, Code.Unavailable);
  } finally {
    signal.removeEventListener("abort", abort);
    stream.close();
  }
}

function mustBeOk(trailers: Readonly<Record<string, unknown>>): void {
  const code = trailers["grpc-status"];
  if (code === "0") return;
  if (code === undefined) throw new ConnectError("the stream ended without a status", Code.Unavailable);
  throw new ConnectError(decodeURIComponent(String(trailers["grpc-message"] ?? "")), Number(code) as Code);
}
