import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  type GetFlowsRequest,
  GetFlowsRequestSchema,
  type GetFlowsResponse,
  Observer,
} from "../../../proto/gen/observer_pb.js";
import {
  COLORED,
  createPrinter,
  OUTPUT_FORMATS,
  type OutputFormat,
  PLAIN,
  type Printer,
  TIME_FORMATS,
  type TimeFormat,
} from "../../flow/print/index.ts";
import { type GivenFlag, isSet, lastValue, UsageError } from "../cobra/flags.ts";
import { write } from "../cobra/run.ts";
import { callError, openConnection } from "./connection.ts";
import { buildFilters } from "./filters.ts";
import { parseTime } from "./time.ts";

const DEFAULT_LAST = 20n;
const ALL = 2n ** 64n - 1n;

/** What `observe` needs of the process. */
export interface ObserveEnvironment {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly terminal: boolean;
  readonly nowMs: number;
}

function checkSelectors(flags: readonly GivenFlag[]): void {
  const given = (name: string) =>
    name === "all" || name === "follow" ? isSet(flags, name) : lastValue(flags, name) !== undefined;
  for (const [a, b] of [
    ["first", "last"],
    ["first", "all"],
    ["first", "follow"],
    ["last", "all"],
  ] as const) {
    if (given(a) && given(b)) throw new UsageError(`cannot set both --${a} and --${b}`);
  }
}

/** Without any selector the last 20 flows; with a time all of them from there. */
function requestedNumber(flags: readonly GivenFlag[], fromFile: boolean): bigint {
  const number = lastValue(flags, "first") ?? lastValue(flags, "last");
  if (number !== undefined) return BigInt(number);
  if (isSet(flags, "all")) return ALL;
  const bounded = lastValue(flags, "since") !== undefined || lastValue(flags, "until") !== undefined;
  if (isSet(flags, "follow") || fromFile) return 0n;
  return bounded ? ALL : DEFAULT_LAST;
}

/** The request that the flags describe. Throws UsageError. */
export function buildRequest(flags: readonly GivenFlag[], environment: ObserveEnvironment): GetFlowsRequest {
  checkSelectors(flags);
  const { whitelist, blacklist } = buildFilters(flags, environment.env);
  const follow = isSet(flags, "follow");
  const since = lastValue(flags, "since");
  const until = follow ? undefined : lastValue(flags, "until");
  const mask = lastValue(flags, "field-mask");
  return create(GetFlowsRequestSchema, {
    number: requestedNumber(flags, lastValue(flags, "input-file") !== undefined),
    first: lastValue(flags, "first") !== undefined,
    follow,
    whitelist,
    blacklist,
    ...(since !== undefined && { since: parseTime(since, environment.nowMs) }),
    ...(until !== undefined && { until: parseTime(until, environment.nowMs) }),
    ...(mask !== undefined && { fieldMask: { paths: mask.split(",").map((path) => path.trim()) } }),
  });
}

function outputFormat(flags: readonly GivenFlag[]): OutputFormat {
  const given = (lastValue(flags, "output") ?? "compact").toLowerCase();
  const format = OUTPUT_FORMATS.find((one) => one === given);
  if (!format) throw new UsageError(`invalid output format: ${given}`);
  const json = format === "json" || format === "jsonpb";
  if ((format === "tab" || format === "table") && isSet(flags, "follow")) {
    throw new UsageError("table output format is not compatible with follow mode");
  }
  if (!json && lastValue(flags, "field-mask") !== undefined) {
    throw new UsageError(`${format} output format is not compatible with custom field mask`);
  }
  return format;
}

/** The printer that the flags describe. Throws UsageError on a format, layout or colour that does not exist. */
export function buildPrinter(flags: readonly GivenFlag[], environment: ObserveEnvironment): Printer {
  const color = lastValue(flags, "color") ?? "auto";
  if (!["auto", "always", "never"].includes(color))
    throw new UsageError(`invalid color: ${color} (one of auto, always, never)`);
  const timeFormat = lastValue(flags, "time-format") ?? "StampMilli";
  if (!Object.hasOwn(TIME_FORMATS, timeFormat)) {
    throw new UsageError(`invalid time format: ${timeFormat} (one of ${Object.keys(TIME_FORMATS).join(", ")})`);
  }
  const colored = color === "always" || (color === "auto" && environment.terminal && !environment.env["NO_COLOR"]);
  return createPrinter(outputFormat(flags), {
    palette: colored ? COLORED : PLAIN,
    timeFormat: timeFormat as TimeFormat,
    nodeName: isSet(flags, "print-node-name"),
    policyNames: isSet(flags, "print-policy-names"),
    numeric: isSet(flags, "numeric") || lastValue(flags, "ip-translation") === "false",
    debug: isSet(flags, "debug"),
  });
}

async function printAll(responses: AsyncIterable<GetFlowsResponse>, printer: Printer, silent: boolean): Promise<void> {
  for await (const response of responses) {
    const { out, err } = printer.print(response);
    if (err !== "" && !silent) process.stderr.write(err);
    await write(out);
  }
}

/** `hubble observe`: prints flows until the server or the user ends it. */
export async function observe(
  flags: readonly GivenFlag[],
  environment: ObserveEnvironment,
  signal: AbortSignal,
): Promise<void> {
  const request = buildRequest(flags, environment);
  const printer = buildPrinter(flags, environment);
  if (isSet(flags, "print-raw-filters")) {
    const { rawFiltersYaml } = await import("./raw-filters.ts");
    return write(rawFiltersYaml(request));
  }
  const silent = isSet(flags, "silent-errors");
  const inputFile = lastValue(flags, "input-file");
  if (inputFile !== undefined) {
    const { readFlowFile } = await import("./input-file.ts");
    await printAll(readFlowFile(inputFile, request), printer, silent);
    return write(printer.finish());
  }
  const connection = openConnection(flags, environment.env);
  try {
    await printAll(connection.client(Observer).getFlows(request, { signal }), printer, silent);
  } catch (error) {
    const ended = signal.aborted || (error instanceof ConnectError && error.code === Code.Canceled);
    if (!ended) throw callError(error, connection.target);
  }
  await write(printer.finish());
}
