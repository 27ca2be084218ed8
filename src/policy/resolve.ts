import { Limits } from "../model/limits.ts";
import type { Direction } from "../model/verdict.ts";
import { ComputedPolicy } from "./computed-policy.ts";
import { directionPolicyOf, patchedDirectionPolicy } from "./direction-policy.ts";
import type { NamedPortsOf } from "./named-ports.ts";
import type { CompiledRule, Repository } from "./repository.ts";
import type { RuleChange } from "./rule-change.ts";
import { type ResolveOptions, rulesFor, type Subject, stanceOf } from "./stance.ts";

const NO_PORTS: NamedPortsOf = () => [];

/**
 * Computes what the datapath and the proxy must enforce for an endpoint now. In the order of tier and priority the first
 * rule that matches decides, deny before redirect before allow; a pass leaves the decision to the next tier; where nothing
 * matches and default deny is on, traffic is denied. `namedPorts` = those of the pods that have an identity, for egress.
 * Throws PolicyConflict when rules cannot be enforced together, and an Error when the map would be too large; what was in force
 * must then stay.
 */
export function resolveEndpointPolicy(
  repository: Repository,
  subject: Subject,
  namedPorts: NamedPortsOf = NO_PORTS,
  options: ResolveOptions = {},
): ComputedPolicy {
  return computeDirections(repository, subject, namedPorts, options);
}

/**
 * The same after a change of rules. What `earlier`, the subject's last policy over the same
 * identities, has in common with it is taken over; `earlier` can only be read from then on.
 */
export function renewEndpointPolicy(
  repository: Repository,
  subject: Subject,
  namedPorts: NamedPortsOf,
  options: ResolveOptions,
  last: { readonly earlier: ComputedPolicy; readonly change: RuleChange },
): ComputedPolicy {
  return computeDirections(repository, subject, namedPorts, options, last);
}

function computeDirections(
  repository: Repository,
  subject: Subject,
  portsOf: NamedPortsOf,
  options: ResolveOptions,
  last?: { readonly earlier: ComputedPolicy; readonly change: RuleChange },
): ComputedPolicy {
  let rules: CompiledRule[] | undefined;
  const changes = last?.change.of(subject);
  const surroundings = { repository, subjectPorts: subject.namedPorts, portsOf };
  const directionOf = (direction: Direction) => {
    const earlier = last?.earlier[direction];
    const change = changes?.[direction];
    if (earlier !== undefined && change === undefined) return earlier;
    const before = earlier && change && { earlier, change };
    const patched = before && patchedDirectionPolicy(before, repository.selectors);
    if (patched !== undefined) return patched;
    rules ??= rulesFor(repository, subject);
    const stance = stanceOf(direction, repository, subject, rules, options);
    return directionPolicyOf(direction, stance, surroundings, before);
  };
  const policy = new ComputedPolicy(repository.revision, directionOf("ingress"), directionOf("egress"));
  const error = tooLarge(policy.entryCount);
  if (error !== undefined) throw error;
  return policy;
}

/** The error of a policy with more entries than an endpoint's map may hold. */
export function tooLarge(count: number): Error | undefined {
  if (count <= Limits.PolicyMapEntries) return undefined;
  return new Error(
    `the policy needs ${count} map entries; at most ${Limits.PolicyMapEntries}: select fewer peers or ports`,
  );
}
