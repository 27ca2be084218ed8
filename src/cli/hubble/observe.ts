import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  GetAgentEventsRequestSchema,
  GetDebugEventsRequestSchema,
  type GetFlowsRequest,
  GetFlowsRequestSchema,
  type GetFlowsResponse,
  Observer,
} from "../../../proto/gen/observer_pb.js";
import {
  agentEventPrinter,
  createPrinter,
  debugEventPrinter,
  type Printer,
  protoText,
} from "../../flow/print/index.ts";
import { type GivenFlag, isSet, lastValue } from "../cobra/flags.ts";
import { CommandError, write } from "../cobra/run.ts";
import { streamError, wasClosed } from "./call-error.ts";
import { openConnection } from "./connection.ts";
import type { FlowFilters } from "./filters.ts";
import { log } from "./log.ts";
import { rawFiltersYaml } from "./raw-filters.ts";
import { eventsRequest, flowsRequest, type ObserveEnvironment, printOptions, requestedFormat } from "./request.ts";
import type { Settings } from "./settings.ts";

/** What a run of `observe` works with. */
export interface Observation {
  readonly flags: readonly GivenFlag[];
  readonly settings: Settings;
  readonly environment: ObserveEnvironment;
  readonly signal: AbortSignal;
}

async function printAll<R>(responses: AsyncIterable<R>, printer: Printer<R>, { flags, signal }: Observation) {
  const silent = isSet(flags, "silent-errors");
  let begun = false;
  try {
    for await (const response of responses) {
      begun = true;
      const { out, err } = printer.print(response);
      if (err !== "" && !silent) process.stderr.write(err);
      await write(out);
    }
  } catch (error) {
    const canceled = error instanceof ConnectError && error.code === Code.Canceled && !wasClosed(error);
    const ended = signal.aborted || canceled;
    if (!ended) {
      await write(printer.finish());
      throw streamError(error, begun);
    }
  }
  await write(printer.finish());
}

async function flowSource(
  request: GetFlowsRequest,
  { flags, settings, signal }: Observation,
): Promise<AsyncIterable<GetFlowsResponse>> {
  const file = lastValue(flags, "input-file") ?? "";
  if (file === "") {
    const connection = openConnection(settings);
    if (settings.boolean("debug")) log("DEBUG", "connected to Hubble API", { server: "server" });
    return connection.client(Observer).getFlows(request, { signal });
  }
  if (settings.boolean("port-forward"))
    throw new CommandError("cannot use --input-file and --auto-port-forward together");
  const { readFlowFile } = await import("./input-file.ts");
  return readFlowFile(file, request);
}

/** `hubble observe`: prints flows until the server or the user ends it. Throws UsageError or CommandError. */
export async function observeFlows(filters: FlowFilters, observation: Observation): Promise<void> {
  const { flags, settings, environment } = observation;
  const { request, format } = flowsRequest(flags, filters, settings, environment);
  if (isSet(flags, "print-raw-filters")) return write(rawFiltersYaml(request));
  const debug = settings.boolean("debug");
  const source = await flowSource(request, observation);
  if (debug) log("DEBUG", "Sending GetFlows request", { req: protoText(GetFlowsRequestSchema, request) });
  await printAll(source, createPrinter(format, printOptions(flags, environment, debug)), observation);
}

/** `hubble observe agent-events` and `debug-events`. Throws UsageError or CommandError. */
export async function observeEvents(kind: "agent" | "debug", observation: Observation): Promise<void> {
  const { flags, settings, environment, signal } = observation;
  const format = requestedFormat(flags, environment);
  const debug = settings.boolean("debug");
  const options = printOptions(flags, environment, debug);
  const request = eventsRequest(flags, environment.nowMs);
  const client = openConnection(settings).client(Observer);
  const name = kind === "agent" ? "GetAgentEvents" : "GetDebugEvents";
  if (debug) log("DEBUG", `Sending ${name} request`, { req: protoText(GetAgentEventsRequestSchema, request) });
  if (kind === "agent")
    return printAll(client.getAgentEvents(request, { signal }), agentEventPrinter(format, options), observation);
  const { number, follow, since, until } = request;
  const same = create(GetDebugEventsRequestSchema, {
    number,
    follow,
    ...(since && { since }),
    ...(until && { until }),
  });
  return printAll(client.getDebugEvents(same, { signal }), debugEventPrinter(format, options), observation);
}
