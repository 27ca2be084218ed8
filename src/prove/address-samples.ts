import { type Cidr, cidrContains, formatAddress, parseCidr } from "../model/cidr.ts";
import { requiredCidrs } from "../policy/repository.ts";
import type { Cluster } from "./cluster.ts";

/**
 * Addresses of a prefix, one for each part of it that the policies tell apart: every such part begins where the prefix itself
 * begins, where one that a policy names begins, or just behind one. Throws where the prefix cannot be read.
 */
export function sampleAddresses(prefix: string, { engine }: Cluster): string[] {
  const outer = parseCidr(prefix);
  if (outer === undefined) throw new Error(`${prefix}: not an address or prefix`);
  const named = [...requiredCidrs(engine.repository), ...groupPrefixes(engine.repository)];
  const prefixes = named.flatMap((text) => parseCidr(text) ?? []);
  const byIdentity = new Map<number, string>();
  for (const text of partStarts(outer, prefixes)) {
    const somebody = engine.world.find(text);
    // What pods have is not outside.
    if (somebody === undefined || somebody.isEndpoint) continue;
    if (!byIdentity.has(somebody.identity)) byIdentity.set(somebody.identity, text);
  }
  return [...byIdentity.values()];
}

/** The first address of every part of a prefix that these prefixes tell apart; some parts have several. */
export function* partStarts(outer: Cidr, prefixes: readonly Cidr[]): Iterable<string> {
  yield formatAddress(outer.bytes);
  for (const inner of prefixes) {
    if (inner.family !== outer.family) continue;
    for (const bytes of [inner.bytes, ...after(inner)]) {
      const text = formatAddress(bytes);
      const address = parseCidr(text);
      if (address !== undefined && cidrContains(outer, address)) yield text;
    }
  }
}

function* groupPrefixes(repository: Cluster["engine"]["repository"]): Iterable<string> {
  for (const { cidrs } of repository.cidrGroups()) yield* cidrs;
}

/** The first address behind the prefix; none where it is the last. */
function after({ family, bytes, length }: Cidr): Uint8Array[] {
  const next = Uint8Array.from(bytes);
  const bits = family === 4 ? 96 + length : length;
  if (length === 0) return [];
  let index = (bits - 1) >> 3;
  let step = 0x80 >> ((bits - 1) & 7);
  const first = family === 4 ? 12 : 0;
  for (; index >= first; index--) {
    const sum = next[index]! + step;
    next[index] = sum & 0xff;
    if (sum < 256) return [next];
    step = 1;
  }
  return [];
}
