import type { Scenario } from "../../src/policy/scenario.ts";

/**
 * Leaves out of a scenario what it can, as long as the rest still fails: what is left is small enough to read.
 * `findFailing` gets many candidates at once, which is quick where another program judges, and says which still fails in
 * the same way: its index, or -1.
 */
export function minimalScenario(
  scenario: Scenario,
  findFailing: (candidates: readonly Scenario[]) => number,
): Scenario {
  let smallest: Scenario = scenario;
  for (;;) {
    const candidates = [...smaller(smallest)].map((candidate) => candidate as Scenario).filter(isWhole);
    const found = candidates[findFailing(candidates)];
    if (found === undefined) return smallest;
    smallest = found;
  }
}

function isWhole({ policies, endpoints, queries }: Scenario): boolean {
  const hasPolicies = Array.isArray(policies) && policies.every((policy) => typeof policy === "object");
  return (
    hasPolicies && Array.isArray(endpoints) && Array.isArray(queries) && queries.every(({ id }) => id !== undefined)
  );
}

/** The value with one element or field less, the outer ones first. */
function* smaller(value: unknown): Iterable<unknown> {
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) yield value.toSpliced(index, 1);
    for (const [index, element] of value.entries()) {
      for (const less of smaller(element)) yield value.with(index, less);
    }
  } else if (typeof value === "object" && value !== null) {
    const entries = Object.entries(value);
    for (const [field] of entries) yield Object.fromEntries(entries.filter(([other]) => other !== field));
    for (const [field, content] of entries) {
      for (const less of smaller(content)) yield { ...value, [field]: less };
    }
  }
}
