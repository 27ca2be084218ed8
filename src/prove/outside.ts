import { bitsOf, type Cidr, cidrContains, formatCidr, parseCidr } from "../model/cidr.ts";
import { type FqdnSelector, fqdnLabelKey } from "../model/selector.ts";
import { requiredCidrs, requiredFqdns } from "../policy/repository.ts";
import { sampleAddresses } from "./address-samples.ts";
import type { Cluster } from "./cluster.ts";

/** Somebody outside whom the policies tell apart from the rest of the world. */
export interface Outsider {
  /** `10.0.0.0/8`, `fqdn:api.github.com`. */
  readonly title: string;
  readonly address: string;
  /** The name that the address is supposed to have. */
  readonly fqdn?: string;
}

/** Names that are told apart at most. */
const MOST_NAMES = 200;

/** Each part of the address space that policies tell apart, and each name, at an address that no prefix holds. */
export function outsiders(cluster: Cluster): Outsider[] {
  const { engine, inventory } = cluster;
  const world = engine.world.find("reserved:world")!.identity;
  const everywhere = inventory.config.enableIPv6 === true ? ["0.0.0.0/0", "::/0"] : ["0.0.0.0/0"];
  const prefixes = knownPrefixes(cluster);
  const parts = everywhere
    .flatMap((prefix) => sampleAddresses(prefix, cluster))
    .filter((address) => engine.world.find(address)!.identity !== world)
    .map((address) => ({ title: narrowest(address, prefixes) ?? address, address }));
  const names = requiredFqdns(engine.repository).slice(0, MOST_NAMES);
  const free = freeAddresses(prefixes);
  return [...parts, ...names.map((selector) => nameOutside(selector, free.next().value!))];
}

/** A name that a pattern matches stands for all of them. */
function nameOutside(selector: FqdnSelector, address: string): Outsider {
  const key = fqdnLabelKey(selector);
  return { title: `fqdn:${key}`, address, fqdn: key.replaceAll("*", "any").toLowerCase() };
}

/** Every prefix that the policies and their groups name. */
export function knownPrefixes({ engine }: Cluster): Cidr[] {
  const groups = [...engine.repository.cidrGroups()].flatMap(({ cidrs }) => cidrs);
  return [...requiredCidrs(engine.repository), ...groups].flatMap((text) => parseCidr(text) ?? []);
}

/** The narrowest of the prefixes that holds the address. */
export function narrowest(address: string, prefixes: readonly Cidr[]): string | undefined {
  const inner = parseCidr(address)!;
  const around = prefixes.filter((prefix) => cidrContains(prefix, inner)).sort((a, b) => bitsOf(b) - bitsOf(a));
  return around[0] && formatCidr(around[0]);
}

/** Addresses of no known prefix, one after the other. */
export function* freeAddresses(prefixes: readonly Cidr[]): Generator<string, string> {
  for (let number = 1; ; number++) {
    // 198.18.0.0/15 is for measurements, and 240.0.0.0/4 for nobody: there is room in one of them.
    const start = number < 2 ** 16 ? "198.18" : "240.0";
    const address = `${start}.${(number >> 8) & 255}.${number & 255}`;
    if (number >= 2 ** 17) return address;
    const inner = parseCidr(address)!;
    if (!prefixes.some((prefix) => prefix.length > 0 && cidrContains(prefix, inner))) yield address;
  }
}
