import type { Flow, FlowFilter, TCPFlags } from "../../../proto/gen/flow_pb.js";
import { TCP_FLAG_ORDER } from "../decode/packet.ts";
import { anyOf, FilterError, type FlowTest } from "./flow-test.ts";

const layer4 = (name: string) => (flow: Flow) => flow.l4?.protocol.case === name;
const layer7 = (name: string) => (flow: Flow) => flow.l7?.record.case === name;

const PROTOCOLS: Readonly<Record<string, FlowTest>> = {
  icmp: (flow) => flow.l4?.protocol.case === "ICMPv4" || flow.l4?.protocol.case === "ICMPv6",
  icmpv4: layer4("ICMPv4"),
  icmpv6: layer4("ICMPv6"),
  tcp: layer4("TCP"),
  udp: layer4("UDP"),
  sctp: layer4("SCTP"),
  vrrp: layer4("VRRP"),
  igmp: layer4("IGMP"),
  dns: layer7("dns"),
  http: layer7("http"),
  kafka: layer7("kafka"),
};

function protocolTest(name: string): FlowTest {
  const test = PROTOCOLS[name.toLowerCase()];
  if (!test) throw new FilterError(`unknown protocol: ${JSON.stringify(name)}`);
  return test;
}

function portNumber(field: string, text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65535)
    throw new FilterError(`${field}: invalid port: ${JSON.stringify(text)}`);
  return Number(text);
}

function portOf(flow: Flow, side: "sourcePort" | "destinationPort"): number | undefined {
  const protocol = flow.l4?.protocol;
  if (protocol?.case !== "TCP" && protocol?.case !== "UDP" && protocol?.case !== "SCTP") return undefined;
  return protocol.value[side];
}

function flagsMatch(wanted: TCPFlags, flow: Flow): boolean {
  if (flow.l4?.protocol.case !== "TCP") return false;
  const flags = flow.l4.protocol.value.flags;
  return TCP_FLAG_ORDER.every((flag) => !wanted[flag] || flags?.[flag] === true);
}

/** protocol, source_port, destination_port, tcp_flags. */
export function portTests(filter: FlowFilter): FlowTest[] {
  const source = filter.sourcePort.map((text) => portNumber("source_port", text));
  const destination = filter.destinationPort.map((text) => portNumber("destination_port", text));
  return [
    ...anyOf(filter.protocol.map(protocolTest), (test, flow) => test(flow)),
    ...anyOf(source, (port, flow) => portOf(flow, "sourcePort") === port),
    ...anyOf(destination, (port, flow) => portOf(flow, "destinationPort") === port),
    ...anyOf(filter.tcpFlags, flagsMatch),
  ];
}
