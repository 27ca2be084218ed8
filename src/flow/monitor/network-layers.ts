import { ipv4Text, ipv6Text, macText } from "../decode/address.ts";
import {
  type Field,
  fieldsText,
  type Layer,
  type LayerDecoder,
  LayerFault,
  type LayerName,
  listText,
  viewOf,
} from "./layer.ts";

/** gopacket's names of what it knows; those of `LAYERS_OF_PROTOCOL` are dissected. */
const ETHER_TYPES: Readonly<Record<number, string>> = {
  ...{ 0: "LLC", 418: "NortelDiscovery", 1810: "MDP", 2048: "IPv4", 2054: "ARP" },
  ...{ 8192: "CiscoDiscovery", 25944: "TransparentEthernetBridging", 33024: "Dot1Q", 34525: "IPv6" },
  ...{ 34827: "PPP", 34887: "MPLSUnicast", 34888: "MPLSMulticast", 34915: "PPPoEDiscovery" },
  ...{ 34916: "PPPoESession", 34958: "EAPOL", 34984: "Dot1Q", 35006: "ERSPAN Type II" },
  ...{ 35020: "LinkLayerDiscovery", 36864: "EthernetCTP", 65535: "Raw" },
};
const LAYERS_OF_ETHER_TYPE: Readonly<Record<number, LayerName>> = {
  ...{ 2048: "IPv4", 65535: "IPv4", 34525: "IPv6", 25944: "Ethernet" },
};
const PROTOCOLS: Readonly<Record<number, string>> = {
  ...{ 0: "IPv6HopByHop", 1: "ICMPv4", 2: "IGMP", 4: "IPv4", 6: "TCP", 17: "UDP", 27: "RUDP", 41: "IPv6" },
  ...{ 43: "IPv6Routing", 44: "IPv6Fragment", 47: "GRE", 50: "IPSecESP", 51: "IPSecAH", 58: "ICMPv6" },
  ...{ 59: "NoNextHeader", 60: "IPv6Destination", 89: "OSPF", 94: "IPv4", 97: "EtherIP", 112: "VRRP" },
  ...{ 132: "SCTP", 136: "UDPLite", 137: "MPLS" },
};
const LAYERS_OF_PROTOCOL: Readonly<Record<number, LayerName>> = {
  ...{ 1: "ICMPv4", 2: "IGMP", 4: "IPv4", 6: "TCP", 17: "UDP", 41: "IPv6", 58: "ICMPv6", 94: "IPv4" },
  ...{ 112: "VRRP", 132: "SCTP" },
};
const HOP_BY_HOP = 0;
const JUMBO_OPTION = 0xc2;
const MOST_PAYLOAD = 65535;
const ETHERNET_BYTES = 14;
/** Smaller ones are lengths, of a frame with an LLC header. */
const FIRST_ETHER_TYPE = 0x600;
const IPV4_BYTES = 20;
const IPV6_BYTES = 40;

const protocolText = (protocol: number): string => PROTOCOLS[protocol] ?? "UnknownIPProtocol";

export const ethernetLayer: LayerDecoder = (data, truncated) => {
  if (data.length < ETHERNET_BYTES) throw new LayerFault("Ethernet packet too small");
  const given = viewOf(data).getUint16(12);
  const length = given < FIRST_ETHER_TYPE ? given : 0;
  const type = given < FIRST_ETHER_TYPE ? 0 : given;
  const rest = data.subarray(ETHERNET_BYTES);
  if (given < FIRST_ETHER_TYPE && rest.length < length) truncated();
  const [source, destination] = [macText(data, 6), macText(data, 0)];
  const typeText = ETHER_TYPES[type] ?? "UnknownEthernetType";
  return {
    name: "Ethernet",
    contents: data.subarray(0, ETHERNET_BYTES),
    payload: given < FIRST_ETHER_TYPE ? rest.subarray(0, length) : rest,
    next: LAYERS_OF_ETHER_TYPE[type],
    ends: [source, destination],
    says: typeText,
    fields: [
      ["SrcMAC", source],
      ["DstMAC", destination],
      ["EthernetType", typeText],
      ["Length", length],
    ],
  };
};

function ipv4Options(data: Uint8Array): { readonly options: readonly string[]; readonly padding: Uint8Array } {
  const options: string[] = [];
  let left = data;
  while (left.length > 0) {
    const type = left[0]!;
    const length = type <= 1 ? 1 : left[1];
    if (length === undefined) throw new LayerFault("Invalid ip4 option length. Length 1 less than 2", true);
    if (left.length < length)
      throw new LayerFault(
        `IP option length exceeds remaining IP header size, option type ${type} length ${length}`,
        true,
      );
    if (type > 1 && length <= 2)
      throw new LayerFault(`Invalid IP option type ${type} length ${length}. Must be greater than 2`);
    options.push(`IPv4Option(${type}:[${[...left.subarray(2, Math.max(2, length))].join(" ")}])`);
    left = left.subarray(length);
    if (type === 0) return { options, padding: left };
  }
  return { options, padding: left };
}

export const ipv4Layer: LayerDecoder = (whole, truncated) => {
  if (whole.length < IPV4_BYTES)
    throw new LayerFault(`Invalid ip4 header. Length ${whole.length} less than ${IPV4_BYTES}`, true);
  const view = viewOf(whole);
  const length = view.getUint16(2) || whole.length & 0xffff;
  const words = whole[0]! & 0xf;
  if (length < IPV4_BYTES) throw new LayerFault(`Invalid (too small) IP length (${length} < ${IPV4_BYTES})`);
  if (words < 5) throw new LayerFault(`Invalid (too small) IP header length (${words} < 5)`);
  if (words * 4 > length) throw new LayerFault(`Invalid IP header length > IP length (${words} > ${length})`);
  if (whole.length < length) truncated();
  const data = whole.subarray(0, length);
  if (words * 4 > data.length) throw new LayerFault("Not all IP header bytes available", true);
  const { options, padding } = ipv4Options(data.subarray(IPV4_BYTES, words * 4));
  const fragment = view.getUint16(6);
  const flags = ["Evil", "DF", "MF"].filter((_, at) => (fragment & (0x8000 >> at)) !== 0);
  const [source, destination] = [ipv4Text(data, 12), ipv4Text(data, 16)];
  // a fragment is not looked into, not even the first
  const isFragment = (fragment & 0x3fff) !== 0;
  return {
    name: "IPv4",
    contents: data.subarray(0, words * 4),
    payload: data.subarray(words * 4),
    next: isFragment ? undefined : LAYERS_OF_PROTOCOL[data[9]!],
    ends: [source, destination],
    fields: [
      ["Version", data[0]! >> 4],
      ["IHL", words],
      ["TOS", data[1]!],
      ["Length", length],
      ["Id", view.getUint16(4)],
      ["Flags", flags.join("|")],
      ["FragOffset", fragment & 0x1fff],
      ["TTL", data[8]!],
      ["Protocol", protocolText(data[9]!)],
      ["Checksum", view.getUint16(10)],
      ["SrcIP", source],
      ["DstIP", destination],
      ["Options", listText(options)],
      ["Padding", listText(padding)],
    ],
  };
};

interface HopOption {
  readonly type: number;
  readonly length: number;
  readonly size: number;
  readonly data: Uint8Array;
}

function hopOption(data: Uint8Array): HopOption {
  const [type, length] = data;
  if (type === undefined || length === undefined) throw new LayerFault("IPv6 header option too small", true);
  if (type === 0) return { type, length: 0, size: 1, data: data.subarray(0, 0) };
  if (data.length < length + 2) throw new LayerFault("IPv6 header TLV option too small", true);
  return { type, length, size: length + 2, data: data.subarray(2, length + 2) };
}

/** The hop-by-hop header, which gopacket takes as a part of IPv6. */
function hopByHop(data: Uint8Array) {
  const [next, words] = data;
  if (next === undefined || words === undefined)
    throw new LayerFault(`Invalid ip6-extension header. Length ${data.length} less than 2`, true);
  const size = words * 8 + 8;
  if (data.length < size)
    throw new LayerFault(`Invalid ip6-extension header. Length ${data.length} less than specified length ${size}`);
  const options: HopOption[] = [];
  for (let at = 2; at < size; at += options.at(-1)!.size) options.push(hopOption(data.subarray(at)));
  const texts = options.map((option) =>
    fieldsText([
      ["OptionType", option.type],
      ["OptionLength", option.length],
      ["ActualLength", option.size],
      ["OptionData", listText(option.data)],
      ["OptionAlignment", "[0 0]"],
    ]),
  );
  const text = fieldsText([
    ["Contents", listText(data.subarray(0, size))],
    ["Payload", listText(data.subarray(size))],
    ["NextHeader", protocolText(next)],
    ["HeaderLength", words],
    ["ActualLength", size],
    ["Options", listText(texts)],
  ]);
  // gopacket begins a struct within a struct with a space where that begins with one again
  return { next, size, text: text.replace("{", "{ "), jumbo: options.find(({ type }) => type === JUMBO_OPTION) };
}

/** Bytes of a jumbogram after IPv6's header; undefined = it is none. */
function jumboLength(option: HopOption | undefined): number | undefined {
  if (option === undefined) return undefined;
  if (option.data.length !== 4) throw new LayerFault("Jumbo length TLV data must have length 4");
  const length = viewOf(option.data).getUint32(0);
  if (length <= MOST_PAYLOAD) throw new LayerFault(`Jumbo length cannot be less than ${MOST_PAYLOAD + 1}`);
  return length;
}

export const ipv6Layer: LayerDecoder = (data, truncated) => {
  if (data.length < IPV6_BYTES)
    throw new LayerFault(`Invalid ip6 header. Length ${data.length} less than ${IPV6_BYTES}`, true);
  const view = viewOf(data);
  const [length, nextHeader] = [view.getUint16(4), data[6]!];
  let payload = data.subarray(IPV6_BYTES);
  const hop = nextHeader === HOP_BY_HOP ? hopByHop(payload) : undefined;
  const jumbo = jumboLength(hop?.jumbo);
  if (jumbo !== undefined && length !== 0) throw new LayerFault("IPv6 has jumbo length and IPv6 length is not 0");
  if (hop && jumbo === undefined && length === 0)
    throw new LayerFault("IPv6 length 0, but HopByHop header does not have jumbogram option");
  if (hop && jumbo === undefined) payload = payload.subarray(hop.size);
  if (!hop && length === 0)
    throw new LayerFault(`IPv6 length 0, but next header is ${protocolText(nextHeader)}, not HopByHop`);
  const end = jumbo ?? length;
  if (end > payload.length) truncated();
  const [source, destination] = [ipv6Text(data, 8), ipv6Text(data, 24)];
  const fields: readonly Field[] = [
    ["Version", data[0]! >> 4],
    ["TrafficClass", (view.getUint16(0) >> 4) & 0xff],
    ["FlowLabel", view.getUint32(0) & 0xfffff],
    ["Length", length],
    ["NextHeader", protocolText(nextHeader)],
    ["HopLimit", data[7]!],
    ["SrcIP", source],
    ["DstIP", destination],
    ["HopByHop", hop?.text ?? "nil"],
  ];
  const layer: Omit<Layer, "fields"> = {
    name: "IPv6",
    contents: data.subarray(0, IPV6_BYTES),
    payload: payload.subarray(0, end),
    next: LAYERS_OF_PROTOCOL[hop?.next ?? nextHeader],
    ends: [source, destination],
  };
  return { ...layer, fields };
};
