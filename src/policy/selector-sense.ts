import { isSecurityRelevant } from "../model/label-filter.ts";
import type { Requirement } from "../model/selector.ts";

/** Text of a source and key as a user writes them. */
function keyText({ source, key }: Requirement): string {
  return source === "any" ? key : `${source}:${key}`;
}

/** What requirements of one key, or of one source and key, leave. */
interface Leeway {
  mustNotExist: boolean;
  /** Values that the label may have; undefined = any value. An identity has one label a key. */
  allowed: ReadonlySet<string> | undefined;
  readonly excluded: Set<string>;
}

/** By key for every source, and by source and key. A selector may be hostile: each requirement is visited once. */
function leeways(requirements: readonly Requirement[]): Map<string, Leeway> {
  const found = new Map<string, Leeway>();
  const at = (text: string) => {
    const known = found.get(text) ?? { mustNotExist: false, allowed: undefined, excluded: new Set<string>() };
    found.set(text, known);
    return known;
  };
  for (const { source, key, operator, values } of requirements) {
    const own = at(`${source}:${key}`);
    if (operator === "DoesNotExist") own.mustNotExist = true;
    else if (operator === "NotIn") for (const value of values) own.excluded.add(value);
    else if (operator === "In") {
      const ofKey = at(key);
      const wanted = new Set(values);
      ofKey.allowed =
        ofKey.allowed === undefined ? wanted : new Set([...ofKey.allowed].filter((each) => wanted.has(each)));
    }
  }
  return found;
}

/** Why no labels can meet all of the requirements; undefined when some can. */
export function contradiction(requirements: readonly Requirement[]): string | undefined {
  const found = leeways(requirements);
  const seen = new Set<string>();
  for (const positive of requirements) {
    const { source, key, operator } = positive;
    const name = `${source}:${key}`;
    if (source === "cidr" || (operator !== "In" && operator !== "Exists") || seen.has(name)) continue;
    seen.add(name);
    const against = [found.get(name), found.get(`any:${key}`)];
    if (against.some((each) => each?.mustNotExist)) return `${keyText(positive)} must exist and must not exist`;
    const allowed = found.get(key)?.allowed;
    if (allowed === undefined) continue;
    const isExcluded = (value: string) => against.some((each) => each?.excluded.has(value));
    if ([...allowed].every(isExcluded)) return `no value of ${keyText(positive)} is left`;
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
