import { Limits } from "../model/limits.ts";
import { DIRECTIONS, type Direction } from "../model/verdict.ts";
import { ComputedPolicy } from "./computed-policy.ts";
import { directionPolicyOf, patchedDirection, type RenewedDirection, renewedDirection } from "./direction-policy.ts";
import type { NamedPortsOf } from "./named-ports.ts";
import type { CompiledRule, Repository } from "./repository.ts";
import type { SidesChange } from "./rule-change.ts";
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
  const surroundings = { repository, subjectPorts: subject.namedPorts, portsOf: namedPorts };
  const rules = rulesFor(repository, subject);
  const directionOf = (direction: Direction) =>
    directionPolicyOf(direction, stanceOf(direction, repository, subject, rules, options), surroundings);
  return checked(new ComputedPolicy(repository.revision, directionOf("ingress"), directionOf("egress")));
}

/** A policy after a change of rules. */
export interface Renewal {
  readonly policy: ComputedPolicy;
  /** What became of the directions that the rules speak of. */
  readonly directions: Readonly<Partial<Record<Direction, RenewedDirection>>>;
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
  earlier: ComputedPolicy,
  changes: SidesChange,
): Renewal {
  const directions: { -readonly [D in Direction]?: RenewedDirection } = {};
  let rules: CompiledRule[] | undefined;
  for (const direction of DIRECTIONS) {
    const change = changes[direction];
    if (change === undefined) continue;
    const last = { earlier: earlier[direction], change };
    let renewed = patchedDirection(last, repository.selectors);
    if (renewed === undefined) {
      rules ??= rulesFor(repository, subject);
      const stance = stanceOf(direction, repository, subject, rules, options);
      const surroundings = { repository, subjectPorts: subject.namedPorts, portsOf: namedPorts };
      renewed = renewedDirection(last, stance, surroundings);
    }
    directions[direction] = renewed;
  }
  const ingress = directions.ingress?.policy ?? earlier.ingress;
  const egress = directions.egress?.policy ?? earlier.egress;
  return { policy: checked(new ComputedPolicy(repository.revision, ingress, egress)), directions };
}

function checked(policy: ComputedPolicy): ComputedPolicy {
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
