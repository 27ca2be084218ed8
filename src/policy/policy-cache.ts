import type { Labels } from "../model/label.ts";
import { DIRECTIONS } from "../model/verdict.ts";
import { type ComputedPolicy, countOf, type EntryChanges } from "./computed-policy.ts";
import type { NamedPortsOf } from "./named-ports.ts";
import type { Repository } from "./repository.ts";
import { renewEndpointPolicy, resolveEndpointPolicy, tooLarge } from "./resolve.ts";
import type { PolicyKey, Rule } from "./rule.ts";
import { aboutWhich, RuleChange, type SidesChange } from "./rule-change.ts";
import type { IdentityChange, Selection } from "./selector-cache.ts";
import type { ResolveOptions, Subject } from "./stance.ts";

interface Shared {
  readonly key: string;
  readonly subject: Subject;
  policy: ComputedPolicy;
  entryCount: number;
}

/** A policy that a change of identities or rules changed. */
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
      /**
       * Why there is no policy now: what was in force must stay, and `policyOf` throws the same. It is computed again when rules
       * change that select the subject.
       */
      readonly error: Error;
    };

/**
 * The policies of the endpoints of a node: endpoints with the same identity, labels and port names share one. Identities that
 * come and go change them in place; where rules change they are replaced, and those replaced can only be read.
 */
export class PolicyCache {
  private readonly repository: Repository;
  private readonly namedPorts: NamedPortsOf;
  private readonly options: ResolveOptions;
  private readonly shared = new Map<string, Shared>();
  /** Who depends on a selection, in how many directions. */
  private readonly users = new Map<Selection, Map<Shared, number>>();
  /** Policies that every identity matters to. */
  private readonly followers = new Set<Shared>();
  /** Subjects whose rules cannot be enforced together. */
  private readonly failed = new Map<string, Subject>();
  private readonly keys = new WeakMap<Subject, string>();
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
    const key = this.keyOf(subject);
    return (this.shared.get(key) ?? this.compute(key, subject)).policy;
  }

  /** The last endpoint with this identity, labels and port names is gone: its policy is kept no longer. */
  release(subject: Subject): void {
    const key = this.keyOf(subject);
    const shared = this.shared.get(key);
    if (shared !== undefined) this.drop(shared);
    this.failed.delete(key);
  }

  /** Adds or changes an identity. Returns the policies that it changed, one twice where the old labels counted too. */
  upsertIdentity(id: number, labels: Labels): PolicyUpdate[] {
    const { selectors } = this.repository;
    const updates = this.removeIdentity(id);
    const change = selectors.upsertIdentity(id, labels);
    return [...updates, ...this.apply(change, (policy) => policy.addIdentity(id, change))];
  }

  removeIdentity(id: number): PolicyUpdate[] {
    const change = this.repository.selectors.removeIdentity(id);
    if (change === undefined) return [];
    const subjects = [...this.shared.values()].map(({ subject }) => subject);
    if (this.checkGeneration()) return this.computeAll(subjects);
    return this.apply(change, (policy) => policy.removeIdentity(id, change));
  }

  /** Replaces or, without rules, removes a policy object. Returns the policies of the subjects that it selects or selected. */
  replacePolicy(key: PolicyKey, rules: readonly Rule[] | undefined): PolicyUpdate[] {
    const { repository } = this;
    const changed = [...repository.rulesOf(key), ...(rules ?? [])];
    const affected: { readonly shared: Shared; readonly which: string }[] = [];
    for (const shared of this.shared.values()) {
      const which = aboutWhich(key, changed, shared.subject);
      if (which !== undefined) affected.push({ shared, which });
    }
    const gone = affected.length === 0 ? [] : repository.compiledRulesOf(key);
    if (rules === undefined) repository.remove(key);
    else repository.upsert(key, rules);
    const all = [...this.shared.values()];
    if (this.checkGeneration()) return this.computeAll([...all.map(({ subject }) => subject), ...this.failed.values()]);
    const failed = [...this.failed.values()].filter((subject) => aboutWhich(key, changed, subject) !== undefined);
    const change = new RuleChange(gone, affected.length === 0 ? [] : repository.compiledRulesOf(key), repository);
    return [...affected.map(({ shared, which }) => this.renew(shared, change.of(which))), ...this.computeAll(failed)];
  }

  /** Some identity's port names changed: policies that go by names of their peers are computed anew when they are asked for. */
  forgetPeerPorts(): void {
    for (const shared of [...this.shared.values()]) if (!shared.policy.isIncremental) this.drop(shared);
  }

  /** Something that no single policy object says has changed: services, groups, port names. */
  clear(): void {
    this.shared.clear();
    this.users.clear();
    this.followers.clear();
  }

  /** The labels too: a number may be given to other labels, and those of a node change. */
  private keyOf(subject: Subject): string {
    const known = this.keys.get(subject);
    if (known !== undefined) return known;
    const { identity, labels, namedPorts } = subject;
    const key = JSON.stringify([identity, labels, namedPorts]);
    this.keys.set(subject, key);
    return key;
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
    const { repository, namedPorts, options } = this;
    let policy: ComputedPolicy;
    try {
      policy = resolveEndpointPolicy(repository, subject, namedPorts, options);
    } catch (error) {
      this.failed.set(key, subject);
      throw error;
    }
    this.failed.delete(key);
    const shared = { key, subject, policy, entryCount: policy.entryCount };
    this.shared.set(key, shared);
    for (const direction of DIRECTIONS) this.follow(shared, policy[direction].selections);
    this.watch(shared);
    return shared;
  }

  private renew(shared: Shared, changes: SidesChange): PolicyUpdate {
    const { subject, policy: earlier } = shared;
    try {
      const { repository, namedPorts, options } = this;
      const { policy, directions } = renewEndpointPolicy(repository, subject, namedPorts, options, earlier, changes);
      shared.policy = policy;
      shared.entryCount = policy.entryCount;
      for (const direction of DIRECTIONS) {
        const selections = directions[direction]?.selections;
        if (selections === undefined) continue;
        this.follow(shared, selections.fresh);
        for (const selection of selections.gone) this.unfollow(shared, selection);
      }
      this.watch(shared);
      const entries = policy.changesOf(directions);
      return entries === undefined ? { subject, policy } : { subject, policy, changes: entries };
    } catch (error) {
      return this.fail(shared, error as Error);
    }
  }

  private fail(shared: Shared, error: Error): PolicyUpdate {
    this.drop(shared);
    this.failed.set(shared.key, shared.subject);
    return { subject: shared.subject, error };
  }

  /** Enters the policy under selections that it depends on. */
  private follow(shared: Shared, selections: readonly Selection[]): void {
    for (const selection of selections) {
      let users = this.users.get(selection);
      if (users === undefined) {
        users = new Map();
        this.users.set(selection, users);
      }
      users.set(shared, (users.get(shared) ?? 0) + 1);
    }
  }

  private watch(shared: Shared): void {
    if (shared.policy.followsEveryIdentity) this.followers.add(shared);
    else this.followers.delete(shared);
  }

  private unfollow(shared: Shared, selection: Selection): void {
    const users = this.users.get(selection)!;
    const uses = users.get(shared)! - 1;
    if (uses > 0) users.set(shared, uses);
    else users.delete(shared);
    if (users.size === 0) this.users.delete(selection);
  }

  private drop(shared: Shared): void {
    this.shared.delete(shared.key);
    this.followers.delete(shared);
    for (const direction of DIRECTIONS)
      for (const selection of shared.policy[direction].selections) this.unfollow(shared, selection);
  }

  private apply(change: IdentityChange, step: (policy: ComputedPolicy) => EntryChanges): PolicyUpdate[] {
    const affected = new Set<Shared>(this.followers);
    for (const selection of change.selections)
      for (const user of this.users.get(selection)?.keys() ?? []) affected.add(user);
    const updates: PolicyUpdate[] = [];
    for (const shared of affected) {
      const { subject, policy } = shared;
      if (policy.isIncremental) updates.push(this.step(shared, step));
      else {
        this.drop(shared);
        updates.push(...this.computeAll([subject]));
      }
    }
    return updates;
  }

  private step(shared: Shared, step: (policy: ComputedPolicy) => EntryChanges): PolicyUpdate {
    const { subject, policy } = shared;
    try {
      const changes = step(policy);
      shared.entryCount += countOf(changes.added) - countOf(changes.removed);
      const error = tooLarge(shared.entryCount);
      if (error !== undefined) throw error;
      return { subject, policy, changes };
    } catch (error) {
      return this.fail(shared, error as Error);
    }
  }

  private computeAll(subjects: readonly Subject[]): PolicyUpdate[] {
    return subjects.map((subject) => {
      try {
        return { subject, policy: this.compute(this.keyOf(subject), subject).policy };
      } catch (error) {
        return { subject, error: error as Error };
      }
    });
  }
}
