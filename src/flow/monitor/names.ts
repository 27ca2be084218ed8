import { addressPort } from "../../model/cidr.ts";
import type { DatapathEvent } from "../decode/event.ts";
import { icmpv4Name, icmpv6Name } from "../decode/icmp.ts";
import type { Packet } from "../decode/packet.ts";
import { Protocol } from "../decode/packet.ts";
import { RESERVED_NAMES } from "../print/names.ts";

/** What a printer needs of the node it runs on. */
export interface MonitorOptions {
  /** Identities as numbers, where reserved ones have names otherwise. */
  readonly numeric: boolean;
  /** Name of an interface, or its number when it has none. */
  readonly interfaceName: (ifindex: number) => string;
}

const STATES: Readonly<Record<number, string>> = { 0: "new", 1: "established", 2: "reply", 3: "related" };
/** TCP flags that a connection's text lists. */
const SHOWN_FLAGS: ReadonlySet<string> = new Set(["SYN", "ACK", "RST", "FIN"]);

/** Connection-tracking state of a trace; `unknown` when the program did not look. */
export function stateText(event: DatapathEvent): string {
  return STATES[event.ctStatus] ?? "unknown";
}

/** `world`, or the number. */
export function identityName(identity: number, numeric: boolean): string {
  return (numeric ? undefined : RESERVED_NAMES[identity]) ?? String(identity);
}

/** `19274->318` */
export function identityPair(event: DatapathEvent, options: MonitorOptions): string {
  return `${identityName(event.sourceIdentity, options.numeric)}->${identityName(event.destinationIdentity, options.numeric)}`;
}

export const hexNumber = (value: number) => `0x${value.toString(16)}`;

/** `ip:port -> ip:port tcp SYN, ACK`, `a -> b icmp EchoRequest`, `mac -> mac ARP`, or `[unknown]`. */
export function connectionText(packet: Packet): string {
  const { ip, tcp, ethernet } = packet;
  if (!ip)
    return ethernet ? `${ethernet.source} -> ${ethernet.destination} ${packet.arp ? "ARP" : "Ethernet"}` : "[unknown]";
  const ports = tcp ?? packet.udp ?? packet.sctp;
  if (ports) {
    const ends = `${addressPort(ip.source, ports.sourcePort)} -> ${addressPort(ip.destination, ports.destinationPort)}`;
    if (!tcp) return `${ends} ${packet.udp ? "udp" : "sctp"}`;
    return `${ends} tcp ${tcp.flags.filter((flag) => SHOWN_FLAGS.has(flag)).join(", ")}`;
  }
  const ends = `${ip.source} -> ${ip.destination}`;
  if (packet.icmpv4) return `${ends} icmp ${icmpv4Name(packet.icmpv4.type, packet.icmpv4.code)}`;
  if (packet.icmpv6) return `${ends} icmp ${icmpv6Name(packet.icmpv6.type, packet.icmpv6.code)}`;
  return `${ends} ${protocolName(ip.protocol)}`;
}

/** Lower-case name of an IP protocol, or its number. */
export function protocolName(protocol: number): string {
  const entry = Object.entries(Protocol).find(([, number]) => number === protocol);
  return entry ? entry[0].toLowerCase() : String(protocol);
}
