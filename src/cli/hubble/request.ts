import { create } from "@bufbuild/protobuf";
import {
  type GetAgentEventsRequest,
  GetAgentEventsRequestSchema,
  type GetFlowsRequest,
  GetFlowsRequestSchema,
} from "../../../proto/gen/observer_pb.js";
import {
  COLORED,
  type OutputFormat,
  outputFormatOf,
  PLAIN,
  type PrintOptions,
  timeFormatOf,
} from "../../flow/print/index.ts";
import { type GivenFlag, isSet, lastValue, UsageError } from "../cobra/flags.ts";
import { csvFields } from "../cobra/values.ts";
import { checkFieldMask, SHOWN_FIELDS } from "./field-mask.ts";
import type { FlowFilters } from "./filters.ts";
import { parseRawFilters } from "./raw-filters.ts";
import type { Settings } from "./settings.ts";
import { parseTime } from "./time.ts";

const DEFAULT_LAST = 20n;
const ALL = 2n ** 64n - 1n;

/** What `observe` needs of the process. */
export interface ObserveEnvironment {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Whether standard output is a terminal. */
  readonly terminal: boolean;
  readonly nowMs: number;
}

/** A boolean flag whose default may be true. */
const enabled = (flags: readonly GivenFlag[], name: string) => lastValue(flags, name) !== "false";
const count = (flags: readonly GivenFlag[], name: string) => BigInt(lastValue(flags, name) ?? 0);

function times(flags: readonly GivenFlag[], nowMs: number) {
  const parse = (name: "since" | "until") => {
    const text = lastValue(flags, name) ?? "";
    if (text === "" || (name === "until" && isSet(flags, "follow"))) return undefined;
    try {
      return parseTime(text, nowMs);
    } catch (error) {
      throw new UsageError(`failed to parse the ${name} time: ${(error as Error).message}`);
    }
  };
  const since = parse("since");
  const until = parse("until");
  return { ...(since && { since }), ...(until && { until }) };
}

function checkSelectors(flags: readonly GivenFlag[]): void {
  const first = count(flags, "first") > 0n;
  const last = count(flags, "last") > 0n;
  const refuse = (a: string, b: string) => new UsageError(`cannot set both --${a} and --${b}`);
  if (first && last) throw refuse("first", "last");
  if (first && isSet(flags, "all")) throw refuse("first", "all");
  if (first && isSet(flags, "follow")) throw refuse("first", "follow");
  if (last && isSet(flags, "all")) throw refuse("last", "all");
}

/** Without any selector the last 20 flows; 0, which is all of them, with a time, when following and from a file. */
function requestedNumber(flags: readonly GivenFlag[], bounded: boolean): bigint {
  const first = count(flags, "first");
  if (first > 0n) return first;
  const last = count(flags, "last");
  if (bounded) return last;
  if (isSet(flags, "all")) return ALL;
  const streamed = isSet(flags, "follow") || (lastValue(flags, "input-file") ?? "") !== "";
  return last === 0n && !streamed ? DEFAULT_LAST : last;
}

/** The fields to ask for; none is all of them. Throws on a mask for a format that shows what it shows. */
function fieldMask(flags: readonly GivenFlag[], format: OutputFormat): readonly string[] {
  const own = flags.filter(({ name }) => name === "field-mask").flatMap(({ value }) => csvFields(value));
  if (format === "json") return own;
  const output = lastValue(flags, "output") ?? "compact";
  if (own.length > 0) throw new UsageError(`${output} output format is not compatible with custom field mask`);
  return enabled(flags, "use-default-field-masks") ? SHOWN_FIELDS : [];
}

/** The format of `--output`. Throws UsageError on one that does not exist or does not follow. */
export function requestedFormat(flags: readonly GivenFlag[], { env }: ObserveEnvironment): OutputFormat {
  const output = lastValue(flags, "output") ?? "compact";
  const legacy = (env["HUBBLE_COMPAT"] ?? "").toLowerCase().split(",").includes("legacy-json-output");
  const format = outputFormatOf(output, legacy);
  if (!format) throw new UsageError(`invalid output format: ${output}`);
  if (format === "table" && isSet(flags, "follow"))
    throw new UsageError("table output format is not compatible with follow mode");
  return format;
}

/** How the flags want flows and events printed. */
export function printOptions(
  flags: readonly GivenFlag[],
  { env, terminal }: ObserveEnvironment,
  debug: boolean,
): PrintOptions {
  const color = (lastValue(flags, "color") ?? "auto").toLowerCase();
  const automatic = terminal && !env["NO_COLOR"] && env["TERM"] !== "dumb";
  return {
    palette: color === "always" || (color !== "never" && automatic) ? COLORED : PLAIN,
    timeFormat: timeFormatOf(lastValue(flags, "time-format") ?? "StampMilli"),
    nodeName: isSet(flags, "print-node-name"),
    policyNames: isSet(flags, "print-policy-names"),
    numeric: isSet(flags, "numeric") || !enabled(flags, "ip-translation"),
    debug,
  };
}

/** What the flags ask a server for. Throws UsageError or CommandError. */
export function flowsRequest(
  flags: readonly GivenFlag[],
  filters: FlowFilters,
  settings: Settings,
  environment: ObserveEnvironment,
): { readonly request: GetFlowsRequest; readonly format: OutputFormat } {
  filters.checkComplete();
  const format = requestedFormat(flags, environment);
  const mask = fieldMask(flags, format);
  checkSelectors(flags);
  const bounds = times(flags, environment.nowMs);
  const { whitelist, blacklist } = filters.finish();
  whitelist.push(...parseRawFilters("allowlist", settings.list("allowlist")));
  blacklist.push(...parseRawFilters("denylist", settings.list("denylist")));
  checkFieldMask(mask);
  const request = create(GetFlowsRequestSchema, {
    number: requestedNumber(flags, Object.keys(bounds).length > 0),
    first: count(flags, "first") > 0n,
    follow: isSet(flags, "follow"),
    whitelist,
    blacklist,
    ...bounds,
    ...(mask.length > 0 && { fieldMask: { paths: [...mask] } }),
  });
  return { request, format };
}

/** What the flags ask for of a server's events; `--first` is not for them. */
export function eventsRequest(flags: readonly GivenFlag[], nowMs: number): GetAgentEventsRequest {
  const bounds = times(flags, nowMs);
  const last = count(flags, "last");
  const bounded = Object.keys(bounds).length > 0;
  const fallback = last === 0n ? DEFAULT_LAST : last;
  const number = bounded ? last : isSet(flags, "all") ? ALL : fallback;
  return create(GetAgentEventsRequestSchema, { number, follow: isSet(flags, "follow"), ...bounds });
}
