/** What the rules of a definition may cost at most, before any object: Kubernetes' estimate, limits and words. */
import type { Fields } from "../../object.ts";
import type { FieldError } from "../../status.ts";
import type { ruleCosts } from "../cel.ts";
import { forbiddenValue } from "../field-error.ts";
import type { SchemaNode } from "../node.ts";

const MOST_OF_RULE = 10_000_000;
const MOST_OF_ALL = 100_000_000;
/** A rule that costs less is not named when all together cost too much; of the others so many are. */
const WORTH_NAMING = MOST_OF_ALL / 100;
const NAMED = 4;
const MEND =
  "(try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)";

/** Whose rule it is. */
export interface Counted {
  readonly schema: SchemaNode;
  readonly isRoot: boolean;
  /** How often a value of the schema can be in an object; undefined = as often as a request has room for it. */
  readonly times: number | undefined;
}

function tooMuch(what: string, cost: number, limit: number): string {
  const factor = cost / limit;
  const shown = factor > 100 ? "more than 100x" : factor < 1.5 ? `${factor.toFixed(6)}x` : `${factor.toFixed(1)}x`;
  return `${what} exceeds budget by factor of ${shown} ${MEND}`;
}

/** What the rules of one schema cost together. */
export class RuleBudget {
  readonly #costs: NonNullable<ReturnType<typeof ruleCosts>>;
  readonly #isKnown: boolean;
  readonly #dear: { readonly path: string; readonly cost: number }[] = [];
  #total = 0;

  /** `isKnown`: rules are not judged one by one. */
  constructor(costs: NonNullable<ReturnType<typeof ruleCosts>>, isKnown: boolean) {
    this.#costs = costs;
    this.#isKnown = isKnown;
  }

  /** Counts a rule and the expression of its message, which can both be read; what is too dear about it by itself. */
  take(path: string, rule: Fields, { schema, isRoot, times }: Counted): FieldError[] {
    const isOptional = rule.optionalOldSelf === true;
    const costOf = (text: unknown) => this.#costs.ruleCost(String(text), schema, isOptional, isRoot);
    const often = times ?? this.#costs.mostValues(schema, isRoot);
    const own = costOf(rule.rule);
    const errors = this.#observe(`${path}.rule`, "estimated rule cost", own === 0 ? 0 : own * often);
    if (!rule.messageExpression) return errors;
    const said = costOf(rule.messageExpression);
    return [...errors, ...this.#observe(`${path}.messageExpression`, "estimated messageExpression cost", said)];
  }

  #observe(path: string, what: string, cost: number): FieldError[] {
    this.#total += cost;
    if (cost >= WORTH_NAMING) this.#dear.push({ path, cost });
    return cost > MOST_OF_RULE && !this.#isKnown ? [forbiddenValue(path, tooMuch(what, cost, MOST_OF_RULE))] : [];
  }

  /** What is too dear of all rules together; `path` is the schema's. */
  totalErrors(path: string): FieldError[] {
    if (this.#total <= MOST_OF_ALL) return [];
    const named = this.#dear.sort((a, b) => b.cost - a.cost).slice(0, NAMED);
    const why = "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema";
    const what = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema";
    return [
      ...named.map((rule) => forbiddenValue(rule.path, why)),
      forbiddenValue(path, tooMuch(what, this.#total, MOST_OF_ALL)),
    ];
  }
}
