import { createHash } from "node:crypto";
import { formatLabels, type Labels } from "../../model/label.ts";
import type { IdentityEndpoints, IdentityModel } from "../api-models.ts";
import type { IdentityTable } from "../identity-table.ts";

/** Cilium's hash of labels: each as `source:key=value;`, sorted by key. */
function hashOf(labels: Labels): string {
  const sorted = [...labels].sort((a, b) => (a.key < b.key ? -1 : 1));
  const text = sorted.map(({ source, key, value }) => `${source}:${key}=${value};`).join("");
  return createHash("sha256").update(text).digest("hex");
}

export function identityModel(id: number, labels: Labels): IdentityModel {
  return { id, labels: formatLabels(labels), labelsSHA256: hashOf(labels) };
}

export function identityModels(identities: IdentityTable): readonly IdentityModel[] {
  return identities.all().map(([id, labels]) => identityModel(id, labels));
}

/** The identities of endpoints with how many have each, by number. */
export function identityEndpoints(
  endpoints: readonly { readonly identity: number; readonly labels: Labels }[],
): readonly IdentityEndpoints[] {
  const numbers = [...new Set(endpoints.map(({ identity }) => identity))].sort((a, b) => a - b);
  return numbers.map((number) => {
    const having = endpoints.filter(({ identity }) => identity === number);
    return { identity: identityModel(number, having[0]!.labels), refCount: having.length };
  });
}
