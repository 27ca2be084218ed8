/**
 * Packet marks between the proxy and the datapath (the numbers of bpf/abi.h) and the socket options that go with them.
 * Every socket of the proxy that carries a pod's traffic, listeners included, sets one of the two marks: the datapath
 * delivers such packets without judging them a second time for the same direction.
 */

/** SO_MARK of listeners and upstream sockets that guard a pod's ingress. Accepted sockets inherit the listener's. */
export const PROXY_MARK_INGRESS = 0xa00;
/** SO_MARK of listeners and upstream sockets that act for a pod's egress. */
export const PROXY_MARK_EGRESS = 0xb00;
/** Mark that the datapath puts on packets it hands to a proxy socket; routed locally by table `PROXY_ROUTE_TABLE`. */
export const PROXY_MARK_TO_PROXY = 0x200;
/** Bits of the mark that say who made the packet. */
export const PROXY_MARK_MASK = 0xf00;
/** Routing table whose only route delivers everything to the local stack. */
export const PROXY_ROUTE_TABLE = 2004;

/** Listening ports of redirects are taken from here; below Linux's ephemeral range, so that no connection has one by chance. */
export const PROXY_PORTS = { first: 10_000, last: 19_999 } as const;

/** Levels and names for setsockopt on Linux x86-64. */
export const SocketOption = {
  /** `[SOL_SOCKET, SO_MARK]`, value: one of the marks. */
  Mark: { level: 1, name: 36 },
  /** `[SOL_IP, IP_TRANSPARENT]`, value 1: on the listener, and on an upstream socket before it binds the client's address. */
  Transparent: { level: 0, name: 19 },
  /** `[SOL_IPV6, IPV6_TRANSPARENT]`: the same of an IPv6 socket. */
  Transparent6: { level: 41, name: 75 },
  /** `[SOL_IPV6, IPV6_V6ONLY]`, value 1: a listener of its own for each family. */
  Only6: { level: 41, name: 26 },
  /** `[SOL_IP, IP_BIND_ADDRESS_NO_PORT]`, value 1: on an upstream socket, so that connect picks the port. */
  BindAddressNoPort: { level: 0, name: 24 },
  /** `[SOL_IP, IP_RECVORIGDSTADDR]` and its IPv6 sibling, value 1: where a redirected datagram was sent to. */
  OriginalDestination: { level: 0, name: 20 },
  OriginalDestination6: { level: 41, name: 74 },
  /** `[SOL_SOCKET, SO_REUSEADDR]`, value 1. */
  ReuseAddress: { level: 1, name: 2 },
} as const;
