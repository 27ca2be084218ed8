import { fromBinary } from "@bufbuild/protobuf";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { type Flow, FlowSchema } from "../../proto/gen/flow_pb.js";
import { newTimestamp } from "./messages.ts";

/** A flow as the ring and the history hold it: the bytes of its message, which clients get as they are. */
export class FlowEntry {
  readonly kind = "flow";
  /** Protobuf encoding of `flow.Flow`; nobody may change them. */
  readonly bytes: Uint8Array;
  /** Since the epoch; NaN of a flow without a time. */
  readonly seconds: number;
  readonly nanos: number;
  readonly nodeName: string;
  private made: { readonly flow: Flow } | undefined;

  /** `made` has the message when somebody has it already: a flow that is not asked for is never made again. */
  constructor(bytes: Uint8Array, seconds: number, nanos: number, nodeName: string, made?: { readonly flow: Flow }) {
    this.bytes = bytes;
    this.seconds = seconds;
    this.nanos = nanos;
    this.nodeName = nodeName;
    this.made = made;
  }

  /** Throws on bytes that are no flow. */
  static decoded(bytes: Uint8Array): FlowEntry {
    const flow = fromBinary(FlowSchema, bytes);
    const { time } = flow;
    return new FlowEntry(bytes, Number(time?.seconds ?? Number.NaN), time?.nanos ?? 0, flow.nodeName, { flow });
  }

  get time(): Timestamp | undefined {
    const { seconds, nanos } = this;
    return Number.isNaN(seconds) ? undefined : newTimestamp({ seconds: BigInt(seconds), nanos });
  }

  get flow(): Flow {
    this.made ??= { flow: fromBinary(FlowSchema, this.bytes) };
    return this.made.flow;
  }
}
