import type { TlsHelloFacts } from "../model/access-record.ts";
import { icmpv4Name, icmpv6Name } from "./decode/icmp.ts";
import type { Packet } from "./decode/packet.ts";

const IGMP_TYPES = new Map([
  [0x11, "IGMP Membership Query"],
  [0x12, "IGMPv1 Membership Report"],
  [0x16, "IGMPv2 Membership Report"],
  [0x17, "Leave Group"],
  [0x22, "IGMPv3 Membership Report"],
]);

/** What hubble prints in parentheses behind a packet's flow: TCP flags, an ICMP name, or the innermost layer. */
export function packetSummary(packet: Packet): string {
  if (packet.tcp) return `TCP Flags: ${packet.tcp.flags.join(", ")}`;
  if (packet.icmpv4) return `ICMPv4 ${icmpv4Name(packet.icmpv4.type, packet.icmpv4.code)}`;
  if (packet.icmpv6) return `ICMPv6 ${icmpv6Name(packet.icmpv6.type, packet.icmpv6.code)}`;
  if (packet.vrrp) return `VRRP ${packet.vrrp.type === 1 ? "VRRPv2 Advertisement" : ""}`;
  if (packet.igmp) return `IGMP ${igmpName(packet.igmp.type)}`;
  // Hubble reads no further than Ethernet there
  return packet.arp ? "Ethernet" : packet.lastLayer;
}

function igmpName(type: number): string {
  return IGMP_TYPES.get(type) ?? "";
}

/**
 * What a TLS connection's record has to say, as the fields of a generic L7 record: Cilium has no form for TLS. In the order of
 * their names. What the client chose is written so that it cannot look like another field: bytes that no name has, as `%20`.
 */
export function tlsFields({ protocols, serverName }: TlsHelloFacts, reason: string): Record<string, string> {
  return {
    ...(protocols.length === 0 ? {} : { alpn: protocols.map(escapeWord).join(",") }),
    ...(reason === "" ? {} : { reason: reason.replaceAll(":", "%3A") }),
    ...(serverName === undefined ? {} : { sni: escapeWord(serverName) }),
  };
}

function escapeWord(word: string): string {
  return word.replace(/[^!-~]|[%,]/g, (letter) => `%${letter.charCodeAt(0).toString(16).padStart(2, "0")}`);
}

/** `tls Fields: map[reason:no rule matched sni:www.example.com]` */
export function tlsSummary(tls: TlsHelloFacts, reason: string): string {
  const fields = Object.entries(tlsFields(tls, reason)).map(([name, value]) => `${name}:${value}`);
  return `tls Fields: map[${fields.join(" ")}]`;
}

/** The server's name in such a summary, `""` where the client named none; undefined = it is no summary of TLS. */
export function serverNameIn(summary: string): string | undefined {
  const fields = /^tls Fields: map\[(.*)\]$/.exec(summary)?.[1];
  if (fields === undefined) return undefined;
  const word = /(?:^| )sni:(\S+)$/.exec(fields)?.[1] ?? "";
  return word.replace(/%([0-9a-f]{2})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)));
}

/** The HTTP facts that a summary needs. */
export interface HttpFacts {
  readonly protocol: string;
  readonly method: string;
  readonly url: string;
  /** 0 = a request. */
  readonly status: number;
  readonly latencyMs: number;
}

/** `HTTP/1.1 GET http://host/path`, or `HTTP/1.1 200 6ms (GET http://host/path)` for a response. */
export function httpSummary(http: HttpFacts): string {
  if (http.status === 0) return `${http.protocol} ${http.method} ${http.url}`;
  return `${http.protocol} ${http.status} ${Math.floor(http.latencyMs)}ms (${http.method} ${http.url})`;
}
