import type { Labels } from "../model/label.ts";
import type { CidrIdentities } from "./cidr-identities.ts";
import type { IdentityTable } from "./identity-table.ts";
import type { IpcacheSources } from "./ipcache-sources.ts";

interface OutsideParts {
  readonly numbers: CidrIdentities;
  readonly identities: IdentityTable;
  readonly sources: IpcacheSources;
}

/**
 * Gives each prefix outside the cluster that something tells apart an identity in the table and an entry in the ipcache, and takes
 * both from the others. What is `expected` gets an identity alone. True when an identity came or went, so that policies
 * have to be computed again.
 */
export function syncCidrs(
  parts: OutsideParts,
  outside: ReadonlyMap<string, Labels>,
  expected: ReadonlyMap<string, Labels> = new Map(),
): boolean {
  const { numbers, sources } = parts;
  numbers.adopt(outside);
  let changed = false;
  for (const [prefix, labels] of outside) if (assign(parts, prefix, labels)) changed = true;
  for (const [owner, labels] of expected) if (learn(parts, owner, labels).isNew) changed = true;
  for (const owner of numbers.owners()) {
    if (outside.has(owner) || expected.has(owner)) continue;
    numbers.release(owner);
    if (sources.entryOf(owner) !== undefined) sources.setFixed("cidr", owner, undefined);
  }
  return forgetFreed(parts) || changed;
}

/**
 * The same for one prefix alone, which has other labels now (undefined = nothing tells it apart any more). Mostly its
 * identity is there already, and the ipcache is all that changes.
 */
export function syncAddress(parts: OutsideParts, prefix: string, labels: Labels | undefined): boolean {
  let changed = false;
  if (labels !== undefined) changed = assign(parts, prefix, labels);
  else {
    parts.numbers.release(prefix);
    parts.sources.setFixed("cidr", prefix, undefined);
  }
  return forgetFreed(parts) || changed;
}

function assign(parts: OutsideParts, prefix: string, labels: Labels): boolean {
  const { identity, isNew } = learn(parts, prefix, labels);
  parts.sources.setFixed("cidr", prefix, { identity });
  return isNew;
}

function learn({ numbers, identities }: OutsideParts, owner: string, labels: Labels) {
  const identity = numbers.numberOf(owner, labels);
  return { identity, isNew: identities.learn(identity, labels) };
}

function forgetFreed({ numbers, identities }: OutsideParts): boolean {
  const freed = numbers.takeFreed();
  for (const number of freed) identities.forget(number);
  return freed.length > 0;
}
