import type { IpamResponse } from "./api.ts";

const V4_BITS = 32;

function toNumber(address: string): number {
  return address.split(".").reduce((number, octet) => number * 256 + Number(octet), 0);
}

function toText(number: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join(".");
}

interface Range {
  readonly first: number;
  readonly last: number;
}

/** First and last address that may be given out or used by the router; the network's own and the broadcast one are not. */
function usable(podCidr: string): Range {
  const [base, bits] = podCidr.split("/");
  const size = 2 ** (V4_BITS - Number(bits));
  if (base === undefined || !Number.isInteger(size) || size < 4) throw new Error(`podCIDR ${podCidr} is no IPv4 range`);
  const start = Math.floor(toNumber(base) / size) * size;
  return { first: start + 1, last: start + size - 2 };
}

/** The pods' gateway: the first address of the node's range. */
export function routerOf(podCidr: string): string {
  return toText(usable(podCidr).first);
}

/** Address -> who holds it. */
export type Allocations = Readonly<Record<string, string>>;

/**
 * Gives out the addresses of one podCIDR. The next free address after the last one is taken, so that an address rests
 * as long as possible before somebody else has it. `save` is called with every change, before the answer.
 */
export class Ipam {
  readonly gateway: string;
  private readonly range: Range;
  private readonly podCidr: string;
  private readonly held: Map<string, string>;
  private readonly save: (allocations: Allocations) => void;
  private next: number;

  constructor(podCidr: string, allocations: Allocations, save: (allocations: Allocations) => void) {
    this.range = usable(podCidr);
    this.podCidr = podCidr;
    this.gateway = toText(this.range.first);
    this.held = new Map(Object.entries(allocations));
    this.save = save;
    this.next = Math.max(this.range.first, ...[...this.held.keys()].map(toNumber)) + 1;
  }

  /** Throws when the range is used up. */
  allocate(owner: string): IpamResponse {
    const count = this.range.last - this.range.first;
    for (let step = 0; step < count; step++) {
      const candidate = this.range.first + 1 + ((this.next - this.range.first - 1 + step) % count);
      const address = toText(candidate);
      if (this.held.has(address)) continue;
      this.held.set(address, owner);
      this.next = candidate + 1;
      this.persist();
      return { address, gateway: this.gateway, podCidr: this.podCidr };
    }
    throw new Error(`no free address in ${this.podCidr}: ${this.held.size} are held`);
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
    const number = toNumber(address);
    return number > this.range.first && number <= this.range.last;
  }

  isHeld(address: string): boolean {
    return this.held.has(address);
  }

  /** Frees what no endpoint uses: left by a caller that died between its two calls. */
  keepOnly(addresses: ReadonlySet<string>): void {
    const lost = [...this.held.keys()].filter((address) => !addresses.has(address));
    for (const address of lost) this.held.delete(address);
    if (lost.length > 0) this.persist();
  }

  private persist(): void {
    this.save(Object.fromEntries(this.held));
  }
}
