import type { DnsRule, HttpRule } from "../policy/l7-rule.ts";
import type { L7PeerRules, L7Redirect } from "../policy/policy-map.ts";

/** Identities that exist now: a peer set may shrink by those that are gone without anybody being affected. */
export type IsKnown = (identity: number) => boolean;

function covers(wide: readonly number[] | undefined, narrow: readonly number[] | undefined, isKnown: IsKnown): boolean {
  if (wide === undefined) return true;
  if (narrow === undefined) return false;
  const members = new Set(wide);
  return narrow.every((identity) => members.has(identity) || !isKnown(identity));
}

function httpKey(rule: HttpRule): string {
  return JSON.stringify([rule.method, rule.path, rule.host, rule.headers, rule.headerMatches]);
}

function acts({ http = [] }: L7PeerRules): boolean {
  return http.some(({ headerMatches = [] }) => headerMatches.some(({ mismatch }) => mismatch !== undefined));
}

/** Absent = no condition at all. */
function hasAll(wide: readonly string[] | undefined, narrow: readonly string[] | undefined): boolean {
  if (wide === undefined) return true;
  if (narrow === undefined) return false;
  const allowed = new Set(wide);
  return narrow.every((one) => allowed.has(one));
}

function dnsKey({ matchName = "", matchPattern = "" }: DnsRule): string {
  return `${matchName} ${matchPattern}`;
}

function allowsAtLeast(wide: L7PeerRules, narrow: L7PeerRules): boolean {
  return (
    hasAll(wide.http?.map(httpKey), narrow.http?.map(httpKey)) &&
    hasAll(wide.dns?.map(dnsKey), narrow.dns?.map(dnsKey)) &&
    hasAll(wide.serverNames, narrow.serverNames)
  );
}

/** Rule by rule in one order: allows at most grow, denies at most shrink, passes stay. Then the first word is no other's. */
function growsInPlace(now: readonly L7PeerRules[], wanted: readonly L7PeerRules[], isKnown: IsKnown): boolean {
  return (
    now.length === wanted.length &&
    now.every((old, index) => {
      const rule = wanted[index]!;
      if (old.deny !== rule.deny || old.passTo !== rule.passTo) return false;
      const isWider = covers(rule.identities, old.identities, isKnown) && allowsAtLeast(rule, old);
      const isNarrower = covers(old.identities, rule.identities, isKnown) && allowsAtLeast(old, rule);
      if (old.passTo !== undefined) return isWider && isNarrower;
      return old.deny ? isNarrower : isWider;
    })
  );
}

/** The same sets in the same ranks; identities that are gone do not count. */
function isSame(now: readonly L7PeerRules[], wanted: readonly L7PeerRules[], isKnown: IsKnown): boolean {
  const contentOf = ({ origin: _, identities, ...content }: L7PeerRules) => [content, identities?.filter(isKnown)];
  return JSON.stringify(now.map(contentOf)) === JSON.stringify(wanted.map(contentOf));
}

/** Denies before allows and no pass: what is allowed is what an allow covers and no deny does. */
function isDenyFirst(rules: readonly L7PeerRules[]): boolean {
  const firstAllow = rules.findIndex((rule) => !rule.deny);
  const hasLateDeny = firstAllow !== -1 && rules.slice(firstAllow).some((rule) => rule.deny);
  return !hasLateDeny && rules.every((rule) => rule.passTo === undefined);
}

/**
 * True when `now` is proven to let through nothing that `wanted` would refuse: then traffic may go on to a proxy that
 * still judges by `now` while `wanted` is on its way. Never true by guess: an unprovable pair is false.
 */
export function isNoWider(now: L7Redirect, wanted: L7Redirect, isKnown: IsKnown): boolean {
  if (now.key !== wanted.key || now.parser !== wanted.parser) return false;
  // Rules that act on headers do so together and in order: only the same rules do the same.
  if (now.rules.some(acts) || wanted.rules.some(acts)) return isSame(now.rules, wanted.rules, isKnown);
  if (growsInPlace(now.rules, wanted.rules, isKnown)) return true;
  // A deny of `wanted` that comes late denies no more than one that comes first.
  if (!isDenyFirst(now.rules) || wanted.rules.some((rule) => rule.passTo !== undefined)) return false;
  const keptAllows = now.rules
    .filter((rule) => !rule.deny)
    .every((old) =>
      wanted.rules.some(
        (rule) => !rule.deny && covers(rule.identities, old.identities, isKnown) && allowsAtLeast(rule, old),
      ),
    );
  const hadDenies = wanted.rules
    .filter((rule) => rule.deny)
    .every((rule) =>
      now.rules.some((old) => old.deny && covers(old.identities, rule.identities, isKnown) && allowsAtLeast(old, rule)),
    );
  return keptAllows && hadDenies;
}
