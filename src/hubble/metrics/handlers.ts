import { DropReason, type Flow, IPVersion, SCTPChunkType, Verdict } from "../../../proto/gen/flow_pb.js";
import { icmpv4Name, icmpv6Name } from "../../flow/decode/icmp.ts";
import { EventType } from "../../flow/index.ts";
import { enumName, MATCH_TYPE_NAMES, TRACE_POINT_NAMES } from "../../flow/print/names.ts";
import { ReservedIdentity } from "../../model/addresses.ts";
import type { Handler, HandlerContext } from "./handler.ts";
import { directionName, layer7Name, protocolName, RCODE_NAMES } from "./names.ts";

const isCarried = ({ verdict }: Flow) => verdict === Verdict.FORWARDED || verdict === Verdict.REDIRECTED;
const verdictName = ({ verdict }: Flow) => enumName(Verdict, verdict);

/** `hubble_flows_processed_total` */
export function flowHandler({ registry, labels }: HandlerContext): Handler {
  const flows = registry.counter({
    name: "hubble_flows_processed_total",
    help: "Total number of flows processed",
    labels: ["protocol", "type", "subtype", "verdict", ...labels.names],
  });
  const kind = (flow: Flow): [type: string, subtype: string] => {
    const { type = 0, subType = 0 } = flow.eventType ?? {};
    if (type === EventType.L7) return ["L7", layer7Name(flow)];
    if (type === EventType.Drop) return ["Drop", ""];
    if (type === EventType.Capture) return ["Capture", ""];
    if (type === EventType.Trace) return ["Trace", TRACE_POINT_NAMES[subType & 0xff] ?? ""];
    return type === EventType.PolicyVerdict ? ["PolicyVerdict", ""] : ["Unknown", String(type)];
  };
  return {
    families: [flows],
    process: (flow) => flows.at([protocolName(flow), ...kind(flow), verdictName(flow), ...labels.values(flow)]).inc(),
  };
}

/** `hubble_drop_total` */
export function dropHandler({ registry, labels }: HandlerContext): Handler {
  const drops = registry.counter({
    name: "hubble_drop_total",
    help: "Number of drops",
    labels: [...labels.names, "reason", "protocol"],
  });
  return {
    families: [drops],
    process(flow) {
      if (flow.verdict !== Verdict.DROPPED) return;
      drops.at([...labels.values(flow), enumName(DropReason, flow.dropReasonDesc), protocolName(flow)]).inc();
    },
  };
}

/** `hubble_tcp_flags_total` */
export function tcpHandler({ registry, labels }: HandlerContext): Handler {
  const flagsSeen = registry.counter({
    name: "hubble_tcp_flags_total",
    help: "TCP flag occurrences",
    labels: ["flag", "family", ...labels.names],
  });
  return {
    families: [flagsSeen],
    process(flow) {
      const { IP, l4 } = flow;
      if (!isCarried(flow) || IP === undefined || l4?.protocol.case !== "TCP") return;
      const { flags } = l4.protocol.value;
      if (flags === undefined || !(flags.FIN || flags.SYN || flags.RST)) return;
      const values = ["", enumName(IPVersion, IP.ipVersion), ...labels.values(flow)];
      const count = (flag: string) => {
        values[0] = flag;
        flagsSeen.at(values).inc();
      };
      if (flags.FIN) count("FIN");
      if (flags.SYN) count(flags.ACK ? "SYN-ACK" : "SYN");
      if (flags.RST) count("RST");
    },
  };
}

/** `hubble_sctp_chunk_types_total` */
export function sctpHandler({ registry, labels }: HandlerContext): Handler {
  const chunks = registry.counter({
    name: "hubble_sctp_chunk_types_total",
    help: "SCTP chunk type occurrences",
    labels: ["chunk_type", "family", ...labels.names],
  });
  return {
    families: [chunks],
    process(flow) {
      const { IP, l4 } = flow;
      if (!isCarried(flow) || IP === undefined || l4?.protocol.case !== "SCTP") return;
      const { chunkType } = l4.protocol.value;
      if (chunkType === SCTPChunkType.UNSUPPORTED) return;
      const family = enumName(IPVersion, IP.ipVersion);
      chunks.at([enumName(SCTPChunkType, chunkType), family, ...labels.values(flow)]).inc();
    },
  };
}

/** `hubble_icmp_total` */
export function icmpHandler({ registry, labels }: HandlerContext): Handler {
  const messages = registry.counter({
    name: "hubble_icmp_total",
    help: "Number of ICMP messages",
    labels: ["family", "type", ...labels.names],
  });
  return {
    families: [messages],
    process(flow) {
      const { protocol } = flow.l4 ?? {};
      if (protocol?.case !== "ICMPv4" && protocol?.case !== "ICMPv6") return;
      const { type, code } = protocol.value;
      const [family, name] = protocol.case === "ICMPv4" ? ["IPv4", icmpv4Name] : ["IPv6", icmpv6Name];
      messages
        .at([family as string, (name as typeof icmpv4Name)(type & 0xff, code & 0xff), ...labels.values(flow)])
        .inc();
    },
  };
}

/** `hubble_port_distribution_total`: what was asked for, so of answers nothing. */
export function portDistributionHandler({ registry, labels }: HandlerContext): Handler {
  const packets = registry.counter({
    name: "hubble_port_distribution_total",
    help: "Numbers of packets distributed by destination port",
    labels: ["protocol", "port", ...labels.names],
  });
  return {
    families: [packets],
    process(flow) {
      const protocol = flow.l4?.protocol;
      if (!isCarried(flow) || protocol?.case === undefined || flow.isReply !== false) return;
      packets.at([protocol.case, portOf(flow) ?? "0", ...labels.values(flow)]).inc();
    },
  };
}

/** Of protocols that have ports. */
function portOf({ l4 }: Flow): string | undefined {
  const { protocol } = l4 ?? {};
  if (protocol?.case !== "TCP" && protocol?.case !== "UDP" && protocol?.case !== "SCTP") return undefined;
  return String(protocol.value.destinationPort);
}

/** `hubble_policy_verdicts_total` */
export function policyHandler({ registry, labels }: HandlerContext): Handler {
  const verdicts = registry.counter({
    name: "hubble_policy_verdicts_total",
    help: "Total number of Cilium network policy verdicts",
    labels: ["direction", "match", "action", ...labels.names],
  });
  const match = (flow: Flow): string | undefined => {
    const type = flow.eventType?.type;
    if (type === EventType.L7) return `l7/${layer7Name(flow).toLowerCase()}`;
    // the node may reach its own pods whatever their policies say
    if (type !== EventType.PolicyVerdict || flow.source?.identity === ReservedIdentity.Host) return undefined;
    return (MATCH_TYPE_NAMES[flow.policyMatchType] ?? "unknown").toLowerCase();
  };
  return {
    families: [verdicts],
    process(flow) {
      const matched = match(flow);
      if (matched === undefined) return;
      verdicts.at([directionName(flow), matched, verdictName(flow).toLowerCase(), ...labels.values(flow)]).inc();
    },
  };
}

const WORLD = ["reserved:world", "reserved:world-ipv4", "reserved:world-ipv6"];

/** `hubble_flows_to_world_total` */
export function flowsToWorldHandler({ registry, labels, options }: HandlerContext): Handler {
  const [anyDrop, withPort, synOnly] = ["any-drop", "port", "syn-only"].map((name) => options.has(name));
  const flows = registry.counter({
    name: "hubble_flows_to_world_total",
    help: "Total number of flows to reserved:world",
    labels: ["protocol", "verdict", ...(withPort ? ["port"] : []), ...labels.names],
  });
  return {
    families: [flows],
    process(flow) {
      const { destination, eventType, l4, verdict, isReply = false } = flow;
      if (!destination?.labels.some((label) => WORLD.includes(label)) || eventType === undefined || l4 === undefined)
        return;
      const isDropped = verdict === Verdict.DROPPED;
      if (isDropped && !anyDrop && flow.dropReasonDesc !== DropReason.POLICY_DENIED) return;
      if (!isDropped && isReply) return;
      const isSyn = l4.protocol.case === "TCP" && l4.protocol.value.flags?.SYN === true;
      if (synOnly && (!isSyn || isReply)) return;
      const port = withPort ? [portOf(flow) ?? ""] : [];
      flows.at([protocolName(flow), verdictName(flow), ...port, ...labels.values(flow)]).inc();
    },
  };
}

/** `hubble_dns_queries_total`, `hubble_dns_responses_total`, `hubble_dns_response_types_total` */
export function dnsHandler({ registry, labels, options }: HandlerContext): Handler {
  const query = options.has("query") ? ["query"] : [];
  const ofName = [...labels.names, "rcode", "qtypes", "ips_returned", ...query];
  const family = (name: string, help: string, names: readonly string[]) =>
    registry.counter({ name: `hubble_dns_${name}_total`, help, labels: names });
  const queries = family("queries", "Number of DNS queries observed", ofName);
  const responses = family("responses", "Number of DNS responses observed", ofName);
  const types = family("response_types", "Number of DNS response types observed", [
    ...labels.names,
    "type",
    "qtypes",
    ...query,
  ]);
  return {
    families: [queries, responses, types],
    process(flow) {
      const record = flow.l7?.record;
      if (record?.case !== "dns") return;
      const dns = record.value;
      if (options.has("ignoreaaaa") && dns.qtypes.length === 1 && dns.qtypes[0] === "AAAA") return;
      const context = labels.values(flow);
      const qtypes = dns.qtypes.join(",");
      const asked = query.map(() => dns.query);
      const count = (counted: typeof queries, rcode: string) =>
        counted.at([...context, rcode, qtypes, String(dns.ips.length), ...asked]).inc();
      if (flow.verdict === Verdict.DROPPED) return count(queries, "Policy denied");
      if (flow.isReply !== true) return count(queries, "");
      count(responses, RCODE_NAMES[dns.rcode] ?? "");
      for (const type of dns.rrtypes) types.at([...context, type, qtypes, ...asked]).inc();
    },
  };
}
