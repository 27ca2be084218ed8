import { create } from "@bufbuild/protobuf";
import { LostEventSchema, LostEventSource } from "../../proto/gen/flow_pb.js";
import type { AccessRecord } from "../model/access-record.ts";
import type { AgentNotification } from "../model/agent-notification.ts";
import { accessRecordToFlow } from "./access.ts";
import { toAgentEvent } from "./agent-event.ts";
import { AlikeFlows } from "./alike.ts";
import type { FlowContext } from "./context.ts";
import { decodeEvent } from "./decode/event.ts";
import { timestampFromNs, toFlow } from "./flow.ts";
import type { FlowRing } from "./ring.ts";
import { TraceContexts } from "./trace-context.ts";

/** Where the agent hands in what it receives; each call ends as an entry of the ring. */
export interface FlowPipeline {
  /** Bytes of struct sg_event and packet; they may be reused after the call. */
  event(bytes: Uint8Array): void;
  access(record: AccessRecord): void;
  /** `count` events of a processor that the kernel could not deliver up to `atNs` (nanoseconds since the epoch). 0 does nothing. */
  lost(count: number, cpu: number, atNs: bigint): void;
  /** What the agent did at `atNs` (nanoseconds since the epoch). */
  agent(notification: AgentNotification, atNs: bigint): void;
  /** Events that were too short or of no known type. */
  readonly malformed: number;
}

/** A pipeline into `ring`; none of its methods throws on bad input. */
export function createFlowPipeline(options: { readonly context: FlowContext; readonly ring: FlowRing }): FlowPipeline {
  const { context, ring } = options;
  const alikes = new AlikeFlows(context);
  const traces = new TraceContexts();
  let malformed = 0;
  return {
    event(bytes) {
      const alike = alikes.of(bytes);
      const event = alike ? undefined : decodeEvent(bytes);
      if (alike) ring.append(alike);
      else if (event) ring.append({ kind: "flow", flow: toFlow(event, context) });
      else malformed++;
    },
    access(record) {
      ring.append({ kind: "flow", flow: accessRecordToFlow(record, context, traces) });
    },
    lost(count, cpu, atNs) {
      if (count <= 0) return;
      const lost = create(LostEventSchema, {
        source: LostEventSource.PERF_EVENT_RING_BUFFER,
        numEventsLost: BigInt(count),
        cpu,
        last: timestampFromNs(atNs),
      });
      ring.append({ kind: "lost", lost });
    },
    agent(notification, atNs) {
      ring.append({ kind: "agent", event: toAgentEvent(notification), time: timestampFromNs(atNs) });
    },
    get malformed() {
      return malformed;
    },
  };
}
