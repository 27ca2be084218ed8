import { describe, expect, it } from "vitest";
import { reservedIdentities } from "../../src/model/identity.ts";
import { type Labels, parseLabel, toLabels } from "../../src/model/label.ts";
import { type ComputedPolicy, spelledOut } from "../../src/policy/computed-policy.ts";
import { parsePolicy } from "../../src/policy/parse.ts";
import { PolicyCache } from "../../src/policy/policy-cache.ts";
import type { PolicyMapEntry } from "../../src/policy/policy-map.ts";
import { Repository } from "../../src/policy/repository.ts";
import { resolveEndpointPolicy } from "../../src/policy/resolve.ts";
import type { PolicyKey, Rule } from "../../src/policy/rule.ts";
import { Random } from "../support/policy-scenarios-random.ts";

const RUNS = Number(process.env["SG_PROPERTY_RUNS"] ?? 1000) / 50;
const STEPS = 60;
const POLICIES = 14;
const SUBJECTS = 6;
const PODS = 40;

function podLabels(random: Random): Labels {
  const namespace = random.pick(["ns1", "ns2"]);
  const texts = [
    `k8s:app=${random.pick(["a", "b", "c", "d"])}`,
    `k8s:team=${random.pick(["x", "y", "z"])}`,
    `k8s:io.kubernetes.pod.namespace=${namespace}`,
    `k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name=${namespace}`,
    "k8s:io.cilium.k8s.policy.cluster=default",
  ];
  return toLabels(texts.map(parseLabel));
}

function peer(random: Random): object {
  const matchLabels = { app: random.pick(["a", "b", "c", "d"]), ...(random.percent(70) ? { team: "x" } : {}) };
  return random.percent(90) ? { matchLabels } : { matchLabels: { team: random.pick(["x", "y"]) } };
}

function element(random: Random, side: "from" | "to", isDeny: boolean): object {
  const port = random.pick(["80", "81", ...(random.percent(5) ? ["web"] : [])]);
  const rules = !isDeny && random.percent(15) ? { rules: { http: [{ method: random.pick(["GET", "PUT"]) }] } } : {};
  const toPorts = [{ ports: [{ port, protocol: "TCP" }], ...rules }];
  const auth = !isDeny && random.percent(2) ? { authentication: { mode: "required" } } : {};
  const peers = random.percent(95)
    ? { [`${side}Endpoints`]: [peer(random), ...(random.percent(30) ? [peer(random)] : [])] }
    : {};
  return { ...peers, ...(random.percent(85) ? { toPorts } : {}), ...auth };
}

function section(random: Random): object {
  const isDeny = random.percent(15);
  const direction = random.percent(70) ? "ingress" : "egress";
  const elements = Array.from({ length: random.pick([1, 1, 2]) }, () =>
    element(random, direction === "ingress" ? "from" : "to", isDeny),
  );
  return { [isDeny ? `${direction}Deny` : direction]: elements };
}

function policy(random: Random, index: number): object {
  const spec = () => ({
    endpointSelector: random.percent(40) ? {} : { matchLabels: { team: random.pick(["x", "y"]) } },
    ...section(random),
    ...(random.percent(20) ? section(random) : {}),
    ...(random.percent(10) ? { enableDefaultDeny: { ingress: false, egress: random.percent(50) } } : {}),
  });
  const isWide = index % 2 === 0;
  return {
    apiVersion: "cilium.io/v2",
    kind: isWide ? "CiliumClusterwideNetworkPolicy" : "CiliumNetworkPolicy",
    metadata: { name: `p${index}`, ...(isWide ? {} : { namespace: random.pick(["ns1", "ns2"]) }) },
    ...(random.percent(85) ? { spec: spec() } : { specs: [spec(), spec()] }),
  };
}

function originText(policy: ComputedPolicy, origin: number): string {
  return JSON.stringify((policy.origins[origin] ?? []).map(({ name, path }) => `${name} ${path}`).sort());
}

function entryText(policy: ComputedPolicy, { origin, ...entry }: PolicyMapEntry): string {
  return JSON.stringify([entry, originText(policy, origin)]);
}

/** Everything that a policy says, in no order. */
function textOf(policy: ComputedPolicy): unknown[] {
  const rulesOf = (origin: number) => originText(policy, origin);
  const entries = policy.entries.map((entry) => entryText(policy, entry)).sort();
  const redirects = policy.redirects.map(({ key, rules }) => [key, rules.map(({ origin: _, ...rule }) => rule)]).sort();
  return [entries, redirects, rulesOf(policy.ingressDefaultOrigin), rulesOf(policy.egressDefaultOrigin)];
}

function keyOf({ origin: _, ...entry }: PolicyMapEntry): string {
  return JSON.stringify(entry);
}

/** Policies as most are, that change while many endpoints share what they say. */
class World {
  readonly repository = new Repository();
  readonly cache = new PolicyCache(this.repository, () => []);
  readonly identities = new Map<number, Labels>(reservedIdentities());
  readonly policies = new Map<string, { readonly key: PolicyKey; readonly rules: readonly Rule[] }>();
  readonly random: Random;
  readonly subjects;

  constructor(seed: number) {
    this.random = new Random(seed);
    for (let id = 300; id < 300 + PODS; id++) this.identities.set(id, podLabels(this.random));
    for (const [id, labels] of this.identities) this.cache.upsertIdentity(id, labels);
    this.subjects = Array.from({ length: SUBJECTS }, (_, index) => {
      const identity = 300 + index;
      const namedPorts = index % 2 === 0 ? [] : [{ name: "web", port: 80, protocol: 6 }];
      return { identity, labels: this.identities.get(identity)!, namedPorts };
    });
    for (let index = 0; index < POLICIES; index++) this.replace(index);
  }

  replace(index: number) {
    const parsed = parsePolicy(policy(this.random, index));
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.errors));
    const id = `${parsed.key.namespace}/${parsed.key.name}`;
    this.policies.set(id, parsed);
    return this.cache.replacePolicy(parsed.key, parsed.rules);
  }

  remove() {
    const [id, known] = this.random.pick([...this.policies]);
    this.policies.delete(id);
    return this.cache.replacePolicy(known.key, undefined);
  }

  addPod() {
    const id = 300 + SUBJECTS + this.random.below(PODS);
    const labels = podLabels(this.random);
    this.identities.set(id, labels);
    return this.cache.upsertIdentity(id, labels);
  }

  step() {
    return this.random.percent(20)
      ? this.addPod()
      : this.random.percent(20)
        ? this.remove()
        : this.replace(this.random.below(POLICIES));
  }

  fresh(subject: World["subjects"][number]): ComputedPolicy {
    const repository = new Repository();
    for (const [id, labels] of this.identities) repository.selectors.upsertIdentity(id, labels);
    for (const { key, rules } of this.policies.values()) repository.upsert(key, rules);
    return resolveEndpointPolicy(repository, subject);
  }
}

describe("plain rules that change", { timeout: 120_000 }, () => {
  it("give every endpoint what a fresh computation gives, and tell what became of its entries", () => {
    let followed = 0;
    for (let run = 0; run < RUNS; run++) {
      const world = new World(run);
      const held = new Map(
        world.subjects.map((subject) => [subject.identity, new Set(world.cache.policyOf(subject).entries.map(keyOf))]),
      );
      for (let step = 0; step < STEPS; step++) {
        for (const { subject, policy, changes, error } of world.step()) {
          if (error !== undefined) throw error;
          const entries = changes === undefined ? new Set(policy.entries.map(keyOf)) : held.get(subject.identity)!;
          for (const entry of spelledOut(changes?.removed ?? [])) expect(entries.delete(keyOf(entry))).toBe(true);
          for (const entry of spelledOut(changes?.added ?? [])) entries.add(keyOf(entry));
          held.set(subject.identity, entries);
          if (changes === undefined) continue;
          followed++;
          const texts = new Set(policy.entries.map((entry) => entryText(policy, entry)));
          for (const entry of spelledOut(changes.added)) expect(texts.has(entryText(policy, entry))).toBe(true);
        }
        for (const subject of world.subjects) {
          const fresh = world.fresh(subject);
          const where = `run ${run}, step ${step}, subject ${subject.identity}`;
          expect([...held.get(subject.identity)!].sort(), where).toEqual(fresh.entries.map(keyOf).sort());
          if (world.random.percent(30)) expect(textOf(world.cache.policyOf(subject)), where).toEqual(textOf(fresh));
        }
      }
    }
    expect(followed).toBeGreaterThan(RUNS * STEPS);
  });

  it("leave a policy that was replaced as it was", () => {
    for (let run = 0; run < RUNS; run++) {
      const world = new World(run + 1000);
      const earlier = world.subjects.map((subject) => world.cache.policyOf(subject));
      const before = earlier.map((policy) =>
        [...policy.ingress.peers, ...policy.egress.peers].map(({ ids }) => [...ids]),
      );
      for (let step = 0; step < 8; step++) world.replace(world.random.below(POLICIES));
      expect(earlier.map((policy) => [...policy.ingress.peers, ...policy.egress.peers].map(({ ids }) => ids))).toEqual(
        before,
      );
    }
  });
});
