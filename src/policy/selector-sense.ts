import { isSecurityRelevant } from "../model/label-filter.ts";
import type { Requirement } from "../model/selector.ts";

/** Text of a source and key as a user writes them. */
function keyText({ source, key }: Requirement): string {
  return source === "any" ? key : `${source}:${key}`;
}

function applies(general: Requirement, particular: Requirement): boolean {
  return general.key === particular.key && (general.source === "any" || general.source === particular.source);
}

/** Values that a label of the requirement's key may have; undefined = any value. An identity has one label a key. */
function allowedValues(of: Requirement, all: readonly Requirement[]): ReadonlySet<string> | undefined {
  let allowed: ReadonlySet<string> | undefined;
  for (const { key, operator, values } of all) {
    if (key !== of.key || operator !== "In") continue;
    const wanted = new Set(values);
    allowed = allowed === undefined ? wanted : new Set([...allowed].filter((value) => wanted.has(value)));
  }
  return allowed;
}

/** Why no labels can meet all of the requirements; undefined when some can. */
export function contradiction(requirements: readonly Requirement[]): string | undefined {
  for (const positive of requirements) {
    if (positive.source === "cidr" || (positive.operator !== "In" && positive.operator !== "Exists")) continue;
    const against = requirements.filter((other) => applies(other, positive));
    if (against.some(({ operator }) => operator === "DoesNotExist"))
      return `${keyText(positive)} must exist and must not exist`;
    const allowed = allowedValues(positive, requirements);
    if (allowed === undefined) continue;
    const excluded = against.filter(({ operator }) => operator === "NotIn").flatMap(({ values }) => values);
    if ([...allowed].every((value) => excluded.includes(value))) return `no value of ${keyText(positive)} is left`;
  }
  return undefined;
}

/** Keys of pods' labels that are not part of an identity, so that a selector never sees them. */
export function unseenKeys(requirements: readonly Requirement[]): string[] {
  return requirements
    .filter(({ source }) => source === "any" || source === "k8s")
    .filter(({ source, key }) => !isSecurityRelevant({ source, key, value: "" }))
    .map(keyText);
}
