import { Limits } from "../model/limits.ts";
import type { Direction } from "../model/verdict.ts";
import { ComputedPolicy } from "./computed-policy.ts";
import { DirectionPolicy } from "./direction-policy.ts";
import type { NamedPortsOf } from "./named-ports.ts";
import type { Repository } from "./repository.ts";
import { type ResolveOptions, rulesFor, type Subject, stanceOf } from "./stance.ts";

const NO_PORTS: NamedPortsOf = () => [];

/**
 * Computes what the datapath and the proxy must enforce for an endpoint now. In the order of tier and priority the first
 * rule that matches decides, deny before redirect before allow; a pass leaves the decision to the next tier; where nothing
 * matches and default deny is on, traffic is denied. `namedPorts` = those of the pods that have an identity, for egress.
 * `unchanged` = directions of the subject's last policy that no rule has changed since. Throws PolicyConflict when rules cannot be enforced together, and an Error when the map would be too large; what was in
 * force must then stay.
 */
export function resolveEndpointPolicy(
  repository: Repository,
  subject: Subject,
  namedPorts: NamedPortsOf = NO_PORTS,
  options: ResolveOptions = {},
  unchanged: Partial<Record<Direction, DirectionPolicy>> = {},
): ComputedPolicy {
  const rules = rulesFor(repository, subject);
  const surroundings = { repository, subjectPorts: subject.namedPorts, portsOf: namedPorts };
  const directionOf = (direction: Direction) =>
    unchanged[direction] ??
    new DirectionPolicy(direction, stanceOf(direction, repository, subject, rules, options), surroundings);
  const policy = new ComputedPolicy(repository.revision, directionOf("ingress"), directionOf("egress"));
  const count = policy.entryCount;
  if (count > Limits.PolicyMapEntries) {
    throw new Error(
      `the policy needs ${count} map entries; at most ${Limits.PolicyMapEntries}: select fewer peers or ports`,
    );
  }
  return policy;
}
