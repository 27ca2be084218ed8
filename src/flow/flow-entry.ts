import { fromBinary } from "@bufbuild/protobuf";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { type Flow, FlowSchema } from "../../proto/gen/flow_pb.js";
import { newTimestamp } from "./messages.ts";
import { type Envelope, envelopeOf, flowWithin, responseOf } from "./response.ts";

/** A flow as the ring and the history hold it: bytes, which clients get as they are. */
export class FlowEntry implements Envelope {
  readonly kind = "flow";
  /** Protobuf encoding of `observer.GetFlowsResponse`; nobody may change it. */
  readonly response: Uint8Array;
  /** Since the epoch; NaN of a flow without a time. */
  readonly seconds: number;
  readonly nanos: number;
  readonly nodeName: string;
  private made: { readonly flow: Flow } | undefined;

  /** `made` has the message when somebody has it already: a flow that is not asked for is never made again. */
  constructor(response: Uint8Array, seconds: number, nanos: number, nodeName: string, made?: { readonly flow: Flow }) {
    this.response = response;
    this.seconds = seconds;
    this.nanos = nanos;
    this.nodeName = nodeName;
    this.made = made;
  }

  /** Of the protobuf encoding of a `flow.Flow`. Throws on bytes that are none. */
  static decoded(bytes: Uint8Array): FlowEntry {
    const flow = fromBinary(FlowSchema, bytes);
    const envelope = envelopeOf(flow);
    const { seconds, nanos, nodeName } = envelope;
    return new FlowEntry(responseOf(bytes, envelope), seconds, nanos, nodeName, { flow });
  }

  /** Protobuf encoding of `flow.Flow`. */
  get bytes(): Uint8Array {
    return flowWithin(this.response);
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
