import {
  addressPrefix,
  type Cidr,
  cidrContains,
  formatAddress,
  formatCidr,
  parseAddress,
  parseCidr,
} from "../model/cidr.ts";
import type { IpamResponse } from "./api.ts";

/** The addresses of a range are told apart by these last bits of them: more pods than that no node has. */
const COUNTED_BITS = 32;

/** An address's number: its last 32 bits. */
function toNumber(address: string): number {
  const bytes = parseAddress(address) ?? new Uint8Array(16);
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(12);
}

/** The address of the range with this number. */
function toText({ bytes }: Cidr, number: number): string {
  const address = new Uint8Array(bytes);
  new DataView(address.buffer).setUint32(12, number);
  return formatAddress(address);
}

interface Range {
  readonly cidr: Cidr;
  readonly first: number;
  readonly last: number;
}

/** First and last address that may be given out or used by the router; the network's own and IPv4's broadcast one are not. */
function usable(podCidr: string): Range {
  const cidr = parseCidr(podCidr);
  const free = cidr === undefined ? 0 : (cidr.family === 4 ? 32 : 128) - cidr.length;
  if (cidr === undefined || free < 2) throw new Error(`podCIDR ${podCidr} is no range for pods`);
  const start = toNumber(formatAddress(cidr.bytes));
  const size = 2 ** Math.min(free, COUNTED_BITS);
  return { cidr, first: start + 1, last: start + size - 2 };
}

/** The pods' gateway: the first address of the node's range. */
export function routerOf(podCidr: string): string {
  const { cidr, first } = usable(podCidr);
  return toText(cidr, first);
}

/** Address -> who holds it. */
export type Allocations = Readonly<Record<string, string>>;

/**
 * Gives out the addresses of one podCIDR. The next free address after the last one is taken, so that an address rests
 * as long as possible before somebody else has it. `save` is called with every change, before the answer. In a cluster of
 * both families the IPv6 address goes with the IPv4 one: it has the same place in its own range.
 */
export class Ipam {
  readonly gateway: string;
  private readonly range: Range;
  private readonly podCidr: string;
  private readonly range6: Range | undefined;
  private readonly held: Map<string, string>;
  private readonly save: (allocations: Allocations) => void;
  private next: number;

  constructor(podCidr: string, allocations: Allocations, save: (allocations: Allocations) => void, podCidr6?: string) {
    this.range = usable(podCidr);
    this.podCidr = podCidr;
    this.range6 = podCidr6 === undefined ? undefined : usable(podCidr6);
    this.gateway = routerOf(podCidr);
    this.held = new Map(Object.entries(allocations));
    this.save = save;
    this.next = Math.max(this.range.first, ...[...this.held.keys()].map(toNumber)) + 1;
  }

  /** Throws when the range is used up. */
  allocate(owner: string): Omit<IpamResponse, "mtu"> {
    const count = this.range.last - this.range.first;
    for (let step = 0; step < count; step++) {
      const candidate = this.range.first + 1 + ((this.next - this.range.first - 1 + step) % count);
      const address = toText(this.range.cidr, candidate);
      if (this.held.has(address)) continue;
      this.held.set(address, owner);
      this.next = candidate + 1;
      this.persist();
      return { address, gateway: this.gateway, podCidr: this.podCidr, ...this.ipv6Of(address) };
    }
    throw new Error(`no free address in ${this.podCidr}: ${this.held.size} are held`);
  }

  private ipv6Of(address: string): Pick<IpamResponse, "ipv6"> {
    if (this.range6 === undefined) return {};
    const { cidr, first } = this.range6;
    const place = toNumber(address) - this.range.first;
    return { ipv6: { address: toText(cidr, first + place), gateway: toText(cidr, first), podCidr: formatCidr(cidr) } };
  }

  /** What this owner holds already, or a new one: for an owner of one address that is to stay the same. */
  allocateOnce(owner: string): Omit<IpamResponse, "mtu"> {
    const held = [...this.held].find(([, holder]) => holder === owner)?.[0];
    if (held === undefined) return this.allocate(owner);
    return { address: held, gateway: this.gateway, podCidr: this.podCidr, ...this.ipv6Of(held) };
  }

  /** Address -> who holds it. */
  get allocations(): Allocations {
    return Object.fromEntries(this.held);
  }

  /** The IPv6 address that goes with the IPv4 one. */
  address6Of(address: string): string | undefined {
    return this.ipv6Of(address).ipv6?.address;
  }

  /** Does nothing when the address is free. */
  release(address: string): void {
    if (this.held.delete(address)) this.persist();
  }

  /** Marks an address as held: an endpoint from before has it. */
  claim(address: string, owner: string): void {
    if (this.held.get(address) === owner) return;
    this.held.set(address, owner);
    this.persist();
  }

  /** True for what `allocate` may give out. */
  isInRange(address: string): boolean {
    const cidr = parseCidr(addressPrefix(address));
    if (cidr === undefined || !cidrContains(this.range.cidr, cidr)) return false;
    const number = toNumber(address);
    return number > this.range.first && number <= this.range.last;
  }

  isHeld(address: string): boolean {
    return this.held.has(address);
  }

  /** Frees what no endpoint uses: left by a caller that died between its two calls. `owner` keeps what it has. */
  keepOnly(addresses: ReadonlySet<string>, owner?: string): void {
    const lost = [...this.held].flatMap(([address, holder]) =>
      addresses.has(address) || holder === owner ? [] : [address],
    );
    for (const address of lost) this.held.delete(address);
    if (lost.length > 0) this.persist();
  }

  private persist(): void {
    this.save(this.allocations);
  }
}
