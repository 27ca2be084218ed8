import type { Labels } from "../model/label.ts";
import type { CidrIdentities } from "./cidr-identities.ts";
import type { IdentityTable } from "./identity-table.ts";
import type { IpcacheSources } from "./ipcache-sources.ts";

/**
 * Gives each prefix that policies tell apart, and each API server outside the cluster, an identity in the table and an
 * entry in the ipcache; takes both from the others. True when an identity came, went or has other labels.
 */
export function syncCidrs(
  parts: { readonly numbers: CidrIdentities; readonly identities: IdentityTable; readonly sources: IpcacheSources },
  outside: ReadonlyMap<string, Labels>,
): boolean {
  const { numbers, identities, sources } = parts;
  let changed = false;
  for (const [prefix, labels] of outside) {
    const identity = numbers.numberOf(prefix);
    if (identities.learn(identity, labels)) changed = true;
    sources.setFixed("cidr", prefix, { identity });
  }
  for (const [prefix, identity] of numbers.keepOnly(new Set(outside.keys()))) {
    sources.setFixed("cidr", prefix, undefined);
    identities.forget(identity);
    changed = true;
  }
  return changed;
}
