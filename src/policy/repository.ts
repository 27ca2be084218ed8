import { formatCidr } from "../model/cidr.ts";
import { compareText } from "../model/label.ts";
import type { Selector } from "../model/selector.ts";
import type { PolicyKey, Rule } from "./rule.ts";

/** A policy in force: its name and its rules. */
export interface StoredPolicy {
  readonly key: PolicyKey;
  readonly rules: readonly Rule[];
}

function idOf({ kind, namespace, name }: Omit<PolicyKey, "uid">): string {
  return `${kind}\n${namespace}\n${name}`;
}

/** Every policy that this agent knows and has accepted. */
export class Repository {
  private readonly policies = new Map<string, StoredPolicy>();
  private readonly byNamespace = new Map<string, Map<string, StoredPolicy>>();
  private count = 1;

  /** Grows with every change. */
  get revision(): number {
    return this.count;
  }

  /** Adds the policy or replaces the one with the same kind, namespace and name. */
  upsert(key: PolicyKey, rules: readonly Rule[]): void {
    const id = idOf(key);
    const policy = { key, rules };
    this.policies.set(id, policy);
    const siblings = this.byNamespace.get(key.namespace) ?? new Map<string, StoredPolicy>();
    this.byNamespace.set(key.namespace, siblings.set(id, policy));
    this.count++;
  }

  /** False when there was no such policy. */
  remove(key: Omit<PolicyKey, "uid">): boolean {
    const id = idOf(key);
    if (!this.policies.delete(id)) return false;
    const siblings = this.byNamespace.get(key.namespace);
    siblings?.delete(id);
    if (siblings?.size === 0) this.byNamespace.delete(key.namespace);
    this.count++;
    return true;
  }

  /** Every policy, sorted by name, so that results do not depend on the order of arrival. */
  list(): readonly StoredPolicy[] {
    return sorted(this.policies);
  }

  /** Policies that may select an endpoint of this namespace: the clusterwide ones and the namespace's own. */
  candidatesFor(namespace: string | undefined): readonly StoredPolicy[] {
    const clusterwide = sorted(this.byNamespace.get(""));
    return namespace === undefined ? clusterwide : [...clusterwide, ...sorted(this.byNamespace.get(namespace))];
  }

  /** The rules as `cilium policy get` prints them. */
  toApi(): unknown[] {
    return this.list().flatMap(({ rules }) => rules.map(({ api }) => api));
  }
}

function sorted(policies: ReadonlyMap<string, StoredPolicy> | undefined): StoredPolicy[] {
  return [...(policies ?? [])].sort(([a], [b]) => compareText(a, b)).map(([, policy]) => policy);
}

function prefixesOf(selector: Selector): string[] {
  if (selector.kind !== "cidr") return [];
  return [selector.cidr, ...selector.except].filter(({ length }) => length > 0).map(formatCidr);
}

/**
 * Prefixes that need an identity of their own (labels: `cidrLabels`) for the policies to be enforceable, exceptions
 * included; sorted. A prefix of length 0 is the world identity and is left out.
 */
export function requiredCidrs(repository: Repository): string[] {
  const found = new Set<string>();
  for (const { rules } of repository.list()) {
    for (const rule of rules) {
      for (const { peers } of rule.elements) for (const prefix of peers.flatMap(prefixesOf)) found.add(prefix);
    }
  }
  return [...found].sort(compareText);
}
