import { parseCidr } from "../model/cidr.ts";
import { cidrLabels } from "../model/cidr-label.ts";
import { type Labels, toLabels } from "../model/label.ts";
import type { CidrIdentities } from "./cidr-identities.ts";
import type { IdentityTable } from "./identity-table.ts";
import type { IpcacheSources } from "./ipcache-sources.ts";

const API_SERVER = { source: "reserved", key: "kube-apiserver", value: "" };

function labelsOf(prefix: string, isApiServer: boolean): Labels | undefined {
  const cidr = parseCidr(prefix);
  // The whole address space is the world, which has a number of its own.
  if (cidr === undefined || cidr.family !== 4 || cidr.length === 0) return undefined;
  return isApiServer ? toLabels([...cidrLabels(cidr), API_SERVER]) : cidrLabels(cidr);
}

/**
 * Gives each prefix that policies tell apart, and each API server outside the cluster, an identity in the table and an
 * entry in the ipcache; takes both from the others. True when an identity came or went.
 */
export function syncCidrs(
  parts: { readonly numbers: CidrIdentities; readonly identities: IdentityTable; readonly sources: IpcacheSources },
  required: readonly string[],
  externalApiServers: ReadonlySet<string>,
): boolean {
  const { numbers, identities, sources } = parts;
  const wanted = new Set<string>();
  let changed = false;
  for (const prefix of new Set([...required, ...[...externalApiServers].map((address) => `${address}/32`)])) {
    const labels = labelsOf(prefix, externalApiServers.has(prefix.replace(/\/32$/, "")));
    if (labels === undefined) continue;
    wanted.add(prefix);
    const identity = numbers.numberOf(prefix);
    if (identities.learn(identity, labels)) changed = true;
    sources.setFixed("cidr", prefix, { identity });
  }
  for (const [prefix, identity] of numbers.keepOnly(wanted)) {
    sources.setFixed("cidr", prefix, undefined);
    identities.forget(identity);
    changed = true;
  }
  return changed;
}
