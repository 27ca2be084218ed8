import type { ParseResult } from "../../src/policy/parse.ts";
import type { Rule } from "../../src/policy/rule.ts";

/** Requirements in one order and none twice, whatever the text said. */
function inOrder(_name: string, value: unknown): unknown {
  const { requirements, text, ...others } = (value ?? {}) as { requirements?: unknown; text?: string };
  if (!Array.isArray(requirements)) return value;
  return { ...others, requirements: [...new Set(requirements.map((each) => JSON.stringify(each)))].sort() };
}

/** What rules do, without where they stand and what they are called, as plain data. */
export function deedsOf(rules: readonly Rule[]): unknown {
  const deeds = rules.map(({ subject, isNode, elements, defaultDeny, log }) => ({
    subject,
    isNode,
    elements: elements.map(({ path, ...element }) => element),
    defaultDeny,
    log,
  }));
  return JSON.parse(JSON.stringify(deeds, inOrder));
}

/** The rules of a policy as Cilium's API prints them, as a policy; for every kind but ClusterNetworkPolicy. */
export function apiAsPolicy({ key, rules }: Extract<ParseResult, { ok: true }>): unknown {
  const isClusterwide = key.namespace === "";
  return {
    apiVersion: "cilium.io/v2",
    kind: isClusterwide ? "CiliumClusterwideNetworkPolicy" : "CiliumNetworkPolicy",
    metadata: { name: key.name, ...(isClusterwide ? {} : { namespace: key.namespace }) },
    specs: JSON.parse(JSON.stringify(rules.map(({ api }) => api))) as unknown,
  };
}
