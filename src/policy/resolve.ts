import { Limits } from "../model/limits.ts";
import type { Direction } from "../model/verdict.ts";
import { ComputedPolicy } from "./computed-policy.ts";
import { DirectionPolicy } from "./direction-policy.ts";
import type { NamedPortsOf } from "./named-ports.ts";
import type { Repository } from "./repository.ts";
import { type ResolveOptions, rulesFor, type Subject, stanceOf } from "./stance.ts";

/** A direction of a policy that another one replaces; unchanged where no rule that speaks of it came or went. */
export type LastPolicy = Partial<
  Record<Direction, { readonly policy: DirectionPolicy; readonly isUnchanged: boolean }>
>;

const NO_PORTS: NamedPortsOf = () => [];

/**
 * Computes what the datapath and the proxy must enforce for an endpoint now. In the order of tier and priority the first
 * rule that matches decides, deny before redirect before allow; a pass leaves the decision to the next tier; where nothing
 * matches and default deny is on, traffic is denied. `namedPorts` = those of the pods that have an identity, for egress.
 * `last` = the subject's policy before, no longer in use, over the same identities. Throws PolicyConflict when rules cannot be
 * enforced together, and an Error when the map would be too large; what was in force must then stay.
 */
export function resolveEndpointPolicy(
  repository: Repository,
  subject: Subject,
  namedPorts: NamedPortsOf = NO_PORTS,
  options: ResolveOptions = {},
  last: LastPolicy = {},
): ComputedPolicy {
  const rules = rulesFor(repository, subject);
  const surroundings = { repository, subjectPorts: subject.namedPorts, portsOf: namedPorts };
  const directionOf = (direction: Direction) =>
    last[direction]?.isUnchanged === true
      ? last[direction].policy
      : new DirectionPolicy(
          direction,
          stanceOf(direction, repository, subject, rules, options),
          surroundings,
          last[direction]?.policy,
        );
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
