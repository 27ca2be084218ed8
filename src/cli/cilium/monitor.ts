import type { IncomingMessage } from "node:http";
import { MonitorFrame } from "../../agent/api.ts";
import { decodeEvent } from "../../flow/index.ts";
import { cpuText, l7Json, l7Line, monitorJson, monitorLine, verboseLines } from "../../flow/monitor/index.ts";
import type { L7Notification } from "../../model/access-record.ts";
import { escapeJson } from "../../model/json-escape.ts";
import { type FlagSpec, type GivenFlag, isSet, UsageError } from "../cobra/flags.ts";
import { write } from "../cobra/run.ts";
import { callAgent, openStream } from "./agent-client.ts";
import { readFrames } from "./frames.ts";
import { createInterfaceNames } from "./interfaces.ts";
import { buildMonitorFilter, EVENT_TYPE_NAMES, type MonitorFilter, mustBeType, neverSent } from "./monitor-filter.ts";

const RECONNECT_MS = 1000;

export const MONITOR_HELP = `The monitor prints what the programs of the datapath and the proxy tell of the
packets and requests of this node, until it is interrupted:
  * packets that were dropped, and why
  * packets on their way, at each point where they are traced
  * verdicts of policies
  * requests and answers that the proxy has judged
  * what the agent does`;

const endpoints = (name: string, help: string): FlagSpec => ({ name, kind: "uint16", type: " []uint16", help });

export const MONITOR_FLAGS: readonly FlagSpec[] = [
  endpoints("from", "Filter by source endpoint id"),
  endpoints("to", "Filter by destination endpoint id"),
  endpoints("related-to", "Filter by either source or destination endpoint id"),
  {
    ...{ name: "type", short: "t", kind: "string", type: " []string", set: mustBeType },
    help: `Filter by event types [${EVENT_TYPE_NAMES.join(" ")}]`,
  },
  { name: "hex", kind: "bool", help: "Do not dissect, print payload in HEX" },
  { name: "json", short: "j", kind: "bool", help: "Enable json output. Shadows -v flag" },
  {
    ...{ name: "monitor-socket", kind: "string", help: "Configure monitor socket path" },
    set: () => {
      throw new UsageError("the events come with the agent's API here: name its socket with --host");
    },
  },
  { name: "numeric", short: "n", kind: "bool", help: "Display all security identities as numeric values" },
  {
    ...{ name: "verbose", short: "v", kind: "count", type: " bools", bare: "false", default: "[]" },
    help: "Enable verbose output (-v, -vv)",
  },
];

interface Style {
  readonly json: boolean;
  readonly verbose: boolean;
  readonly hex: boolean;
  readonly numeric: boolean;
  readonly interfaceName: (ifindex: number) => string;
}

function eventText(body: Uint8Array, filter: MonitorFilter, style: Style): string {
  const event = decodeEvent(body);
  if (!event) return `Unknown event: ${body[0] ?? "empty"}`;
  if (!filter.event(event)) return "";
  if (style.json) return monitorJson(event, style);
  return style.verbose ? verboseLines(event, style).join("\n") : monitorLine(event, style);
}

function agentText(body: Uint8Array, style: Style): string {
  const text = Buffer.from(body).toString("utf8");
  const { type, message, ...rest } = JSON.parse(text) as { type?: string; message?: unknown };
  const said = escapeJson(JSON.stringify(message ?? rest));
  return style.json ? `{"type":"agent","subtype":"${type}","message":${said}}` : `>> ${type}: ${said}`;
}

/** The text of one frame without its line end; empty when the filter holds it back. */
export function frameText(frame: Uint8Array, filter: MonitorFilter, style: Style): string {
  const body = frame.subarray(1);
  switch (frame[0]) {
    case MonitorFrame.Event:
      return eventText(body, filter, style);
    case MonitorFrame.L7: {
      const notification = JSON.parse(Buffer.from(body).toString("utf8")) as L7Notification;
      if (!filter.l7(notification)) return "";
      return style.json ? escapeJson(JSON.stringify(l7Json(notification))) : l7Line(notification);
    }
    case MonitorFrame.Lost: {
      const { lost, cpu } = JSON.parse(Buffer.from(body).toString("utf8")) as { lost: number; cpu?: number };
      // upstream has no JSON of it
      return `${cpu === undefined ? "" : `${cpuText(cpu)} `}Lost ${lost} events`;
    }
    case MonitorFrame.Agent:
      return filter.agent ? agentText(body, style) : "";
    default:
      return `Unknown frame: ${frame[0] ?? "empty"}`;
  }
}

async function listen(stream: AsyncIterable<Uint8Array>, filter: MonitorFilter, style: Style): Promise<void> {
  for await (const frame of readFrames(stream)) {
    const text = frameText(frame, filter, style);
    if (text !== "") await write(`${text}\n`);
  }
}

interface NodeMonitor {
  readonly cpus?: number;
  readonly npages?: number;
  readonly pagesize?: number;
}

/** Where the events come from, as the agent says; empty when it does not. */
async function listening(signal: AbortSignal): Promise<string> {
  const call = { path: "/healthz", headers: { brief: "false" } };
  const { nodeMonitor } = await callAgent<{ readonly nodeMonitor?: NodeMonitor }>(call, signal).catch(() => ({
    nodeMonitor: undefined,
  }));
  if (!nodeMonitor) return "";
  const { cpus = 0, npages = 0, pagesize = 0 } = nodeMonitor;
  return `Listening for events on ${cpus} CPUs with ${npages}x${pagesize} of shared memory\n`;
}

/** `cilium monitor`: prints what the node's datapath and proxy report until Ctrl-C; joins a restarted agent again. */
export async function monitor(flags: readonly GivenFlag[], signal: AbortSignal): Promise<void> {
  const filter = buildMonitorFilter(flags);
  const style: Style = {
    json: isSet(flags, "json"),
    // as Cilium counts: one adds debug events, which this datapath has not; two dissect; any other number is none
    verbose: flags.filter(({ name }) => name === "verbose").length === 2,
    hex: isSet(flags, "hex"),
    numeric: isSet(flags, "numeric"),
    interfaceName: createInterfaceNames(() => performance.now()),
  };
  // a first connection that fails is the user's to mend; a broken one is joined again
  let stream = await openStream("/monitor", signal);
  process.stderr.write(`${await listening(signal)}${neverSent(flags)}Press Ctrl-C to quit\n`);
  while (!signal.aborted) {
    await listen(stream as AsyncIterable<Uint8Array>, filter, style).catch((error: unknown) => {
      if (!signal.aborted) process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
    });
    if (signal.aborted) break;
    process.stderr.write("connection closed\n");
    const again = await reopen(signal);
    if (!again) break;
    stream = again;
  }
  process.stderr.write("\nReceived an interrupt, disconnecting from monitor...\n\n");
}

/** Tries until the agent is back; undefined when the user ends it first. */
async function reopen(signal: AbortSignal): Promise<IncomingMessage | undefined> {
  while (!signal.aborted) {
    await new Promise((resolve) => setTimeout(resolve, RECONNECT_MS));
    const stream = await openStream("/monitor", signal).catch(() => undefined);
    if (stream) return stream;
  }
  return undefined;
}
