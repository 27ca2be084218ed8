import { protocolName } from "../model/protocol.ts";
import { type LookupQuery, type LookupResult, lookup } from "./lookup.ts";
import type { EndpointPolicy, RuleOrigin } from "./policy-map.ts";

/** A verdict with the rules behind it. */
export interface Explanation extends LookupResult {
  /** Rules that decided; for a default deny, those that turned it on. */
  readonly rules: readonly RuleOrigin[];
  /** One sentence for a person. */
  readonly text: string;
}

/** `CiliumNetworkPolicy default/rule1 spec.ingress[0]`; a built-in rule by its name. */
export function originName({ kind, namespace, name, path }: RuleOrigin): string {
  if (kind === "") return path;
  return `${kind} ${namespace === "" ? name : `${namespace}/${name}`} ${path}`;
}

const DECIDED = { allow: "allowed by", deny: "denied by", redirect: "sent to the proxy by" } as const;

/** Looks the query up and says which rules decided. */
export function explain(policy: EndpointPolicy, query: LookupQuery): Explanation {
  const result = lookup(policy, query);
  const rules = policy.origins[result.origin] ?? [];
  const names = rules.map(originName).join(", ");
  const flow = `${query.direction} ${query.direction === "ingress" ? "from" : "to"} identity ${query.identity} on ${protocolName(query.protocol)} ${query.port}`;
  const because =
    result.entry === undefined
      ? `denied: no rule allows it, and default deny is on by ${names}`
      : `${DECIDED[result.verdict]} ${names}`;
  return { ...result, rules, text: `${flow} is ${because}` };
}
