/**
 * Requests of rtnetlink(7) for links, addresses and routes, and the kernel's answers. All numbers are in the machine's order
 * (x86-64: little-endian), addresses in the network's. Sources: linux/netlink.h, rtnetlink.h, if_link.h, if_addr.h, veth.h.
 */

const RTM = { newLink: 16, delLink: 17, newAddress: 20, newRoute: 24 } as const;
const NLMSG_ERROR = 2;
const FLAGS = { request: 0x1, acknowledge: 0x4, exclusive: 0x200, create: 0x400 } as const;
const NEW = FLAGS.create | FLAGS.exclusive;
const AF = { none: 0, inet: 2, inet6: 10 } as const;
const IFLA = { address: 1, name: 3, mtu: 4, linkInfo: 18, afSpec: 26, netnsFd: 28 } as const;
const LINK_INFO = { kind: 1, data: 2 } as const;
const VETH_INFO_PEER = 1;
const IFLA_INET6_ADDR_GEN_MODE = 8;
const NO_GENERATED_ADDRESS = 1;
const IFF_UP = 1;
const IFA = { address: 1, local: 2, flags: 8 } as const;
const IFA_F_NODAD = 0x02;
const RTA = { destination: 1, outInterface: 4, gateway: 5, preferredSource: 7 } as const;
const ROUTE = { mainTable: 254, bootProtocol: 3, unicast: 1 } as const;
const SCOPE = { universe: 0, link: 253 } as const;
const HEADER = 16;
const ALIGNMENT = 4;

/** One end of a veth that is to be made. */
export interface VethEnd {
  readonly name: string;
  readonly mtu: number;
  /** `0a:58:…` */
  readonly mac: string;
}

/** 4 or 16 bytes. */
type Address = Uint8Array;

export interface NewRoute {
  /** Number of the interface. */
  readonly out: number;
  /** A single address that is reached directly; absent = everywhere, by the gateway. */
  readonly destination?: Address;
  readonly gateway?: Address;
  readonly source?: Address;
}

function u8(...values: number[]): Buffer {
  return Buffer.from(values);
}

function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return bytes;
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0);
  return bytes;
}

function attribute(type: number, ...parts: readonly Uint8Array[]): Buffer {
  const length = 4 + parts.reduce((sum, part) => sum + part.length, 0);
  const padding = Buffer.alloc(-length & (ALIGNMENT - 1));
  return Buffer.concat([u16(length), u16(type), ...parts, padding]);
}

function text(type: number, value: string): Buffer {
  return attribute(type, Buffer.from(`${value}\0`));
}

/** `struct ifinfomsg`; of `change` the flags are set to `flags`. */
function linkHead(index: number, flags: number, change: number): Buffer {
  return Buffer.concat([u8(AF.none, 0), u16(0), u32(index), u32(flags), u32(change)]);
}

/** The sequence number is the caller's to set (`withSequence`). */
function request(type: number, flags: number, ...parts: readonly Uint8Array[]): Buffer {
  const length = HEADER + parts.reduce((sum, part) => sum + part.length, 0);
  const head = [u32(length), u16(type), u16(FLAGS.request | FLAGS.acknowledge | flags), u32(0), u32(0)];
  return Buffer.concat([...head, ...parts]);
}

function endAttributes({ name, mtu, mac }: VethEnd): Buffer[] {
  const bytes = Buffer.from(mac.replaceAll(":", ""), "hex");
  return [text(IFLA.name, name), attribute(IFLA.mtu, u32(mtu)), attribute(IFLA.address, bytes)];
}

/** A veth whose other end is born in the network namespace behind the descriptor. */
export function addVeth(end: VethEnd, peer: VethEnd, peerNetns: number): Buffer {
  const other = [linkHead(0, 0, 0), ...endAttributes(peer), attribute(IFLA.netnsFd, u32(peerNetns))];
  const data = attribute(LINK_INFO.data, attribute(VETH_INFO_PEER, ...other));
  const info = attribute(IFLA.linkInfo, text(LINK_INFO.kind, "veth"), data);
  return request(RTM.newLink, NEW, linkHead(0, 0, 0), ...endAttributes(end), info);
}

/** Raises the interface; with `quiet` it makes no IPv6 address of its own. */
export function raiseLink(index: number, { quiet = false } = {}): Buffer {
  const mode = attribute(IFLA_INET6_ADDR_GEN_MODE, u8(NO_GENERATED_ADDRESS));
  const own = quiet ? [attribute(IFLA.afSpec, attribute(AF.inet6, mode))] : [];
  return request(RTM.newLink, 0, linkHead(index, IFF_UP, IFF_UP), ...own);
}

export function deleteLink(index: number): Buffer {
  return request(RTM.delLink, 0, linkHead(index, 0, 0));
}

function familyOf({ length }: Address): number {
  return length === 4 ? AF.inet : AF.inet6;
}

/** Gives the interface an address that is alone in its network. In IPv6 it counts at once: nobody else has it. */
export function addAddress(index: number, address: Address): Buffer {
  const isV6 = address.length === 16;
  const head = [u8(familyOf(address), address.length * 8, isV6 ? IFA_F_NODAD : 0, SCOPE.universe), u32(index)];
  const both = [attribute(IFA.local, address), attribute(IFA.address, address)];
  return request(RTM.newAddress, NEW, ...head, ...both, ...(isV6 ? [attribute(IFA.flags, u32(IFA_F_NODAD))] : []));
}

/** A route of the main table. Throws RangeError when it says neither where it leads nor by whom. */
export function addRoute({ out, destination, gateway, source }: NewRoute): Buffer {
  const known = destination ?? gateway;
  if (known === undefined) throw new RangeError("a route leads to a destination or by a gateway");
  const scope = gateway === undefined && known.length === 4 ? SCOPE.link : SCOPE.universe;
  const bits = (destination?.length ?? 0) * 8;
  const kind = u8(ROUTE.mainTable, ROUTE.bootProtocol, scope, ROUTE.unicast);
  return request(
    RTM.newRoute,
    NEW,
    ...[u8(familyOf(known), bits, 0, 0), kind, u32(0)],
    ...(destination === undefined ? [] : [attribute(RTA.destination, destination)]),
    attribute(RTA.outInterface, u32(out)),
    ...(gateway === undefined ? [] : [attribute(RTA.gateway, gateway)]),
    ...(source === undefined ? [] : [attribute(RTA.preferredSource, source)]),
  );
}

/** The same request with this number, by which its answer is known. */
export function withSequence(message: Buffer, sequence: number): Buffer {
  message.writeUInt32LE(sequence, 8);
  return message;
}

/** What the kernel says to the request with this number: 0, or an errno. Undefined: it is no answer to it. */
export function answerTo(sequence: number, bytes: Buffer): number | undefined {
  for (let at = 0; at + HEADER + 4 <= bytes.length; ) {
    const length = bytes.readUInt32LE(at);
    if (bytes.readUInt16LE(at + 4) === NLMSG_ERROR && bytes.readUInt32LE(at + 8) === sequence)
      return Math.abs(bytes.readInt32LE(at + HEADER));
    if (length < HEADER) return undefined;
    at += (length + ALIGNMENT - 1) & -ALIGNMENT;
  }
  return undefined;
}
