import {
  AgentEventSchema,
  AgentEventType,
  type DebugEvent,
  DebugEventSchema,
  DebugEventType,
  type Endpoint,
} from "../../../proto/gen/flow_pb.js";
import {
  type GetAgentEventsResponse,
  GetAgentEventsResponseSchema,
  type GetDebugEventsResponse,
  GetDebugEventsResponseSchema,
} from "../../../proto/gen/observer_pb.js";
import { agentEventDetails } from "./agent-event.ts";
import { PLAIN } from "./color.ts";
import { dictText, KEY_WIDTH, SEPARATOR } from "./dict.ts";
import { messageJson } from "./json.ts";
import { enumName } from "./names.ts";
import type { OutputFormat } from "./output-format.ts";
import type { Printer, PrintOptions } from "./printer.ts";
import { Table } from "./tab.ts";
import { formatTime } from "./time.ts";

type Row = readonly [string, string];

/** How the events of one kind look in each format. */
interface Look<Response> {
  /** Columns after time and node. */
  readonly header: readonly string[];
  /** The table's cells after time and node. */
  cells(response: Response): readonly string[];
  rows(response: Response): readonly Row[];
  compact(response: Response): string;
  json(response: Response): string;
  /** The form of the releases before 0.11: the event alone. */
  legacyJson(response: Response): string;
}

interface Observed {
  readonly time?: Parameters<typeof formatTime>[0];
  readonly nodeName: string;
}

function tablePrinter<R extends Observed>(look: Look<R>, { nodeName, timeFormat }: PrintOptions): Printer<R> {
  const table = new Table(["TIMESTAMP", ...(nodeName ? ["NODE"] : []), ...look.header]);
  return {
    print(response) {
      const node = nodeName ? [response.nodeName] : [];
      table.add([formatTime(response.time, timeFormat), ...node, ...look.cells(response)]);
      return { out: "", err: "" };
    },
    finish: () => table.aligned(),
  };
}

function linePrinter<R extends Observed>(text: (response: R, first: boolean) => string): Printer<R> {
  let first = true;
  return {
    print(response) {
      const out = text(response, first);
      first = false;
      return { out, err: "" };
    },
    finish: () => "",
  };
}

function eventPrinter<R extends Observed>(format: OutputFormat, look: Look<R>, options: PrintOptions): Printer<R> {
  const { nodeName, timeFormat } = options;
  switch (format) {
    case "table":
      return tablePrinter(look, options);
    case "json":
      return linePrinter((response) => `${look.json(response)}\n`);
    case "legacy-json":
      return linePrinter((response) => `${look.legacyJson(response)}\n`);
    case "dict":
      // unlike that of flows, this separator has no line of its own
      return linePrinter((response, first) => {
        const head: Row[] = [["TIMESTAMP", formatTime(response.time, timeFormat)]];
        if (nodeName) head.push(["NODE", response.nodeName]);
        return PLAIN.escape((first ? "" : SEPARATOR) + dictText([...head, ...look.rows(response)], KEY_WIDTH));
      });
    case "compact":
      return linePrinter((response) => {
        const node = nodeName ? ` [${response.nodeName}]` : "";
        return PLAIN.escape(`${formatTime(response.time, timeFormat)}${node}: ${look.compact(response)}\n`);
      });
  }
}

/** The printer of `observe agent-events`. */
export function agentEventPrinter(format: OutputFormat, options: PrintOptions): Printer<GetAgentEventsResponse> {
  const type = ({ agentEvent }: GetAgentEventsResponse) => enumName(AgentEventType, agentEvent?.type ?? 0);
  const details = ({ agentEvent }: GetAgentEventsResponse) =>
    agentEvent ? agentEventDetails(agentEvent, options.timeFormat) : "UNKNOWN";
  return eventPrinter(
    format,
    {
      header: ["TYPE", "DETAILS"],
      cells: (response) => [type(response), details(response)],
      rows: (response) => [
        ["TYPE", type(response)],
        ["DETAILS", details(response)],
      ],
      compact: (response) => `${type(response)} (${details(response)})`,
      json: (response) => messageJson(GetAgentEventsResponseSchema, response),
      legacyJson: ({ agentEvent }) => (agentEvent ? messageJson(AgentEventSchema, agentEvent) : "null"),
    },
    options,
  );
}

/** `default/deathstar (ID: 12)`, `reserved:host (ID: 1)` or `ID: 12`. */
function endpointText(endpoint: Endpoint | undefined): string {
  if (!endpoint) return "N/A";
  const { ID, namespace, podName, labels } = endpoint;
  if (namespace !== "" && podName !== "") return `${namespace}/${podName} (ID: ${ID})`;
  const [only] = labels;
  return labels.length === 1 && only?.startsWith("reserved:") ? `${only} (ID: ${ID})` : `ID: ${ID}`;
}

function debugTexts(event: DebugEvent | undefined) {
  const cpu = event?.cpu;
  return {
    from: endpointText(event?.source),
    type: enumName(DebugEventType, event?.type ?? 0),
    mark: event?.hash === undefined ? "N/A" : `0x${event.hash.toString(16)}`,
    cpu: cpu === undefined ? "N/A" : cpu < 0 ? String(cpu) : String(cpu).padStart(2, "0"),
    message: event?.message ?? "",
  };
}

/** The printer of `observe debug-events`. */
export function debugEventPrinter(format: OutputFormat, options: PrintOptions): Printer<GetDebugEventsResponse> {
  return eventPrinter(
    format,
    {
      header: ["FROM", "", "TYPE", "CPU/MARK", "MESSAGE"],
      cells: ({ debugEvent }) => {
        const { from, type, mark, cpu, message } = debugTexts(debugEvent);
        return [from, "", type, `${cpu} ${mark}`, message];
      },
      rows: ({ debugEvent }) => {
        const { from, type, mark, cpu, message } = debugTexts(debugEvent);
        return [
          ["TYPE", type],
          ["FROM", from],
          ["MARK", mark],
          ["CPU", cpu],
          ["MESSAGE", message],
        ];
      },
      compact: ({ debugEvent }) => {
        const { from, type, mark, cpu, message } = debugTexts(debugEvent);
        return `${from} ${type} MARK: ${mark} CPU: ${cpu} (${message})`;
      },
      json: (response) => messageJson(GetDebugEventsResponseSchema, response),
      legacyJson: ({ debugEvent }) => (debugEvent ? messageJson(DebugEventSchema, debugEvent) : "null"),
    },
    options,
  );
}
