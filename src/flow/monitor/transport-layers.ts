import { ipv4Text } from "../decode/address.ts";
import { icmpv4Name, icmpv6Name } from "../decode/icmp.ts";
import { type Field, type Layer, type LayerDecoder, LayerFault, type LayerName, listText, viewOf } from "./layer.ts";
import { portText } from "./port-name.ts";
import { tcpOptions } from "./tcp-options.ts";

const ICMPV4_BYTES = 8;
const ICMPV6_BYTES = 4;
const UDP_BYTES = 8;
const TCP_BYTES = 20;
const SCTP_BYTES = 12;
const IGMP_BYTES = 8;
/** In the order of a TCP header's fields, and the bit of each. */
const TCP_FLAGS = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR", "NS"] as const;
/** What a connection's text has of them, in its order. */
const SAID_FLAGS = ["SYN", "ACK", "RST", "FIN"] as const;

const IGMP_TYPES: Readonly<Record<number, string>> = {
  ...{ 17: "IGMP Membership Query", 18: "IGMPv1 Membership Report", 22: "IGMPv2 Membership Report" },
  ...{ 23: "Leave Group", 34: "IGMPv3 Membership Report" },
};
const VRRP_AUTHENTICATIONS: Readonly<Record<number, string>> = { 0: "No Authentication", 1: "Reserved", 2: "Reserved" };
const NOTHING = new Uint8Array();

function portFields(protocol: "tcp" | "udp" | "sctp", data: Uint8Array) {
  const view = viewOf(data);
  const ports = [view.getUint16(0), view.getUint16(2)] as const;
  const fields: readonly Field[] = [
    ["SrcPort", portText(protocol, ports[0])],
    ["DstPort", portText(protocol, ports[1])],
  ];
  return { view, fields, ends: [String(ports[0]), String(ports[1])] as const };
}

function split(name: LayerName, data: Uint8Array, at: number): Pick<Layer, "name" | "contents" | "payload"> {
  return { name, contents: data.subarray(0, at), payload: data.subarray(at) };
}

export const tcpLayer: LayerDecoder = (data) => {
  if (data.length < TCP_BYTES)
    throw new LayerFault(`Invalid TCP header. Length ${data.length} less than ${TCP_BYTES}`, true);
  const { view, fields, ends } = portFields("tcp", data);
  const words = data[12]! >> 4;
  if (words < 5) throw new LayerFault(`Invalid TCP data offset ${words} < 5`);
  if (words * 4 > data.length) throw new LayerFault("TCP data offset greater than packet length", true);
  const { options, padding, isMultipath } = tcpOptions(data.subarray(TCP_BYTES, words * 4));
  const bits = view.getUint16(12);
  const isSet = (flag: (typeof TCP_FLAGS)[number]) => (bits & (1 << TCP_FLAGS.indexOf(flag))) !== 0;
  return {
    ...split("TCP", data, words * 4),
    ends,
    says: SAID_FLAGS.filter(isSet).join(", "),
    fields: [
      ...fields,
      ["Seq", view.getUint32(4)],
      ["Ack", view.getUint32(8)],
      ["DataOffset", words],
      ...TCP_FLAGS.map((flag): Field => [flag, isSet(flag)]),
      ["Window", view.getUint16(14)],
      ["Checksum", view.getUint16(16)],
      ["Urgent", view.getUint16(18)],
      ["Options", listText(options)],
      ["Padding", listText(padding)],
      ["Multipath", isMultipath],
    ],
  };
};

export const udpLayer: LayerDecoder = (data, truncated) => {
  if (data.length < UDP_BYTES)
    throw new LayerFault(`Invalid UDP header. Length ${data.length} less than ${UDP_BYTES}`, true);
  const { view, fields, ends } = portFields("udp", data);
  const length = view.getUint16(4);
  if (length > 0 && length < UDP_BYTES) throw new LayerFault(`UDP packet too small: ${length} bytes`);
  if (length > data.length) truncated();
  const own: readonly Field[] = [
    ["Length", length],
    ["Checksum", view.getUint16(6)],
  ];
  // no length: a jumbogram, which goes to the end
  return { ...split("UDP", data.subarray(0, length || data.length), UDP_BYTES), ends, fields: [...fields, ...own] };
};

export const sctpLayer: LayerDecoder = (data) => {
  if (data.length < SCTP_BYTES) throw new LayerFault("Invalid SCTP common header length");
  const { view, fields, ends } = portFields("sctp", data);
  const own: readonly Field[] = [
    ["VerificationTag", view.getUint32(4)],
    ["Checksum", view.getUint32(8)],
  ];
  return { ...split("SCTP", data, SCTP_BYTES), ends, fields: [...fields, ...own] };
};

export const icmpv4Layer: LayerDecoder = (data) => {
  if (data.length < ICMPV4_BYTES) throw new LayerFault("ICMP layer less then 8 bytes for ICMPv4 packet", true);
  const view = viewOf(data);
  const says = icmpv4Name(data[0]!, data[1]!);
  const fields: readonly Field[] = [
    ["TypeCode", says],
    ["Checksum", view.getUint16(2)],
    ["Id", view.getUint16(4)],
    ["Seq", view.getUint16(6)],
  ];
  return { ...split("ICMPv4", data, ICMPV4_BYTES), says, fields };
};

export const icmpv6Layer: LayerDecoder = (data) => {
  if (data.length < ICMPV6_BYTES) throw new LayerFault("ICMP layer less then 4 bytes for ICMPv6 packet", true);
  const says = icmpv6Name(data[0]!, data[1]!);
  const fields: readonly Field[] = [
    ["TypeCode", says],
    ["Checksum", viewOf(data).getUint16(2)],
    ["TypeBytes", "[]"],
  ];
  return { ...split("ICMPv6", data, ICMPV6_BYTES), says, fields };
};

/** Of a byte of tenths of a second, or from 128 on of a mantissa and an exponent, as RFC 3376 has it and one byte holds it. */
function igmpTime(code: number): string {
  const tenths = code < 0x80 ? code : ((((code >> 4) & 7) | 0x10) << ((code & 0xf) + 3)) & 0xff;
  return tenths === 0 || tenths >= 10 ? `${tenths / 10}s` : `${tenths}00ms`;
}

export const igmpLayer: LayerDecoder = (data) => {
  if (data.length < IGMP_BYTES) throw new LayerFault("IGMP Packet too small");
  const [type, group] = [IGMP_TYPES[data[0]!] ?? "", ipv4Text(data, 4)];
  const fields: readonly Field[] = [
    ["Type", type],
    ["MaxResponseTime", igmpTime(data[1]!)],
    ["Checksum", viewOf(data).getUint16(2)],
    ["GroupAddress", group],
    ["Version", 0],
  ];
  return { name: "IGMP", contents: NOTHING, payload: NOTHING, says: `${type} ${group}`, fields };
};

export const vrrpLayer: LayerDecoder = (data) => {
  const [first = 0, router = 0, priority = 0, count = 0, authentication = 0, interval = 0] = data;
  if ((first & 0xf) !== 1) throw new LayerFault("Unrecognized VRRPv2 type field.");
  if (count < 1) throw new LayerFault("VRRPv2 number of IP addresses is not valid.");
  const end = 8 + 4 * count;
  if (end > data.length)
    throw new LayerFault(`panic: runtime error: slice bounds out of range [:${end}] with capacity ${data.length}`);
  const fields: readonly Field[] = [
    ["Version", first >> 4],
    ["Type", "VRRPv2 Advertisement"],
    ["VirtualRtrID", router],
    ["Priority", priority],
    ["CountIPAddr", count],
    ["AuthType", VRRP_AUTHENTICATIONS[authentication] ?? ""],
    ["AdverInt", interval],
    ["Checksum", viewOf(data).getUint16(6)],
    ["IPAddress", listText(Array.from({ length: count }, (_, at) => ipv4Text(data, 8 + 4 * at)))],
  ];
  const says = `VRRPv2 Advertisement ${router} ${priority}`;
  return { name: "VRRP", contents: data, payload: NOTHING, says, fields };
};
