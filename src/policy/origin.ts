import type { RuleOrigin } from "./policy-map.ts";
import type { PolicyKey, Rule } from "./rule.ts";

/** Rules that decided something, in a fixed order and each once. */
export type Origins = readonly RuleOrigin[];

const DERIVED_FROM = "reserved:io.cilium.policy.derived-from";

function builtIn(name: string): RuleOrigin {
  return { kind: "", namespace: "", name: "", labels: [`${DERIVED_FROM}=${name}`], path: name };
}

/** What decides without a policy's word; the names are Cilium's. */
export const BuiltInOrigin = {
  ingress: builtIn("allow-any-ingress"),
  egress: builtIn("allow-any-egress"),
  ingressDeny: builtIn("deny-any-ingress"),
  egressDeny: builtIn("deny-any-egress"),
  localhost: builtIn("allow-localhost-ingress"),
  alwaysEnforced: builtIn("always-enforced"),
} as const;

export function originOf(key: PolicyKey, labels: Rule["labels"], log: Rule["log"], path: string): RuleOrigin {
  const { kind, namespace, name } = key;
  return { kind, namespace, name, labels, path, ...(log === undefined ? {} : { log }) };
}

/** Equal text, equal rule. */
function originText({ kind, namespace, name, path }: RuleOrigin): string {
  return `${kind}\n${namespace}\n${name}\n${path}`;
}

/** Both lists as one, without repetition. An element of a rule has one origin object, so being the same is being equal. */
export function mergeOrigins(a: Origins, b: Origins): Origins {
  if (a === b) return a;
  const added = b.filter((origin) => !a.includes(origin));
  return added.length === 0 ? a : [...a, ...added];
}

/** Numbers lists of origins; equal lists (in whatever order) share a number. */
export class OriginTable {
  private readonly lists: Origins[] = [];
  /** By what was asked for, the only origin of a list instead of the list; and by the text of longer lists. */
  private readonly known = new Map<Origins | RuleOrigin | string, number>();

  indexOf(origins: Origins): number {
    const asked = origins.length === 1 ? origins[0]! : origins;
    const known = this.known.get(asked);
    if (known !== undefined) return known;
    const index = origins.length === 1 ? this.lists.push(origins) - 1 : this.indexOfLong(origins);
    this.known.set(asked, index);
    return index;
  }

  all(): readonly Origins[] {
    return this.lists;
  }

  private indexOfLong(origins: Origins): number {
    const sorted = [...origins].sort((a, b) => (originText(a) < originText(b) ? -1 : 1));
    const text = sorted.map(originText).join("\0");
    const index = this.known.get(text) ?? this.lists.push(sorted) - 1;
    this.known.set(text, index);
    return index;
  }
}
