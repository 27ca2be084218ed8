import { unenforceable } from "../agent/enforceable.ts";
import type { FieldError } from "../kube/status.ts";
import { POLICY_KINDS, parseCidrGroup, parsePolicy } from "../policy/parse.ts";
import type { FieldError as PolicyFieldError } from "../policy/rule.ts";

/** What the engine says of a policy object: empty = it can be enforced as it is. Objects of other kinds pass. */
export function policyErrors(object: { readonly kind?: unknown }): FieldError[] {
  return engineErrors(object).map(({ field, message, mend, badValue }) => ({
    field,
    reason: "FieldValueInvalid",
    message: `${badValue === undefined ? "" : `Invalid value: ${JSON.stringify(badValue)}: `}${message}${mend === undefined ? "" : `; ${mend}`}`,
  }));
}

/** What is accepted of a policy object and means nothing, or not what its writer is likely to want; each with its field. */
export function policyAdvice(object: { readonly kind?: unknown }): string[] {
  const isGroup = object.kind === "CiliumCIDRGroup";
  if (!isGroup && !POLICY_KINDS.includes(String(object.kind))) return [];
  const { warnings } = isGroup ? parseCidrGroup(object) : parsePolicy(object);
  return warnings.map(({ field, message }) => `${field}: ${message}`);
}

function engineErrors(object: { readonly kind?: unknown }): readonly PolicyFieldError[] {
  if (object.kind === "CiliumCIDRGroup") {
    const group = parseCidrGroup(object);
    return group.ok ? [] : group.errors;
  }
  if (typeof object.kind !== "string" || !POLICY_KINDS.includes(object.kind)) return [];
  const parsed = parsePolicy(object);
  return parsed.ok ? unenforceable(parsed.rules) : parsed.errors;
}
