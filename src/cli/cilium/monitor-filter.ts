import { type DatapathEvent, EventDirection, EventType } from "../../flow/index.ts";
import { traceTarget } from "../../flow/monitor/index.ts";
import type { L7Notification } from "../../model/access-record.ts";
import { allValues, type GivenFlag, UsageError } from "../cobra/flags.ts";

/** The types that `--type` takes, with Cilium's numbers. */
const TYPES: Readonly<Record<string, number>> = {
  agent: EventType.Agent,
  capture: 3,
  debug: 2,
  drop: EventType.Drop,
  l7: EventType.L7,
  "policy-verdict": EventType.PolicyVerdict,
  trace: EventType.Trace,
  "trace-sock": 7,
};
/** Of them, those that this datapath never sends, like Cilium's without its debug options. */
const NEVER_SENT: readonly string[] = ["capture", "debug", "trace-sock"];

export const EVENT_TYPE_NAMES: readonly string[] = Object.keys(TYPES);

/** Throws what upstream says of a word that names no type. */
export function mustBeType(word: string): void {
  if (TYPES[word] !== undefined) return;
  const all = Object.entries(TYPES).map(([name, number]) => `${name}:${number}`);
  throw new UsageError(`Unknown type (${word}). Please use one of the following ones map[${all.join(" ")}]`);
}

/** Says which of the types that were asked for will never come; empty when all may. */
export function neverSent(flags: readonly GivenFlag[]): string {
  const vain = allValues(flags, "type").filter((name) => NEVER_SENT.includes(name));
  return vain.map((name) => `This datapath sends no ${name} events: none will come\n`).join("");
}

/** Which frames are printed. */
export interface MonitorFilter {
  event(event: DatapathEvent): boolean;
  l7(notification: L7Notification): boolean;
  readonly agent: boolean;
}

function typesOf(flags: readonly GivenFlag[]): ReadonlySet<number> {
  const names = allValues(flags, "type");
  return new Set((names.length === 0 ? EVENT_TYPE_NAMES : names).map((name) => TYPES[name] ?? 0));
}

function endpointsOf(flags: readonly GivenFlag[], name: string): ReadonlySet<number> {
  return new Set(allValues(flags, name).map(Number));
}

/** What upstream's filter takes for the destination: of a verdict the 16 low bits of the remote identity. */
function destinationOf(event: DatapathEvent): number {
  if (event.type === EventType.Trace) return traceTarget(event);
  if (event.type === EventType.Drop) return event.destinationEndpoint;
  return (event.direction === EventDirection.Ingress ? event.sourceIdentity : event.destinationIdentity) & 0xffff;
}

/** The filter that the flags describe: an event must pass every flag that is given. */
export function buildMonitorFilter(flags: readonly GivenFlag[]): MonitorFilter {
  const types = typesOf(flags);
  const from = endpointsOf(flags, "from");
  const to = endpointsOf(flags, "to");
  const related = endpointsOf(flags, "related-to");
  const passes = (source: number, destination: number) =>
    (from.size === 0 || from.has(source)) &&
    (to.size === 0 || to.has(destination)) &&
    (related.size === 0 || related.has(source) || related.has(destination));
  return {
    event: (event) => types.has(event.type) && passes(event.endpoint, destinationOf(event)),
    l7: ({ record, source, destination }) => {
      const isResponse = record.type === "response";
      const [from, to] = isResponse ? [destination, source] : [source, destination];
      return types.has(EventType.L7) && passes(from.id, to.id);
    },
    agent: types.has(EventType.Agent) && from.size + to.size + related.size === 0,
  };
}
