import { icmpv4Name, icmpv6Name } from "../decode/icmp.ts";
import type { Packet } from "../decode/packet.ts";
import { protocolName } from "./names.ts";

type Field = readonly [string, string | number | boolean];

const ETHER_TYPES: Readonly<Record<number, string>> = { 2048: "IPv4", 2054: "ARP", 34525: "IPv6" };
/** Order in which a TCP header's flags are listed. */
const HEADER_FLAGS = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR", "NS"] as const;

function layer(name: string, fields: readonly Field[]): string {
  return `${name}\t{${fields.map(([key, value]) => `${key}=${value}`).join(" ")}}`;
}

function fragmentFlags(dontFragment: boolean, moreFragments: boolean): string {
  return [dontFragment ? "DF" : "", moreFragments ? "MF" : ""].filter((flag) => flag !== "").join("|");
}

function ipLayer(packet: Packet): string[] {
  const { ip } = packet;
  if (!ip) return [];
  const protocol = protocolName(ip.protocol).toUpperCase();
  const addresses: Field[] = [
    ["SrcIP", ip.source],
    ["DstIP", ip.destination],
  ];
  if (ip.version === 6)
    return [
      layer("IPv6", [
        ["Version", 6],
        ["Length", ip.length],
        ["NextHeader", protocol],
        ["HopLimit", ip.ttl],
        ...addresses,
      ]),
    ];
  const fields: Field[] = [
    ["Version", 4],
    ["Length", ip.length],
    ["Id", ip.id],
    ["Flags", fragmentFlags(ip.dontFragment, ip.moreFragments)],
    ["FragOffset", ip.fragmentOffset / 8],
    ["TTL", ip.ttl],
    ["Protocol", protocol],
    ...addresses,
  ];
  return [layer("IPv4", fields)];
}

function tcpLayer(packet: Packet): string[] {
  const { tcp } = packet;
  if (!tcp) return [];
  const fields: Field[] = [
    ["SrcPort", tcp.sourcePort],
    ["DstPort", tcp.destinationPort],
    ["Seq", tcp.sequence],
    ["Ack", tcp.acknowledgement],
    ["DataOffset", tcp.dataOffset],
    ...HEADER_FLAGS.map((flag): Field => [flag, tcp.flags.includes(flag)]),
    ["Window", tcp.window],
    ["Checksum", tcp.checksum],
    ["Urgent", tcp.urgent],
  ];
  return [layer("TCP", fields)];
}

function otherLayers(packet: Packet): string[] {
  const lines: string[] = [];
  const ports = packet.udp ?? packet.sctp;
  if (ports) {
    const fields: Field[] = [
      ["SrcPort", ports.sourcePort],
      ["DstPort", ports.destinationPort],
      ["Length", ports.length],
      ["Checksum", ports.checksum],
    ];
    lines.push(layer(packet.udp ? "UDP" : "SCTP", fields));
  }
  for (const [name, icmp, text] of [
    ["ICMPv4", packet.icmpv4, icmpv4Name],
    ["ICMPv6", packet.icmpv6, icmpv6Name],
  ] as const) {
    if (!icmp) continue;
    const fields: Field[] = [
      ["TypeCode", text(icmp.type, icmp.code)],
      ["Checksum", icmp.checksum],
      ["Id", icmp.id],
      ["Seq", icmp.sequence],
    ];
    lines.push(layer(name, fields));
  }
  return lines;
}

function arpLayer(packet: Packet): string[] {
  const { arp } = packet;
  if (!arp) return [];
  const fields: Field[] = [
    ["Operation", arp.operation],
    ["SourceHwAddress", arp.senderMac],
    ["SourceProtAddress", arp.senderAddress],
    ["DstHwAddress", arp.targetMac],
    ["DstProtAddress", arp.targetAddress],
  ];
  return [layer("ARP", fields)];
}

/** One line a layer, from Ethernet inwards, each `Name<tab>{Field=value …}`; the payload is told by its length. */
export function layerLines(packet: Packet): string[] {
  const { ethernet } = packet;
  if (!ethernet) return [];
  const type = ETHER_TYPES[ethernet.etherType] ?? `0x${ethernet.etherType.toString(16).padStart(4, "0")}`;
  const first = layer("Ethernet", [
    ["SrcMAC", ethernet.source],
    ["DstMAC", ethernet.destination],
    ["EthernetType", type],
  ]);
  const payload = packet.payload.length === 0 ? [] : [layer("Payload", [["Length", packet.payload.length]])];
  return [first, ...arpLayer(packet), ...ipLayer(packet), ...tcpLayer(packet), ...otherLayers(packet), ...payload];
}
