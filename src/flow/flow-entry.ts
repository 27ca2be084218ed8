import { fromBinary } from "@bufbuild/protobuf";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { type Flow, FlowSchema } from "../../proto/gen/flow_pb.js";

/** A flow as the ring and the history hold it: the bytes of its message, which clients get as they are. */
export class FlowEntry {
  readonly kind = "flow";
  /** Protobuf encoding of `flow.Flow`; nobody may change them. */
  readonly bytes: Uint8Array;
  readonly time: Timestamp | undefined;
  readonly nodeName: string;
  private made: Flow | undefined;

  /** `flow` is the message when somebody has it already: a flow that is not asked for is never made again. */
  constructor(bytes: Uint8Array, time: Timestamp | undefined, nodeName: string, flow?: Flow) {
    this.bytes = bytes;
    this.time = time;
    this.nodeName = nodeName;
    this.made = flow;
  }

  /** Throws on bytes that are no flow. */
  static decoded(bytes: Uint8Array): FlowEntry {
    const flow = fromBinary(FlowSchema, bytes);
    return new FlowEntry(bytes, flow.time, flow.nodeName, flow);
  }

  get flow(): Flow {
    this.made ??= fromBinary(FlowSchema, this.bytes);
    return this.made;
  }
}
