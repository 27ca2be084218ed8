import { create, equals, toBinary } from "@bufbuild/protobuf";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import {
  AggregateSchema,
  type Flow,
  type FlowFilter,
  FlowFilterSchema,
  FlowSchema,
  TrafficDirection,
} from "../../../proto/gen/flow_pb.js";
import { type ExportEvent, ExportEventSchema } from "../../../proto/gen/observer_pb.js";
import { compileFilters } from "../../flow/filters/index.ts";
import { EventType, type RingEntry } from "../../flow/index.ts";
import { messageJson } from "../../flow/print/index.ts";
import { compileExactMask } from "../mask.ts";
import type { ExportSettings } from "./settings.ts";

type Response = ExportEvent["responseTypes"];

function line(responseTypes: Response, nodeName: string, time: Timestamp | undefined): string {
  const event = create(ExportEventSchema, { responseTypes, nodeName, ...(time && { time }) });
  return `${messageJson(ExportEventSchema, event)}\n`;
}

const flowLine = (flow: Flow) => line({ case: "flow", value: flow }, flow.nodeName, flow.time);

/** What a filter says of what is no flow: only its event types can match, and they match word of lost events always. */
function matchesOther(filter: FlowFilter, entry: Exclude<RingEntry, { kind: "flow" }>): boolean {
  if (!equals(FlowFilterSchema, filter, create(FlowFilterSchema, { eventType: filter.eventType }))) return false;
  if (filter.eventType.length === 0 || entry.kind === "lost") return true;
  return filter.eventType.some(
    ({ type, matchSubType, subType }) =>
      (type === 0 || type === EventType.Agent) && (!matchSubType || subType === entry.event.type),
  );
}

/** Flows that are alike, until they are written. */
interface Alike {
  readonly flow: Flow;
  ingress: number;
  egress: number;
  unknown: number;
}

/** Kinds of flows that are held between two times of writing: more are written at once. */
const MOST_ALIKE = 10_000;

/** Makes lines of what passes the filters: one for each, or one for all flows that are alike. */
export class ExportRecords {
  private readonly settings: ExportSettings;
  /** Of lost and agent events. */
  private readonly nodeName: string;
  private readonly passes: (flow: Flow) => boolean;
  private readonly mask: ((flow: Flow) => Flow) | undefined;
  private readonly likeness: ((flow: Flow) => Flow) | undefined;
  private alike = new Map<string, Alike>();

  constructor(settings: ExportSettings, nodeName: string) {
    const { allowlist, denylist, fieldMask, aggregate } = settings;
    this.settings = settings;
    this.nodeName = nodeName;
    this.passes = compileFilters(allowlist, denylist);
    this.mask = fieldMask.length === 0 ? undefined : compileExactMask(fieldMask);
    this.likeness = aggregate.length === 0 ? undefined : compileExactMask(aggregate);
  }

  /** Lines that the entry makes now; none when it does not pass, or is added to others. */
  take(entry: RingEntry): readonly string[] {
    if (entry.kind !== "flow") return this.passesOther(entry) ? [this.otherLine(entry)] : [];
    if (!this.passes(entry.flow)) return [];
    if (this.likeness !== undefined) return this.add(entry.flow, this.likeness(entry.flow));
    return [flowLine(this.mask?.(entry.flow) ?? entry.flow)];
  }

  /** Lines of what was added up until now. */
  flush(): readonly string[] {
    const { alike } = this;
    this.alike = new Map();
    return [...alike.values()].map(({ flow, ingress, egress, unknown }) => {
      flow.aggregate = create(AggregateSchema, {
        ingressFlowCount: ingress,
        egressFlowCount: egress,
        unknownDirectionFlowCount: unknown,
      });
      return flowLine(flow);
    });
  }

  private add(flow: Flow, like: Flow): readonly string[] {
    const key = Buffer.from(toBinary(FlowSchema, like)).toString("latin1");
    const lines = this.alike.size >= MOST_ALIKE && !this.alike.has(key) ? this.flush() : [];
    const known = this.alike.get(key) ?? { flow: like, ingress: 0, egress: 0, unknown: 0 };
    // the first one's time, which does not tell flows apart
    if (flow.time && !this.alike.has(key)) like.time = flow.time;
    this.alike.set(key, known);
    if (flow.trafficDirection === TrafficDirection.INGRESS) known.ingress++;
    else if (flow.trafficDirection === TrafficDirection.EGRESS) known.egress++;
    else known.unknown++;
    return lines;
  }

  private passesOther(entry: Exclude<RingEntry, { kind: "flow" }>): boolean {
    const { allowlist, denylist } = this.settings;
    const isWanted = allowlist.length === 0 || allowlist.some((filter) => matchesOther(filter, entry));
    return isWanted && !denylist.some((filter) => matchesOther(filter, entry));
  }

  private otherLine(entry: Exclude<RingEntry, { kind: "flow" }>): string {
    if (entry.kind === "lost") return line({ case: "lostEvents", value: entry.lost }, this.nodeName, entry.lost.last);
    return line({ case: "agentEvent", value: entry.event }, this.nodeName, entry.time);
  }
}
