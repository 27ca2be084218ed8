import type { FieldError } from "../kube/status.ts";
import { parseCiliumNetworkPolicy } from "../policy/parse.ts";

const POLICY_KINDS = new Set(["CiliumNetworkPolicy", "CiliumClusterwideNetworkPolicy"]);

/** What the engine says of a policy object: empty = it can be enforced as it is. Objects of other kinds pass. */
export function policyErrors(object: { readonly kind?: unknown }): FieldError[] {
  if (typeof object.kind !== "string" || !POLICY_KINDS.has(object.kind)) return [];
  const parsed = parseCiliumNetworkPolicy(object);
  if (parsed.ok) return [];
  return parsed.errors.map(({ field, message, mend, badValue }) => ({
    field,
    reason: "FieldValueInvalid",
    message: `${badValue === undefined ? "" : `Invalid value: ${JSON.stringify(badValue)}: `}${message}${mend === undefined ? "" : `; ${mend}`}`,
  }));
}
