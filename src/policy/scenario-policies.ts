import { selects } from "../model/selector.ts";
import { PolicyConflict } from "./clause.ts";
import type { ComputedPolicy } from "./computed-policy.ts";
import { formatFieldError } from "./field.ts";
import { secretValue } from "./header-match-fault.ts";
import type { Secrets } from "./http-rule.ts";
import { parseCidrGroup, parsePolicy } from "./parse.ts";
import { readPolicyText } from "./policy-text.ts";
import { Repository, requiredCidrs, requiredFqdns, type StoredPolicy } from "./repository.ts";
import { resolveEndpointPolicy } from "./resolve.ts";
import type { FieldError } from "./rule.ts";
import type { Answer, Scenario } from "./scenario-format.ts";
import { ScenarioWorld, type Somebody } from "./scenario-world.ts";
import { SelectorCache } from "./selector-cache.ts";

function textOf(errors: readonly FieldError[]): string {
  return errors.map((error) => formatFieldError(error, "policy")).join("; ");
}

/** Policies that were parsed with the scenario's own configuration, by the objects that they were read from. */
export type ParsedPolicies = ReadonlyMap<unknown, StoredPolicy>;

/** All of the policies that says who is told apart outside the cluster. */
export function outsideFacts(repository: Repository): readonly string[] {
  return [...requiredCidrs(repository, { groups: false }), ...requiredFqdns(repository).map(({ text }) => text)];
}

/** Everything of a scenario but its questions: who there is, and what each of them enforces. */
export class ScenarioPolicies {
  readonly repository: Repository;
  readonly world: ScenarioWorld;
  readonly secrets: Secrets;
  /** Policies that cannot be used, each with why. */
  readonly refused: readonly Answer[];
  private readonly scenario: Omit<Scenario, "queries">;
  private readonly parsed: ParsedPolicies;
  private readonly policies = new Map<string, { subject: Somebody; policy: ComputedPolicy | PolicyConflict }>();

  /** `parsed` holds what of the policies was read already. */
  constructor(scenario: Omit<Scenario, "queries">, parsed: ParsedPolicies = new Map()) {
    this.scenario = scenario;
    this.parsed = parsed;
    const { cidrMatchMode = [], enableIPv4 = true, enableIPv6 = false } = scenario.config ?? {};
    const worldFamily = enableIPv4 && enableIPv6 ? 0 : enableIPv4 ? 4 : 6;
    const cidrsMatchNodes = cidrMatchMode.includes("nodes");
    this.repository = new Repository(new SelectorCache({ cidrsMatchNodes, worldFamily }));
    this.refused = scenario.policies.flatMap((policy, index) => this.addPolicy(policy, index));
    for (const service of scenario.services ?? []) this.repository.setService(service.namespace, service.name, service);
    this.world = new ScenarioWorld(scenario, this.repository);
    this.secrets = new Map(
      Object.entries(scenario.secrets ?? {}).flatMap(([name, items]): [string, string][] => {
        const value = secretValue(items);
        return value === undefined ? [] : [[name, value]];
      }),
    );
  }

  /** What it enforces, computed when it is first asked; a conflict where its rules contradict each other. */
  policyOf(subject: Somebody): ComputedPolicy | PolicyConflict {
    const key = `${subject.identity}/${subject.name}`;
    const known = this.policies.get(key)?.policy;
    if (known !== undefined) return known;
    const policy = this.resolve(subject);
    this.policies.set(key, { subject, policy });
    return policy;
  }

  /**
   * Policies go and come while everybody stays who they are. Only for policies that name the same prefixes and names as before
   * (`outsideFacts`): identities outside hang on these.
   */
  change(gone: readonly StoredPolicy[], come: readonly StoredPolicy[]): void {
    for (const { key } of gone) this.repository.remove(key);
    for (const { key, rules } of come) this.repository.upsert(key, rules);
    const rules = [...gone, ...come].flatMap((policy) => policy.rules);
    for (const [key, { subject }] of this.policies)
      if (rules.some((rule) => selects(rule.subject, subject.labels))) this.policies.delete(key);
  }

  private addPolicy(policy: unknown, index: number): Answer[] {
    const base = { scenario: this.scenario.id, id: "!policy", policy: index } as const;
    const invalid = (error: string): Answer => ({ ...base, verdict: "invalid", error });
    if (typeof policy !== "string") return this.addObject(policy, invalid);
    const read = readPolicyText(policy);
    if (!read.ok) return [invalid(read.errors.map(({ message }) => message).join("; "))];
    return read.documents.flatMap(({ value }) => this.addObject(value, invalid));
  }

  private addObject(object: unknown, invalid: (error: string) => Answer): Answer[] {
    const { clusterName, nodeSelectorLabels = false } = this.scenario.config ?? {};
    if ((object as { kind?: unknown } | null)?.kind === "CiliumCIDRGroup") {
      const parsed = parseCidrGroup(object);
      if (!parsed.ok) return [invalid(textOf(parsed.errors))];
      this.repository.setCidrGroup(parsed.group.name, parsed.group);
      return [];
    }
    const known = this.parsed.get(object);
    if (known !== undefined) {
      this.repository.upsert(known.key, known.rules);
      return [];
    }
    const result = parsePolicy(object, { nodeSelectorLabels, ...(clusterName === undefined ? {} : { clusterName }) });
    if (!result.ok) return [invalid(textOf(result.errors))];
    this.repository.upsert(result.key, result.rules);
    return [];
  }

  /** The same computed anew, for a repository that has changed since. */
  resolve(subject: Somebody): ComputedPolicy | PolicyConflict {
    const { policyMode = "default", allowLocalhost = "always", hostFirewall = false } = this.scenario.config ?? {};
    const options = { mode: policyMode, allowLocalhost: allowLocalhost !== "policy", hostFirewall };
    try {
      return resolveEndpointPolicy(this.repository, subject, this.world.namedPortsOf, options);
    } catch (error) {
      if (error instanceof PolicyConflict) return error;
      throw error;
    }
  }
}
