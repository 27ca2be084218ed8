import { create, fromJsonString } from "@bufbuild/protobuf";
import {
  type FlowFilter,
  FlowFilterSchema,
  HTTPHeaderSchema,
  NetworkInterfaceSchema,
} from "../../../proto/gen/flow_pb.js";
import { allValues, type GivenFlag, UsageError } from "../cobra/flags.ts";
import { CommandError } from "../cobra/run.ts";
import {
  directionValue,
  dropReasonValue,
  eventTypeValue,
  httpHeaderValue,
  identityValue,
  ipVersionValue,
  tcpFlagsValue,
  verdictValue,
  workloadValue,
} from "./filter-values.ts";
import { FILTER_FLAGS } from "./flags.ts";
import { FilterSides } from "./sides.ts";

type Write = (sides: FilterSides, value: string) => void;

/** A flag whose meaning does not depend on the end. */
function plain(write: (filter: FlowFilter, value: string) => void): Write {
  return (sides, value) => sides.both((filter) => write(filter, value));
}

/** `--x`, `--from-x` and `--to-x` over a pair of fields. */
function ends<T>(
  name: string,
  parse: (value: string) => T,
  source: (filter: FlowFilter) => T[],
  destination: (filter: FlowFilter) => T[],
): [string, Write][] {
  const either: Write = (sides, text) => {
    const value = parse(text);
    sides.eitherEnd(
      (filter) => source(filter).push(value),
      (filter) => destination(filter).push(value),
    );
  };
  return [
    [name, either],
    [`from-${name}`, plain((filter, text) => source(filter).push(parse(text)))],
    [`to-${name}`, plain((filter, text) => destination(filter).push(parse(text)))],
  ];
}

const text = (value: string) => value;

const WRITERS: ReadonlyMap<string, Write> = new Map<string, Write>([
  ["uuid", plain((filter, value) => filter.uuid.push(value))],
  ["node-name", plain((filter, value) => filter.nodeName.push(value))],
  ["node-label", plain((filter, value) => filter.nodeLabels.push(value))],
  ["protocol", plain((filter, value) => filter.protocol.push(value))],
  ["tcp-flags", plain((filter, value) => filter.tcpFlags.push(tcpFlagsValue(value)))],
  ["type", plain((filter, value) => filter.eventType.push(eventTypeValue(value)))],
  ["verdict", plain((filter, value) => filter.verdict.push(verdictValue(value)))],
  ["drop-reason-desc", plain((filter, value) => filter.dropReasonDesc.push(dropReasonValue(value)))],
  ["http-status", plain((filter, value) => filter.httpStatusCode.push(value))],
  ["http-method", plain((filter, value) => filter.httpMethod.push(value))],
  ["http-path", plain((filter, value) => filter.httpPath.push(value))],
  ["http-url", plain((filter, value) => filter.httpUrl.push(value))],
  ["http-header", plain((filter, value) => filter.httpHeader.push(create(HTTPHeaderSchema, httpHeaderValue(value))))],
  ["trace-id", plain((filter, value) => filter.traceId.push(value))],
  ["snat-ip", plain((filter, value) => filter.sourceIpXlated.push(value))],
  ["ipv4", plain((filter) => filter.ipVersion.push(ipVersionValue("v4")))],
  ["ipv6", plain((filter) => filter.ipVersion.push(ipVersionValue("v6")))],
  ["ip-version", plain((filter, value) => filter.ipVersion.push(ipVersionValue(value)))],
  ["traffic-direction", plain((filter, value) => filter.trafficDirection.push(directionValue(value)))],
  ["interface", plain((filter, name) => filter.interface.push(create(NetworkInterfaceSchema, { name })))],
  ["encrypted", plain((filter) => filter.encrypted.push(true))],
  ["unencrypted", plain((filter) => filter.encrypted.push(false))],
  ...ends(
    "cluster",
    text,
    (f) => f.sourceClusterName,
    (f) => f.destinationClusterName,
  ),
  ...ends(
    "fqdn",
    text,
    (f) => f.sourceFqdn,
    (f) => f.destinationFqdn,
  ),
  ...ends(
    "ip",
    text,
    (f) => f.sourceIp,
    (f) => f.destinationIp,
  ),
  ...ends(
    "pod",
    text,
    (f) => f.sourcePod,
    (f) => f.destinationPod,
  ),
  ...ends(
    "label",
    text,
    (f) => f.sourceLabel,
    (f) => f.destinationLabel,
  ),
  ...ends(
    "service",
    text,
    (f) => f.sourceService,
    (f) => f.destinationService,
  ),
  ...ends(
    "port",
    text,
    (f) => f.sourcePort,
    (f) => f.destinationPort,
  ),
  ...ends(
    "workload",
    workloadValue,
    (f) => f.sourceWorkload,
    (f) => f.destinationWorkload,
  ),
  ...ends(
    "identity",
    identityValue,
    (f) => f.sourceIdentity,
    (f) => f.destinationIdentity,
  ),
  ["namespace", (sides, value) => sides.namespace("either", value)],
  ["from-namespace", (sides, value) => sides.namespace("from", value)],
  ["to-namespace", (sides, value) => sides.namespace("to", value)],
  ["all-namespaces", (sides) => sides.namespace("either", "")],
  ["from-all-namespaces", (sides) => sides.namespace("from", "")],
  ["to-all-namespaces", (sides) => sides.namespace("to", "")],
]);

/** Every pair of a group, without a filter and itself. */
const pairs = (group: readonly string[]): [string, string][] =>
  group.flatMap((a, i) => group.slice(i + 1).map((b): [string, string] => [a, b]));

/** Filters that contradict each other within one list. */
const EXCLUSIONS: readonly (readonly [string, string])[] = ["from-", "to-"].flatMap((side) => [
  ...pairs(["fqdn", "ip", "namespace", "all-namespaces"].flatMap((name) => [name, `${side}${name}`])),
  ...pairs(["fqdn", "ip", "pod"].flatMap((name) => [name, `${side}${name}`])),
  ...["cluster", "label", "service", "port", "workload", "identity"].map((name): [string, string] => [
    name,
    `${side}${name}`,
  ]),
  ...["pod", "service"].flatMap((name) =>
    ["namespace", "all-namespaces"].map((namespace): [string, string] => [`${side}${name}`, namespace]),
  ),
  ["encrypted", "unencrypted"],
]);

function checkExclusions(names: ReadonlySet<string>): void {
  for (const [a, b] of EXCLUSIONS) {
    if (names.has(a) && names.has(b)) throw new UsageError(`filters --${a} and --${b} cannot be combined`);
  }
}

/** JSON objects, several perhaps one after the other in one value. */
function rawFilters(flag: string, values: readonly string[]): FlowFilter[] {
  return values.flatMap(splitObjects).map((json) => {
    try {
      return fromJsonString(FlowFilterSchema, json);
    } catch (error) {
      throw new CommandError(`failed to decode --${flag} ${json}: ${error instanceof Error ? error.message : error}`);
    }
  });
}

function splitObjects(value: string): string[] {
  const objects: string[] = [];
  let depth = 0;
  let start = 0;
  let quoted = false;
  for (let i = 0; i < value.length; i++) {
    const character = value[i];
    if (quoted && character === "\\") i++;
    else if (character === '"') quoted = !quoted;
    else if (!quoted && character === "{") depth++;
    else if (!quoted && character === "}" && --depth === 0) {
      objects.push(value.slice(start, i + 1).trim());
      start = i + 1;
    }
  }
  const rest = value.slice(start).trim();
  return rest === "" ? objects : [...objects, rest];
}

/** What the flags ask for. Throws UsageError on filters that contradict each other or do not parse. */
export function buildFilters(
  flags: readonly GivenFlag[],
  env: Readonly<Record<string, string | undefined>>,
): { readonly whitelist: FlowFilter[]; readonly blacklist: FlowFilter[] } {
  const lists = { white: new FilterSides(), black: new FilterSides() };
  const names = { white: new Set<string>(), black: new Set<string>() };
  const known = new Set(FILTER_FLAGS.map(({ name }) => name));
  let negated = false;
  for (const { name, value } of flags) {
    if (!known.has(name)) continue;
    if (name === "not") {
      if (negated) throw new UsageError("consecutive --not flags are unsupported");
      negated = true;
      continue;
    }
    const write = value === "false" ? undefined : WRITERS.get(name);
    const list = negated ? "black" : "white";
    if (write) {
      names[list].add(name);
      checkExclusions(names[list]);
      write(lists[list], value);
    }
    negated = false;
  }
  if (negated) throw new UsageError("trailing --not found in the arguments");
  const raw = (flag: string, fallback: string | undefined) => {
    const given = allValues(flags, flag);
    return rawFilters(flag, given.length > 0 || !fallback ? given : [fallback]);
  };
  return {
    whitelist: [...lists.white.finish(), ...raw("allowlist", env["HUBBLE_ALLOWLIST"])],
    blacklist: [...lists.black.finish(), ...raw("denylist", env["HUBBLE_DENYLIST"])],
  };
}
