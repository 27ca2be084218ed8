import type { Labels } from "../model/label.ts";
import { selects } from "../model/selector.ts";
import type { Direction } from "../model/verdict.ts";
import type { ComputedPolicy, EntryChanges } from "./computed-policy.ts";
import type { NamedPortsOf } from "./named-ports.ts";
import type { Repository } from "./repository.ts";
import { type LastPolicy, resolveEndpointPolicy, tooLarge } from "./resolve.ts";
import type { PolicyKey, Rule } from "./rule.ts";
import type { IdentityChange, Selection } from "./selector-cache.ts";
import type { ResolveOptions, Subject } from "./stance.ts";

interface Shared {
  readonly key: string;
  readonly subject: Subject;
  readonly policy: ComputedPolicy;
  readonly selections: readonly Selection[];
  entryCount: number;
}

/** A dropped policy, of which the next one may take over what has not changed. */
interface Retired {
  readonly subject: Subject;
  readonly last: LastPolicy;
}

/** A policy that an identity's coming or going changed. */
export type PolicyUpdate =
  | {
      readonly subject: Subject;
      /** The policy as it is now. Absent `changes` = it was computed anew. */
      readonly policy: ComputedPolicy;
      readonly changes?: EntryChanges;
      readonly error?: undefined;
    }
  | {
      readonly subject: Subject;
      readonly policy?: undefined;
      readonly changes?: undefined;
      /** Why there is no policy now: what was in force must stay, and `policyOf` throws the same. */
      readonly error: Error;
    };

/** The labels too: a number may be given to other labels, and those of a node change. */
function keyOf({ identity, labels, namedPorts }: Subject): string {
  return JSON.stringify([identity, labels, namedPorts]);
}

/**
 * The policies of the endpoints of a node: endpoints with the same identity, labels and port names share one. Identities that
 * come and go change them in place; a policy object that changes drops those of the endpoints that it selects.
 */
export class PolicyCache {
  private readonly repository: Repository;
  private readonly namedPorts: NamedPortsOf;
  private readonly options: ResolveOptions;
  private readonly shared = new Map<string, Shared>();
  private readonly users = new Map<Selection, Set<Shared>>();
  /** Policies that every identity matters to. */
  private readonly followers = new Set<Shared>();
  /** Policies that were dropped for a change of rules: what they have in common with the next ones is not done again. */
  private readonly last = new Map<string, Retired>();
  private generation: number;

  constructor(repository: Repository, namedPorts: NamedPortsOf, options: ResolveOptions = {}) {
    this.repository = repository;
    this.namedPorts = namedPorts;
    this.options = options;
    this.generation = repository.selectors.generation;
  }

  /** Throws what `resolveEndpointPolicy` throws. */
  policyOf(subject: Subject): ComputedPolicy {
    this.checkGeneration();
    const key = keyOf(subject);
    return (this.shared.get(key) ?? this.compute(key, subject)).policy;
  }

  /** The last endpoint with this identity, labels and port names is gone: its policy is kept no longer. */
  release(subject: Subject): void {
    const key = keyOf(subject);
    const shared = this.shared.get(key);
    if (shared !== undefined) this.drop(shared);
    this.last.delete(key);
  }

  /** Adds or changes an identity. Returns the policies that it changed, one twice where the old labels counted too. */
  upsertIdentity(id: number, labels: Labels): PolicyUpdate[] {
    const { selectors } = this.repository;
    const updates = this.removeIdentity(id);
    const change = selectors.upsertIdentity(id, labels);
    return [...updates, ...this.apply(change, (policy) => policy.addIdentity(id, change))];
  }

  removeIdentity(id: number): PolicyUpdate[] {
    // What is not in use does not follow the identities.
    this.last.clear();
    const change = this.repository.selectors.removeIdentity(id);
    if (change === undefined) return [];
    const subjects = [...this.shared.values()].map(({ subject }) => subject);
    if (this.checkGeneration()) return subjects.map((subject) => this.computeAnew(keyOf(subject), subject));
    return this.apply(change, (policy) => policy.removeIdentity(id, change));
  }

  /** Replaces or, without rules, removes a policy object. Returns the subjects whose policies it may change. */
  replacePolicy(key: PolicyKey, rules: readonly Rule[] | undefined): Subject[] {
    const old = this.repository.rulesOf(key);
    if (rules === undefined) this.repository.remove(key);
    else this.repository.upsert(key, rules);
    const changed = [...old, ...(rules ?? [])];
    const isAffected = ({ subject }: { readonly subject: Subject }) =>
      changed.some((rule) => selects(rule.subject, subject.labels));
    const isSpokenOf = (direction: Direction) =>
      changed.some(({ elements }) => elements.some((element) => element.direction === direction));
    const [ingress, egress] = [isSpokenOf("ingress"), isSpokenOf("egress")];
    // Those of an earlier change that nobody has asked for since count as well.
    for (const [key, { subject, last }] of [...this.last].filter(([, each]) => isAffected(each)))
      this.last.set(key, { subject, last: changedBy(last, ingress, egress) });
    const affected = [...this.shared.values()].filter(isAffected);
    for (const each of affected) this.retire(each, ingress, egress);
    return affected.map(({ subject }) => subject);
  }

  /** Something that no single policy object says has changed: services, groups, port names. */
  clear(): void {
    this.shared.clear();
    this.users.clear();
    this.followers.clear();
    this.last.clear();
  }

  private retire(shared: Shared, ingress: boolean, egress: boolean): void {
    this.drop(shared);
    const { subject, policy } = shared;
    const last = {
      ingress: { policy: policy.ingress, isUnchanged: true },
      egress: { policy: policy.egress, isUnchanged: true },
    };
    this.last.set(shared.key, { subject, last: changedBy(last, ingress, egress) });
  }

  /** Rows were numbered anew: what holds them is of no use any more. True = everything was dropped. */
  private checkGeneration(): boolean {
    const { generation } = this.repository.selectors;
    if (generation === this.generation) return false;
    this.generation = generation;
    this.clear();
    return true;
  }

  private compute(key: string, subject: Subject): Shared {
    const last = this.last.get(key)?.last;
    this.last.delete(key);
    const policy = resolveEndpointPolicy(this.repository, subject, this.namedPorts, this.options, last);
    const selections = [...new Set([...policy.ingress.selections, ...policy.egress.selections])];
    const shared = { key, subject, policy, selections, entryCount: policy.entryCount };
    this.shared.set(key, shared);
    if (policy.followsEveryIdentity) this.followers.add(shared);
    for (const selection of selections) {
      const users = this.users.get(selection);
      if (users === undefined) this.users.set(selection, new Set([shared]));
      else users.add(shared);
    }
    return shared;
  }

  private drop(shared: Shared): void {
    this.shared.delete(shared.key);
    this.followers.delete(shared);
    for (const selection of shared.selections) {
      const users = this.users.get(selection);
      users?.delete(shared);
      if (users?.size === 0) this.users.delete(selection);
    }
  }

  private apply(change: IdentityChange, step: (policy: ComputedPolicy) => EntryChanges): PolicyUpdate[] {
    const affected = new Set<Shared>(this.followers);
    for (const selection of change.selections) for (const user of this.users.get(selection) ?? []) affected.add(user);
    const updates: PolicyUpdate[] = [];
    for (const shared of affected) {
      const { subject, policy, key } = shared;
      if (policy.isIncremental) updates.push(this.step(shared, step));
      else {
        this.drop(shared);
        updates.push(this.computeAnew(key, subject));
      }
    }
    return updates;
  }

  private step(shared: Shared, step: (policy: ComputedPolicy) => EntryChanges): PolicyUpdate {
    const { subject, policy } = shared;
    try {
      const changes = step(policy);
      shared.entryCount += changes.added.length - changes.removed.length;
      const error = tooLarge(shared.entryCount);
      if (error !== undefined) throw error;
      return { subject, policy, changes };
    } catch (error) {
      this.drop(shared);
      return { subject, error: error as Error };
    }
  }

  private computeAnew(key: string, subject: Subject): PolicyUpdate {
    try {
      return { subject, policy: this.compute(key, subject).policy };
    } catch (error) {
      return { subject, error: error as Error };
    }
  }
}

function changedBy({ ingress, egress }: LastPolicy, isIngress: boolean, isEgress: boolean): LastPolicy {
  return {
    ...(ingress && { ingress: { ...ingress, isUnchanged: ingress.isUnchanged && !isIngress } }),
    ...(egress && { egress: { ...egress, isUnchanged: egress.isUnchanged && !isEgress } }),
  };
}
