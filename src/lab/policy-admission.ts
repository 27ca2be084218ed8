import { unenforceable } from "../agent/enforceable.ts";
import type { FieldError } from "../kube/status.ts";
import { type CidrGroupResult, type ParseResult, POLICY_KINDS, parseCidrGroup, parsePolicy } from "../policy/parse.ts";
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
  const warnings = read(object)?.warnings ?? [];
  // The usual way to close a namespace, in which Kubernetes sees nothing to be said.
  const told = object.kind === "NetworkPolicy" ? warnings.filter(({ topic }) => topic !== "default-deny") : warnings;
  return told.map(({ field, message }) => `${field}: ${message}`);
}

function engineErrors(object: { readonly kind?: unknown }): readonly PolicyFieldError[] {
  const result = read(object);
  if (result === undefined) return [];
  if (!result.ok) return result.errors;
  return "rules" in result ? unenforceable(result.rules) : [];
}

type Read = ParseResult | CidrGroupResult;

/** One object is asked about twice: for what is wrong with it, and for what is to be said of it. */
const known = new WeakMap<object, Read>();

/** Undefined = it is no policy. */
function read(object: { readonly kind?: unknown }): Read | undefined {
  const isGroup = object.kind === "CiliumCIDRGroup";
  if (!isGroup && !POLICY_KINDS.includes(String(object.kind))) return undefined;
  const result = known.get(object) ?? (isGroup ? parseCidrGroup(object) : parsePolicy(object));
  known.set(object, result);
  return result;
}
