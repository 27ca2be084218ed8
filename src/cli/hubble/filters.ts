import { create, equals } from "@bufbuild/protobuf";
import {
  type FlowFilter,
  FlowFilter_ExperimentalSchema,
  FlowFilterSchema,
  NetworkInterfaceSchema,
} from "../../../proto/gen/flow_pb.js";
import { UsageError } from "../cobra/flags.ts";
import {
  directionValue,
  dropReasonValue,
  eventTypeValue,
  httpHeaderValue,
  identityValue,
  ipTraceIdValue,
  ipVersionValue,
  tcpFlagsValue,
  verdictValue,
  workloadValue,
} from "./filter-values.ts";
import { checkNamespaces, type Namespaces, restrict } from "./namespaces.ts";

type Write = (list: FilterList, value: string) => void;

/** A flag whose meaning does not depend on the end. */
function plain(write: (filter: FlowFilter, value: string) => void): Write {
  return (list, value) => {
    write(list.left, value);
    write(list.right, value);
  };
}

/** `--x`, `--from-x` and `--to-x` over a pair of fields. */
function ends<T>(
  name: string,
  parse: (value: string) => T,
  source: (filter: FlowFilter) => T[],
  destination: (filter: FlowFilter) => T[],
): [string, Write][] {
  const either: Write = (list, text) => {
    const value = parse(text);
    source(list.left).push(value);
    destination(list.right).push(value);
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
  ["http-header", plain((filter, value) => filter.httpHeader.push(httpHeaderValue(value)))],
  ["trace-id", plain((filter, value) => filter.traceId.push(value))],
  ["ip-trace-id", plain((filter, value) => filter.ipTraceId.push(ipTraceIdValue(value)))],
  [
    "cel-expression",
    plain((filter, value) => {
      filter.experimental ??= create(FlowFilter_ExperimentalSchema);
      filter.experimental.celExpression.push(value);
    }),
  ],
  ["reply", plain((filter) => filter.reply.push(true))],
  ["not-reply", plain((filter) => filter.reply.push(false))],
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
  ["namespace", (list, value) => list.namespaces.either.push(value)],
  ["from-namespace", (list, value) => list.namespaces.from.push(value)],
  ["to-namespace", (list, value) => list.namespaces.to.push(value)],
  ["all-namespaces", (list) => list.namespaces.either.push("")],
  ["from-all-namespaces", (list) => list.namespaces.from.push("")],
  ["to-all-namespaces", (list) => list.namespaces.to.push("")],
]);

/** Filters of which only one may be in a list, in the order in which hubble looks for them. */
const GROUPS: readonly (readonly string[])[] = [
  ["from-fqdn", "from-ip", "ip", "fqdn", "from-namespace", "namespace", "from-all-namespaces", "all-namespaces"],
  ["from-fqdn", "from-ip", "ip", "fqdn", "from-pod", "pod"],
  ["to-fqdn", "to-ip", "ip", "fqdn", "to-namespace", "namespace", "to-all-namespaces", "all-namespaces"],
  ["to-fqdn", "to-ip", "ip", "fqdn", "to-pod", "pod"],
  ...["to-pod", "from-pod", "to-service", "from-service"].map((name) => [name, "namespace", "all-namespaces"]),
  ...["label", "service"].flatMap((name) => [
    [name, `from-${name}`],
    [name, `to-${name}`],
  ]),
  ...["port", "identity", "workload"].flatMap((name) => [
    [name, `to-${name}`],
    [name, `from-${name}`],
  ]),
  ["encrypted", "unencrypted"],
  ["reply", "not-reply"],
];

function checkExclusions(names: ReadonlySet<string>): void {
  for (const group of GROUPS) {
    const [first, second] = group.filter((name) => names.has(name));
    if (first !== undefined && second !== undefined)
      throw new UsageError(`filters --${first} and --${second} cannot be combined`);
  }
}

/**
 * One list of filters while it is built: a flow passes by the left filter or by the right one. A flag that means either
 * end writes the source's field of the left and the destination's of the right; every other flag writes both.
 */
class FilterList {
  readonly left = create(FlowFilterSchema);
  readonly right = create(FlowFilterSchema);
  readonly namespaces: Namespaces = { either: [], from: [], to: [] };
  private readonly names = new Set<string>();

  add(name: string, value: string): void {
    this.names.add(name);
    checkExclusions(this.names);
    WRITERS.get(name)?.(this, value);
    checkNamespaces(this.left, this.namespaces);
    checkNamespaces(this.right, this.namespaces);
  }

  /** No filter, one, or two when the ends differ. */
  finish(): FlowFilter[] {
    if (this.names.size === 0) return [];
    const { either, from, to } = this.namespaces;
    for (const filter of [this.left, this.right]) {
      restrict(filter, "destination", to);
      restrict(filter, "source", from);
    }
    restrict(this.left, "source", either);
    restrict(this.right, "destination", either);
    return equals(FlowFilterSchema, this.left, this.right) ? [this.left] : [this.left, this.right];
  }
}

/** The filters that flags ask for, taken one after the other: `--not` sends the next one to the blacklist. */
export class FlowFilters {
  private readonly white = new FilterList();
  private readonly black = new FilterList();
  private negated = false;

  /** Throws UsageError on a value that is none, and on filters that contradict each other. */
  add(name: string, value: string): void {
    if (name === "not") {
      if (this.negated) throw new UsageError("consecutive --not statements");
      this.negated = true;
      return;
    }
    const list = this.negated ? this.black : this.white;
    this.negated = false;
    list.add(name, value);
  }

  /** Throws UsageError when a `--not` had nothing to turn around. */
  checkComplete(): void {
    if (this.negated) throw new UsageError("trailing --not found in the arguments");
  }

  finish(): { readonly whitelist: FlowFilter[]; readonly blacklist: FlowFilter[] } {
    return { whitelist: this.white.finish(), blacklist: this.black.finish() };
  }
}
