import { protocolNumber } from "../../model/protocol.ts";
import { selects } from "../../model/selector.ts";
import type { Direction } from "../../model/verdict.ts";
import { PolicyConflict } from "../../policy/clause.ts";
import { lookup } from "../../policy/lookup.ts";
import { type PeerRule, Tier } from "../../policy/rule.ts";
import { endpointName, type LocatedRule } from "../cluster.ts";
import type { Workload } from "../workload.ts";
import { elementsOf, inPolicy, type LintContext, numbersOf, type Subject, subjectsOf } from "./context.ts";
import type { Finding } from "./finding.ts";

/** Pairs of workloads of one rule that are asked about. */
const MOST_PAIRS = 64;

/** Rules that allow what the other end refuses to every pair of workloads: a connection needs both. */
export function oneSidedRules(context: LintContext): Finding[] {
  return [...elementsOf(context)].flatMap(({ policy, rule, element }) => {
    if (element.verdict !== "allow" || element.tier !== Tier.Normal) return [];
    const selectors = element.peers.filter((peer) => peer.kind === "labels");
    const peers = context.subjects.filter(({ labels }) => selectors.some((selector) => selects(selector, labels)));
    const isPlain = selectors.length === element.peers.length && peers.length > 0;
    const pairs = subjectsOf(context, policy, rule).flatMap((own) =>
      peers.filter((peer) => peer !== own).map((peer) => ({ own, peer })),
    );
    if (!isPlain || pairs.length === 0 || pairs.length > MOST_PAIRS) return [];
    const other = element.direction === "ingress" ? "egress" : "ingress";
    const refusals = pairs.map(({ own, peer }) => refusal(context, other, peer, own, element));
    if (refusals.includes(undefined)) return [];
    const names = [...new Set(pairs.map(({ own, peer }) => nameAt(peer.workload, own.workload.namespace)))].join(", ");
    const by = refusals[0]!
      .map(({ policy: name, path, file, line }) => `${name} ${path}${file === undefined ? "" : ` (${file}:${line})`}`)
      .join(", ");
    const message = `allows what the other end refuses: ${names} may not at ${other}, by ${by}`;
    return [inPolicy("SG019", policy, element.path, message, `allow it in a policy for ${names} too`)];
  });
}

/** How somebody in the namespace calls it. */
function nameAt({ namespace, name }: Workload, here: string): string {
  return namespace === here ? name : `${namespace}/${name}`;
}

interface Place {
  readonly protocol: number;
  readonly port: number;
}

/** The ports of the pod that listens, as the element names them; where it names none, those that the pod declares. */
function portsOf(element: PeerRule, { workload }: Subject): Place[] {
  const declared = workload.ports.map(({ name, port, protocol }) => ({
    name: name?.toLowerCase(),
    port,
    protocol: protocolNumber(protocol)!,
  }));
  if (element.ports === undefined) return declared;
  const named = element.ports
    .flatMap(({ ports }) => ports)
    .flatMap(({ name, protocol }) =>
      declared.filter((each) => name !== undefined && each.name === name && each.protocol === protocol),
    );
  return [...numbersOf(element), ...named];
}

/** The rules by which the peer refuses every port of the element; undefined = it does not, or nobody knows the ports. */
function refusal(
  { cluster }: LintContext,
  direction: Direction,
  peer: Subject,
  own: Subject,
  element: PeerRule,
): LocatedRule[] | undefined {
  const somebody = ({ workload }: Subject) =>
    cluster.engine.world.find(`${workload.namespace}/${endpointName(workload)}`)!;
  const policy = cluster.engine.policyOf(somebody(peer));
  if (policy instanceof PolicyConflict) return undefined;
  const { identity } = somebody(own);
  const places = portsOf(element, element.direction === "ingress" ? own : peer);
  const results = places.map(({ protocol, port }) => lookup(policy, { direction, identity, protocol, port }));
  const isRefused = results.length > 0 && results.every(({ verdict }) => verdict === "deny");
  return isRefused ? results[0]!.origins.map((origin) => cluster.locate(origin)) : undefined;
}
