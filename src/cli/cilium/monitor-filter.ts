import { type DatapathEvent, EventDirection, EventType } from "../../flow/index.ts";
import { traceTarget } from "../../flow/monitor/index.ts";
import type { L7Notification } from "../../model/access-record.ts";
import { allValues, type GivenFlag, UsageError } from "../cobra/flags.ts";

/** The types that `--type` takes; those that the datapath never emits are accepted by cilium, but would only be silent. */
const TYPES: Readonly<Record<string, number>> = {
  drop: EventType.Drop,
  trace: EventType.Trace,
  "policy-verdict": EventType.PolicyVerdict,
  l7: EventType.L7,
  agent: EventType.Agent,
};
const NEVER_EMITTED = ["debug", "capture", "trace-sock"];

/** Which frames are printed. */
export interface MonitorFilter {
  event(event: DatapathEvent): boolean;
  l7(notification: L7Notification): boolean;
  readonly agent: boolean;
}

function typesOf(flags: readonly GivenFlag[]): ReadonlySet<number> {
  const names = allValues(flags, "type").flatMap((value) => value.split(","));
  const types = names.map((name) => {
    if (NEVER_EMITTED.includes(name)) {
      throw new UsageError(
        `--type ${name}: this datapath emits no ${name} events (types: ${Object.keys(TYPES).join(", ")})`,
      );
    }
    const type = TYPES[name];
    if (type === undefined)
      throw new UsageError(
        `invalid argument ${JSON.stringify(name)} for "-t, --type" flag: unknown type (types: ${Object.keys(TYPES).join(", ")})`,
      );
    return type;
  });
  return new Set(types.length === 0 ? Object.values(TYPES) : types);
}

function endpointsOf(flags: readonly GivenFlag[], name: string): ReadonlySet<number> {
  return new Set(
    allValues(flags, name).flatMap((value) =>
      value.split(",").map((part) => {
        if (!/^\d{1,5}$/.test(part) || Number(part) > 65535) {
          throw new UsageError(
            `invalid argument ${JSON.stringify(part)} for "--${name}" flag: want an endpoint id (\`cilium endpoint list\`)`,
          );
        }
        return Number(part);
      }),
    ),
  );
}

/** What upstream's filter takes for the destination: of a verdict the 16 low bits of the remote identity. */
function destinationOf(event: DatapathEvent): number {
  if (event.type === EventType.Trace) return traceTarget(event);
  if (event.type === EventType.Drop) return event.destinationEndpoint;
  return (event.direction === EventDirection.Ingress ? event.sourceIdentity : event.destinationIdentity) & 0xffff;
}

/** The filter that the flags describe: an event must pass every flag that is given. Throws UsageError. */
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
