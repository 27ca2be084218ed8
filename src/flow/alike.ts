import { BinaryReader } from "@bufbuild/protobuf/wire";
import type { Flow, Layer4 } from "../../proto/gen/flow_pb.js";
import type { FlowContext } from "./context.ts";
import { decodeEvent } from "./decode/event.ts";
import { EventLikeness } from "./decode/likeness.ts";
import { EncodedBytes, varintLength } from "./encode.ts";
import { NS_PER_SECOND, toFlow } from "./flow.ts";
import { newTimestamp, variantOf } from "./messages.ts";
import { Questions } from "./questions.ts";
import { encodeResponse } from "./response.ts";

/** Paths of field numbers from `observer.GetFlowsResponse` on. */
const FLOW = 1;
const SECONDS = [FLOW, 1, 1];
const NANOS = [FLOW, 1, 2];
const UUID = [FLOW, 34];
const L4 = [FLOW, 6];
const RESPONSE_SECONDS = [1001, 1];
const RESPONSE_NANOS = [1001, 2];
const VARINT = 0;
const LAYER4_CASES = { TCP: 1, UDP: 2 } as const;
const PORTS = { sourcePort: 1, destinationPort: 2 } as const;
/** Most kinds of flows that are remembered at a time. */
const MOST_KINDS = 1024;

/** Where in an encoded message the value of a field begins. Throws when it is not there. */
function placeOf(bytes: Uint8Array, path: readonly number[]): number {
  let start = 0;
  let { length } = bytes;
  for (const wanted of path) {
    const reader = new BinaryReader(bytes.subarray(start, start + length));
    for (;;) {
      const [field, wireType] = reader.tag();
      if (field === wanted) {
        length = wireType === VARINT ? 0 : reader.uint32();
        start += reader.pos;
        break;
      }
      reader.skip(wireType, field);
    }
  }
  return start;
}

function writeVarint(bytes: Uint8Array, at: number, length: number, value: number): void {
  let rest = value;
  for (let i = 0; i < length; i++) {
    bytes[at + i] = (rest % 128) | (i === length - 1 ? 0 : 0x80);
    rest = Math.floor(rest / 128);
  }
}

function isSame(a: Uint32Array, b: Uint32Array): boolean {
  for (let at = 0; at < a.length; at++) if (a[at] !== b[at]) return false;
  return true;
}

/** A flow, and where its bytes differ from those of others of its kind. */
interface Pattern {
  readonly flow: Flow;
  /** The address whose port differs. */
  readonly address: string;
  readonly port: "sourcePort" | "destinationPort";
  readonly bytes: Uint8Array;
  /** The flow's time, and the response's. */
  readonly secondsAt: readonly [number, number];
  readonly nanosAt: readonly [number, number];
  readonly uuidAt: number;
  readonly portAt: number;
}

interface Kind {
  readonly words: Uint32Array;
  /** Of the numbers that differ, in bytes. */
  readonly lengths: number;
  /** Absent: its flows differ in more. */
  readonly pattern?: Pattern | undefined;
  /** What the context was asked for it, and when it last gave these answers. */
  readonly questions: Questions;
  turn: number;
}

/** Whether what the context says of it still holds. */
function isCurrent(kind: Kind, turn: number): boolean {
  if (kind.turn === turn) return true;
  if (!kind.questions.areAnsweredAlike()) return false;
  kind.turn = turn;
  return true;
}

/** One of many flows that differ in their time, id and one port. Its message is made when somebody asks for it. */
export class AlikeFlow {
  readonly kind = "flow";
  readonly seconds: number;
  readonly nanos: number;
  private readonly like: Pattern;
  private readonly port: number;
  private readonly uuid: string;
  private made: Flow | undefined;

  constructor(like: Pattern, seconds: number, nanos: number, port: number, uuid: string) {
    this.like = like;
    this.seconds = seconds;
    this.nanos = nanos;
    this.port = port;
    this.uuid = uuid;
  }

  get nodeName(): string {
    return this.like.flow.nodeName;
  }

  get flow(): Flow {
    this.made ??= this.make();
    return this.made;
  }

  /** Appends the encoding of the flow's GetFlowsResponse. */
  encode(out: EncodedBytes): void {
    const { bytes, secondsAt, nanosAt, uuidAt, portAt } = this.like;
    const start = out.at;
    out.raw(bytes);
    const to = out.bytes;
    for (let time = 0; time < 2; time++) {
      writeVarint(to, start + secondsAt[time]!, varintLength(this.seconds), this.seconds);
      writeVarint(to, start + nanosAt[time]!, varintLength(this.nanos), this.nanos);
    }
    writeVarint(to, start + portAt, varintLength(this.port), this.port);
    for (let i = 0; i < this.uuid.length; i++) to[start + uuidAt + i] = this.uuid.charCodeAt(i);
  }

  private make(): Flow {
    const { flow, port } = this.like;
    const { case: name, value } = flow.l4!.protocol;
    const protocol = { case: name, value: variantOf(value!, { [port]: this.port }) } as Layer4["protocol"];
    return variantOf(flow, {
      time: newTimestamp({ seconds: BigInt(this.seconds), nanos: this.nanos }),
      uuid: this.uuid,
      l4: variantOf(flow.l4!, { protocol }),
    });
  }
}

/**
 * Flows of events that are like ones before: a copy of their bytes with another time, id and port, at a tenth of the work. When the
 * context's `turn` is another one it is asked the same questions, and where an answer is another one the flow is made anew.
 */
export class AlikeFlows {
  private readonly context: FlowContext;
  private readonly kinds = new Map<number, Kind>();
  private readonly likeness = new EventLikeness();
  private readonly out = new EncodedBytes();

  constructor(context: FlowContext) {
    this.context = context;
  }

  /** Undefined when the event must be looked at by itself. */
  of(event: Uint8Array): AlikeFlow | undefined {
    const { context, likeness } = this;
    if (!likeness.read(event)) return undefined;
    const ns = likeness.monotonicNs + context.clockOffsetNs();
    const seconds = Number(ns / NS_PER_SECOND);
    const nanos = Number(ns % NS_PER_SECOND);
    const { port } = likeness;
    // lengths of messages hold the lengths of these numbers: the kinds of others are others, and what is 0 is not written
    if (seconds <= 0 || nanos <= 0 || port === 0) return undefined;
    const lengths = varintLength(seconds) * 100 + varintLength(nanos) * 10 + varintLength(port);
    const pattern = this.patternOf(event, lengths);
    if (pattern === undefined || context.serviceByFrontend(pattern.address, port, likeness.protocol)) return undefined;
    const uuid = context.newUuid();
    return uuid.length === pattern.flow.uuid.length ? new AlikeFlow(pattern, seconds, nanos, port, uuid) : undefined;
  }

  private patternOf(event: Uint8Array, lengths: number): Pattern | undefined {
    const { words, hash } = this.likeness;
    const key = hash ^ lengths;
    const known = this.kinds.get(key);
    const turn = this.context.turn();
    if (known?.lengths === lengths && isSame(known.words, words) && isCurrent(known, turn)) return known.pattern;
    if (this.kinds.size >= MOST_KINDS) this.kinds.clear();
    const questions = new Questions(this.context);
    const pattern = this.make(event, questions.context);
    this.kinds.set(key, { words: words.slice(), lengths, pattern, questions, turn });
    return pattern;
  }

  private make(bytes: Uint8Array, context: FlowContext): Pattern | undefined {
    const event = decodeEvent(bytes);
    if (event === undefined) return undefined;
    const flow = toFlow(event, context);
    const layer = flow.l4?.protocol.case;
    if (layer !== "TCP" && layer !== "UDP") return undefined;
    const { isSourcePort } = this.likeness;
    const port = isSourcePort ? "sourcePort" : "destinationPort";
    const end = isSourcePort ? flow.sourceService : flow.destinationService;
    if (end !== undefined || flow.IP === undefined) return undefined;
    this.out.at = 0;
    encodeResponse(flow, this.out);
    const encoded = this.out.bytes.slice(0, this.out.at);
    return {
      flow,
      address: isSourcePort ? flow.IP.source : flow.IP.destination,
      port,
      bytes: encoded,
      secondsAt: [placeOf(encoded, SECONDS), placeOf(encoded, RESPONSE_SECONDS)],
      nanosAt: [placeOf(encoded, NANOS), placeOf(encoded, RESPONSE_NANOS)],
      uuidAt: placeOf(encoded, UUID),
      portAt: placeOf(encoded, [...L4, LAYER4_CASES[layer], PORTS[port]]),
    };
  }
}
