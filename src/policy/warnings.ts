import { DIRECTIONS, type Direction } from "../model/verdict.ts";
import type { Field } from "./field.ts";
import { type PeerRule, type Rule, Tier } from "./rule.ts";

/** Warns of what only shows when the rules of a policy are seen together. */
export function warnOfRules(rules: readonly Rule[], root: Field): void {
  warnOfNames(rules, root);
  for (const rule of rules) warnOfOpenRules(rule, root);
  warnOfMissingSense(rules, root.child("spec"));
}

/** True when the element says something of some traffic; else it can only turn default deny on. */
function hasSubstance({ peers, ports }: PeerRule): boolean {
  return peers.length > 0 && (ports === undefined || ports.some((rule) => rule.ports.length > 0));
}

function warnOfMissingSense(rules: readonly Rule[], at: Field): void {
  const elements = rules.flatMap((rule) => rule.elements);
  if (elements.some(hasSubstance)) return;
  const denied = DIRECTIONS.filter((direction) => rules.some((rule) => turnsOn(rule, direction)));
  if (denied.length === 0)
    at.warn("the policy changes nothing: it allows nothing, denies nothing and turns nothing on");
  else at.warn(`the policy allows nothing: it only turns default deny on for ${denied.join(" and ")}`, "default-deny");
}

function turnsOn({ elements, defaultDeny }: Rule, direction: Direction): boolean {
  return defaultDeny[direction] && elements.some((element) => element.direction === direction);
}

/** Cilium adds a rule for every request where an endpoint has no default deny in the direction. */
function warnOfOpenRules({ elements, defaultDeny }: Rule, root: Field): void {
  for (const { direction, tier, ports = [], path } of elements) {
    if (defaultDeny[direction] || tier !== Tier.Normal) continue;
    for (const [index, { http, dns }] of ports.entries()) {
      if (http === undefined && dns === undefined) continue;
      const at = root.child(path).child("toPorts").index(index).child("rules");
      at.warn(`restrict nothing unless another policy turns default deny on for ${direction}`, "open");
    }
  }
}

/** Names are learnt from answers that the DNS proxy sees, and it sees the traffic of DNS rules alone. */
function warnOfNames(rules: readonly Rule[], root: Field): void {
  const elements = rules.flatMap((rule) => rule.elements);
  if (elements.some(({ ports }) => ports?.some(({ dns }) => dns !== undefined))) return;
  for (const { peers, path } of elements) {
    if (!peers.some(({ kind }) => kind === "fqdn")) continue;
    const at = root.child(path).child("toFQDNs");
    at.warn(
      "no rule of this policy has `rules.dns`, and only addresses from answers that the DNS proxy saw are known",
      "names",
    );
  }
}
