import { describe, expect, it } from "vitest";
import { parseCidr } from "../../src/model/cidr.ts";
import { cidrLabels } from "../../src/model/cidr-label.ts";
import { reservedIdentities } from "../../src/model/identity.ts";
import { type Labels, parseLabel, toLabels } from "../../src/model/label.ts";
import { PolicyConflict } from "../../src/policy/clause.ts";
import { type ComputedPolicy, spelledOut } from "../../src/policy/computed-policy.ts";
import type { NamedPortsOf } from "../../src/policy/named-ports.ts";
import { parsePolicy } from "../../src/policy/parse.ts";
import { PolicyCache, type PolicyUpdate } from "../../src/policy/policy-cache.ts";
import type { PolicyMapEntry } from "../../src/policy/policy-map.ts";
import { Repository } from "../../src/policy/repository.ts";
import { resolveEndpointPolicy } from "../../src/policy/resolve.ts";
import type { PolicyKey, Rule } from "../../src/policy/rule.ts";
import type { Subject } from "../../src/policy/stance.ts";
import { randomScenario } from "../support/policy-scenarios.ts";
import { Random } from "../support/policy-scenarios-random.ts";

const RUNS = Number(process.env["SG_PROPERTY_RUNS"] ?? 1000) / 10;
const STEPS = 40;
const PREFIXES = ["10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "192.0.2.0/24", "8.8.8.8/32", "2001:db8::/32"];
const APPS = ["a", "b", "c"];
const NAMED = { web: [80, 8080], dns: [53, 53] } as const;

function podLabels(random: Random): Labels {
  const namespace = random.pick(["ns1", "ns2"]);
  const texts = [
    `k8s:app=${random.pick(APPS)}`,
    ...(random.percent(50) ? [`k8s:team=${random.pick(["x", "y"])}`] : []),
    `k8s:io.kubernetes.pod.namespace=${namespace}`,
    `k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name=${namespace}`,
    `k8s:io.cilium.k8s.namespace.labels.env=${namespace === "ns1" ? "prod" : "dev"}`,
    `k8s:io.cilium.k8s.policy.cluster=${random.percent(90) ? "default" : "other"}`,
  ];
  return toLabels(texts.map(parseLabel));
}

/** Ports that an identity has for good: a name's number never changes while the identity lives. */
const portsOf: NamedPortsOf = (identity) =>
  identity < 256 || identity > 65_535 || identity % 3 === 0
    ? []
    : [
        { name: "web", port: NAMED.web[identity % 2]!, protocol: 6 },
        { name: "dns", port: NAMED.dns[0], protocol: 17 },
      ];

function entryText({ origin, ...entry }: PolicyMapEntry, policy: ComputedPolicy): string {
  const rules = policy.origins[origin]!.map(({ name, path }) => `${name} ${path}`);
  return JSON.stringify([entry, rules.sort()]);
}

function entryKey({ origin: _, ...entry }: PolicyMapEntry): string {
  return JSON.stringify(entry);
}

/** Undefined where rules contradict each other. */
function entriesOf(compute: () => ComputedPolicy): Set<string> | undefined {
  try {
    return new Set(compute().entries.map(entryKey));
  } catch (error) {
    if (error instanceof PolicyConflict) return undefined;
    throw error;
  }
}

/** A policy as text, or that its rules contradict each other. */
function textOf(compute: () => ComputedPolicy): string[] {
  try {
    const policy = compute();
    const entries = policy.entries.map((entry) => entryText(entry, policy));
    return [
      ...entries,
      ...policy.redirects.map((redirect) =>
        JSON.stringify({ ...redirect, rules: redirect.rules.map(({ origin: _, ...rule }) => rule) }),
      ),
    ].sort();
  } catch (error) {
    if (error instanceof PolicyConflict) return ["conflict"];
    throw error;
  }
}

/** The same world twice: one that follows every step, and what is known of it, to compute all anew. */
class World {
  readonly random: Random;
  readonly identities = new Map<number, Labels>(reservedIdentities());
  readonly policies = new Map<string, { readonly key: PolicyKey; readonly rules: readonly Rule[] }>();
  readonly repository = new Repository();
  readonly cache: PolicyCache;
  readonly subjects: readonly Subject[];
  private seed: number;
  private follow: (updates: readonly PolicyUpdate[]) => void = () => undefined;

  constructor(seed: number) {
    this.seed = seed;
    this.random = new Random(seed);
    this.cache = new PolicyCache(this.repository, portsOf);
    for (const [id, labels] of this.identities) this.cache.upsertIdentity(id, labels);
    this.subjects = [300, 301, 302].map((identity) => {
      const labels = podLabels(this.random);
      this.addIdentity(identity, labels);
      return { identity, labels, namedPorts: portsOf(identity) };
    });
  }

  step(follow: (updates: readonly PolicyUpdate[]) => void = () => undefined): void {
    this.follow = follow;
    const id = 310 + this.random.below(12);
    this.random.one([
      [4, () => this.addIdentity(id, podLabels(this.random))],
      [
        2,
        () =>
          this.addIdentity(
            16_777_217 + this.random.below(PREFIXES.length),
            cidrLabels(parseCidr(this.random.pick(PREFIXES))!),
          ),
      ],
      [2, () => this.removeIdentity(id)],
      [1, () => this.removeIdentity(16_777_217 + this.random.below(PREFIXES.length))],
      [4, () => this.replacePolicy()],
      [1, () => this.removePolicy()],
    ]);
  }

  fresh(subject: Subject): ComputedPolicy {
    const repository = new Repository();
    for (const [id, labels] of this.identities) repository.selectors.upsertIdentity(id, labels);
    for (const { key, rules } of this.policies.values()) repository.upsert(key, rules);
    return resolveEndpointPolicy(repository, subject, portsOf);
  }

  private addIdentity(id: number, labels: Labels): void {
    this.identities.set(id, labels);
    this.follow(this.cache.upsertIdentity(id, labels));
  }

  private removeIdentity(id: number): void {
    this.identities.delete(id);
    this.follow(this.cache.removeIdentity(id));
  }

  private replacePolicy(): void {
    for (const object of randomScenario(this.seed++, { isValid: true }).policies) {
      const parsed = parsePolicy(object);
      if (!parsed.ok) continue;
      this.policies.set(`${parsed.key.kind} ${parsed.key.namespace} ${parsed.key.name}`, parsed);
      this.follow(this.cache.replacePolicy(parsed.key, parsed.rules));
      return;
    }
  }

  private removePolicy(): void {
    const [id, policy] = [...this.policies][0] ?? [];
    if (id === undefined) return;
    this.policies.delete(id);
    this.follow(this.cache.replacePolicy(policy!.key, undefined));
  }
}

describe("policies that follow the world", { timeout: 120_000 }, () => {
  it("are what a fresh computation gives, whenever somebody asks", () => {
    for (let run = 0; run < RUNS; run++) {
      const world = new World(run * 1000);
      for (let step = 0; step < STEPS; step++) {
        world.step();
        for (const subject of world.subjects) {
          // What nobody asks for between two changes must not be forgotten.
          if (world.random.percent(40)) continue;
          const [followed, fresh] = [textOf(() => world.cache.policyOf(subject)), textOf(() => world.fresh(subject))];
          expect(followed, `run ${run}, step ${step}, subject ${subject.identity}`).toEqual(fresh);
        }
      }
    }
  });

  /** What a caller holds who asks once and then follows the updates alone. */
  it("can be followed by their updates alone", () => {
    for (let run = 0; run < RUNS; run++) {
      const world = new World(run * 1000 + 500_000);
      const [subject] = world.subjects as [Subject];
      let held = entriesOf(() => world.cache.policyOf(subject));
      const follow = (updates: readonly PolicyUpdate[]) => {
        for (const { subject: whose, policy, changes } of updates) {
          if (whose !== subject) continue;
          if (changes === undefined) held = policy === undefined ? undefined : entriesOf(() => policy);
          for (const entry of spelledOut(changes?.removed ?? [])) held?.delete(entryKey(entry));
          for (const entry of spelledOut(changes?.added ?? [])) held?.add(entryKey(entry));
        }
      };
      for (let step = 0; step < STEPS; step++) {
        world.step(follow);
        if (held !== undefined) expect([...held].sort()).toEqual([...entriesOf(() => world.fresh(subject))!].sort());
        else expect(() => world.fresh(subject)).toThrow(PolicyConflict);
      }
    }
  });

  it("say which entries an identity brought and took", () => {
    const repository = new Repository();
    const cache = new PolicyCache(repository, () => []);
    const labels = toLabels(
      ["k8s:app=a", "k8s:io.kubernetes.pod.namespace=ns1", "k8s:io.cilium.k8s.policy.cluster=default"].map(parseLabel),
    );
    const spec = { endpointSelector: {}, ingress: [{ fromEndpoints: [{ matchLabels: { app: "a" } }] }] };
    const parsed = parsePolicy({
      apiVersion: "cilium.io/v2",
      kind: "CiliumNetworkPolicy",
      metadata: { name: "p", namespace: "ns1" },
      spec,
    });
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.errors));
    cache.replacePolicy(parsed.key, parsed.rules);
    const subject = { identity: 256, labels, namedPorts: [] };
    const before = cache.policyOf(subject).entries.length;
    const [added] = cache.upsertIdentity(257, labels);
    expect(added?.changes?.added.map((run) => [run.identities, run.direction])).toEqual([[[257], "ingress"]]);
    expect(cache.policyOf(subject).entries).toHaveLength(before + 1);
    const [removed] = cache.removeIdentity(257);
    expect(removed?.changes?.removed.map(({ identities }) => identities)).toEqual([[257]]);
    expect(cache.policyOf(subject).entries).toHaveLength(before);
  });
});
