/** IANA numbers of the protocols that policy knows; `Any` is a wildcard. */
export const Protocol = { Any: 0, Icmp: 1, Tcp: 6, Udp: 17, IcmpV6: 58, Sctp: 132 } as const;

/** IANA numbers of the protocols without ports that policy knows by name. */
export const PORTLESS = { IGMP: 2, IPIP: 4, IPv6: 41, GRE: 47, ESP: 50, AH: 51, VRRP: 112 } as const;

const NAMES = new Map<number, string>([
  [Protocol.Any, "ANY"],
  [Protocol.Icmp, "ICMP"],
  [Protocol.Tcp, "TCP"],
  [Protocol.Udp, "UDP"],
  [Protocol.IcmpV6, "ICMPv6"],
  [Protocol.Sctp, "SCTP"],
  ...Object.entries(PORTLESS).map(([name, number]): [number, string] => [number, name]),
]);
const WITH_PORTS: readonly (number | undefined)[] = [Protocol.Tcp, Protocol.Udp, Protocol.Sctp];

/** `TCP`, `ICMPv6` …; the number as text where there is no name. */
export function protocolName(protocol: number): string {
  return NAMES.get(protocol) ?? String(protocol);
}

/** The number for a name, whatever its case; undefined when there is none. */
export function protocolNumber(name: string): number | undefined {
  const wanted = name.toUpperCase();
  for (const [number, known] of NAMES) if (known.toUpperCase() === wanted) return number;
  return undefined;
}

/** True for the name of a protocol whose ports a pod may open. */
export function hasPorts(name: string): boolean {
  return WITH_PORTS.includes(protocolNumber(name));
}
