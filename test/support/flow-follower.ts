import { connect } from "node:http2";
import { connect as connectSocket, type IpcNetConnectOpts, type TcpNetConnectOpts } from "node:net";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { GetFlowsRequestSchema, GetFlowsResponseSchema } from "../../proto/gen/observer_pb.js";
import { FLOWS_PATH } from "../../src/hubble/raw-flows.ts";

const PREFIX_BYTES = 5;
/** Bytes on their way to a client: gRPC's own clients grow it as far when the way is wide. */
const WINDOW = 4 << 20;

/** Counts flows and lost events of one stream; only what is not a flow is decoded. */
export class FlowFollower {
  flows = 0;
  lost = 0;
  private rest: Buffer = Buffer.alloc(0);
  private readonly session;
  private readonly stream;

  constructor(where: TcpNetConnectOpts | IpcNetConnectOpts) {
    const settings = { initialWindowSize: WINDOW };
    this.session = connect("http://observer", { createConnection: () => connectSocket(where), settings });
    this.session.once("connect", (session) => session.setLocalWindowSize(WINDOW));
    const head = { ":method": "POST", ":path": FLOWS_PATH, "content-type": "application/grpc", te: "trailers" };
    this.stream = this.session.request(head);
    const request = toBinary(GetFlowsRequestSchema, create(GetFlowsRequestSchema, { follow: true }));
    const prefix = Buffer.alloc(PREFIX_BYTES);
    prefix.writeUInt32BE(request.length, 1);
    this.stream.end(Buffer.concat([prefix, request]));
  }

  /** Resolves when the server has begun to answer. */
  begun(): Promise<void> {
    return new Promise((resolve) => this.stream.once("response", () => resolve()));
  }

  read(): void {
    this.stream.on("data", (chunk: Buffer) => this.take(chunk));
  }

  close(): void {
    this.session.destroy();
  }

  private take(chunk: Buffer): void {
    const bytes = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk]);
    let at = 0;
    for (let end = nextEnd(bytes, at); end <= bytes.length; end = nextEnd(bytes, at)) {
      // field 1 of GetFlowsResponse is the flow
      if (bytes[at + PREFIX_BYTES] === 0x0a) this.flows++;
      else this.lost += lostEvents(bytes.subarray(at + PREFIX_BYTES, end));
      at = end;
    }
    this.rest = bytes.subarray(at);
  }
}

function nextEnd(bytes: Buffer, at: number): number {
  return bytes.length < at + PREFIX_BYTES ? Number.POSITIVE_INFINITY : at + PREFIX_BYTES + bytes.readUInt32BE(at + 1);
}

function lostEvents(message: Buffer): number {
  const { responseTypes } = fromBinary(GetFlowsResponseSchema, message);
  return responseTypes.case === "lostEvents" ? Number(responseTypes.value.numEventsLost) : 0;
}
