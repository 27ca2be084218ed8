import { addressPort } from "../../model/cidr.ts";
import { type Layer, type LayerDecoder, LayerFault, type LayerName, layerFields } from "./layer.ts";
import { ethernetLayer, ipv4Layer, ipv6Layer } from "./network-layers.ts";
import { icmpv4Layer, icmpv6Layer, igmpLayer, sctpLayer, tcpLayer, udpLayer, vrrpLayer } from "./transport-layers.ts";

const DECODERS: Readonly<Record<LayerName, LayerDecoder>> = {
  ...{ Ethernet: ethernetLayer, IPv4: ipv4Layer, IPv6: ipv6Layer, ICMPv4: icmpv4Layer, ICMPv6: icmpv6Layer },
  ...{ TCP: tcpLayer, UDP: udpLayer, SCTP: sctpLayer, VRRP: vrrpLayer, IGMP: igmpLayer },
};
const PORTED: ReadonlySet<LayerName> = new Set(["TCP", "UDP", "SCTP"]);

/** The layers of a packet from Ethernet inwards, as far as they can be read. */
export interface Dissection {
  readonly layers: readonly Layer[];
  /** A layer said that it is longer than what is there. */
  readonly isTruncated: boolean;
  /** Why the layer after them could not be read; empty = there is none, or it is of no known kind. */
  readonly fault: string;
}

/** Reads a packet as gopacket's parser does for `cilium monitor`: known layers until one is not known, or cannot be read. */
export function dissect(packet: Uint8Array): Dissection {
  const layers: Layer[] = [];
  let isTruncated = false;
  const truncated = () => {
    isTruncated = true;
  };
  let [next, data]: [LayerName | undefined, Uint8Array] = ["Ethernet", packet];
  try {
    while (next !== undefined && data.length > 0) {
      const layer: Layer = DECODERS[next](data, truncated);
      layers.push(layer);
      ({ next, payload: data } = layer);
    }
  } catch (error) {
    if (!(error instanceof LayerFault)) throw error;
    return { layers, isTruncated: isTruncated || error.isTruncated, fault: error.message };
  }
  return { layers, isTruncated, fault: "" };
}

/** The last of each name: of a packet in a packet, upstream tells the inner one in the place of both. */
export function lastOf({ layers }: Dissection): ReadonlyMap<LayerName, Layer> {
  return new Map(layers.map((layer) => [layer.name, layer]));
}

/** A line for each layer, and what went wrong. */
export function layerLines(packet: Uint8Array): string[] {
  const dissection = dissect(packet);
  const last = lastOf(dissection);
  const lines = dissection.layers.map(({ name }) => `${name}\t${layerFields(last.get(name)!)}`);
  if (packet.length === 0) return lines;
  if (dissection.isTruncated) lines.push("  Packet has been truncated");
  if (dissection.fault !== "") lines.push(`  Failed to decode layer: ${dissection.fault}`);
  return lines;
}

/** `ip:port -> ip:port tcp SYN, ACK`, `a -> b icmp EchoRequest`, `a -> b`, `mac -> mac ARP`, `[unknown]` or `[error]`. */
export function connectionText(packet: Uint8Array): string {
  const dissection = dissect(packet);
  if (packet.length === 0) return "[unknown]";
  if (dissection.fault !== "") return "[error]";
  const ethernet = dissection.layers.find(({ name }) => name === "Ethernet");
  const ip = dissection.layers.findLast(({ name }) => name === "IPv4" || name === "IPv6");
  if (!ip?.ends) return ethernet?.ends ? `${ethernet.ends.join(" -> ")} ${ethernet.says}` : "[unknown]";
  const upper = dissection.layers.at(-1)!;
  if (upper === ip) return ip.ends.join(" -> ");
  const protocol = upper.name.toLowerCase().replace(/v[46]$/, "");
  if (!PORTED.has(upper.name)) return `${ip.ends.join(" -> ")} ${protocol} ${upper.says}`;
  const [source, destination] = [0, 1].map((at) => addressPort(ip.ends![at]!, Number(upper.ends![at])));
  return `${source} -> ${destination} ${protocol}${upper.name === "TCP" ? ` ${upper.says}` : ""}`;
}
