import { create } from "@bufbuild/protobuf";
import { type Flow, type Policy, PolicySchema, TrafficDirection } from "../../proto/gen/flow_pb.js";
import type { FlowContext, PolicyOrigin, RequestRules } from "./context.ts";

/** Label by which a flow's policy tells the rule inside the object, as in `shieldgate:rule=spec.ingress[0]`. */
export const RULE_LABEL = "shieldgate:rule";

function toPolicy(origin: PolicyOrigin, revision: number): Policy {
  return create(PolicySchema, {
    name: origin.name,
    namespace: origin.namespace,
    kind: origin.kind,
    labels: origin.path === "" ? [...origin.labels] : [...origin.labels, `${RULE_LABEL}=${origin.path}`],
    revision: BigInt(revision),
  });
}

interface Words {
  readonly revision: number;
  readonly policies: Policy[];
  readonly log: string[];
}

/** What the rules of a cookie come to in flows, as of the revision that was seen last. */
const words = new WeakMap<readonly PolicyOrigin[], Words>();

function wordsOf(origins: readonly PolicyOrigin[], revision: number): Words {
  const known = words.get(origins);
  if (known?.revision === revision) return known;
  const made: Words = {
    revision,
    policies: origins.map((origin) => toPolicy(origin, revision)),
    log: [...new Set(origins.flatMap(({ log }) => log ?? []))],
  };
  words.set(origins, made);
  return made;
}

/**
 * Writes the rules behind a cookie into the flow's list for its direction and outcome, and what they want logged. A refusal by default deny names
 * the rules that turned default deny on. Without a cookie or a direction nothing is written.
 */
export function attributePolicies(
  flow: Flow,
  decision: { readonly cookie: number; readonly revision: number; readonly denied: boolean; readonly matched: boolean },
  context: FlowContext,
): void {
  if (decision.cookie === 0) return;
  attributeRules(flow, { ...decision, origins: context.ruleOrigins(decision.cookie) }, decision.denied);
}

/** The same of rules that are known. */
export function attributeRules(flow: Flow, { origins, revision, matched }: RequestRules, denied: boolean): void {
  const { policies, log } = wordsOf(origins, revision);
  // A default deny is nobody's word: the rules that turned it on spoke of other traffic.
  if (matched) flow.policyLog = log;
  if (flow.trafficDirection === TrafficDirection.INGRESS) {
    if (denied) flow.ingressDeniedBy = policies;
    else flow.ingressAllowedBy = policies;
  } else if (flow.trafficDirection === TrafficDirection.EGRESS) {
    if (denied) flow.egressDeniedBy = policies;
    else flow.egressAllowedBy = policies;
  }
}
