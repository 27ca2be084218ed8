import {
  afterActions,
  type HeaderAction,
  type HeaderDemand,
  headerDemands,
  headerNames,
  inJudgingOrder,
  meetsDemand,
  type Secrets,
} from "./http-header.ts";
import { baseMatcher, baseRules, RuleIndex } from "./http-index.ts";
import type { HttpRequestFacts } from "./http-request.ts";
import type { HttpRule } from "./l7-rule.ts";

export { checkRegex } from "./http-regex.ts";
export type { HeaderAction, HttpRequestFacts, Secrets };
export { afterActions, headerNames };

/** Verdict on one request. */
export interface HttpJudgement {
  readonly allowed: boolean;
  /** Index of the first rule that matches; absent = none. */
  readonly rule?: number;
  /** What the rules want done to the headers, in order, also where none of them allows the request. */
  readonly actions: readonly HeaderAction[];
}

/** Says whether a request is allowed. Without `secrets` every secret counts as missing. */
export type HttpMatcher = (request: HttpRequestFacts, secrets?: Secrets) => boolean;

/** A matcher that `judgeHttpRules` can ask for more than yes or no. */
export interface CompiledHttpRules extends HttpMatcher {
  readonly judge: (request: HttpRequestFacts, secrets: Secrets | undefined) => HttpJudgement;
}

const REFUSED: HttpJudgement = { allowed: false, actions: [] };

/** The request must meet all of the rule's fields. Throws on an expression that `checkRegex` refuses. */
export function compileHttpRule(rule: HttpRule): CompiledHttpRules {
  return compileHttpRules([rule]);
}

/** Matches what any of the rules allows. Throws on an expression that `checkRegex` refuses. */
export function compileHttpRules(rules: readonly HttpRule[]): CompiledHttpRules {
  const demands = rules.map(headerDemands);
  if (demands.some(({ length }) => length > 0)) return compileActingRules(rules, demands);
  const index = new RuleIndex(baseRules(rules));
  const allowing = rules.map((_, rule): HttpJudgement => ({ allowed: true, rule, actions: [] }));
  const matcher: HttpMatcher = (request) => index.find(request, true) !== Infinity;
  return Object.assign(matcher, {
    judge: (request: HttpRequestFacts) => allowing[index.find(request, false)] ?? REFUSED,
  });
}

/** Judges a request by rules that `compileHttpRules` prepared; says too which rule matched and what is to be done to it. */
export function judgeHttpRules(
  compiled: CompiledHttpRules,
  request: HttpRequestFacts,
  secrets?: Secrets,
): HttpJudgement {
  return compiled.judge(request, secrets);
}

/**
 * Rules of which some act on headers: all are tried, in the order in which Cilium gives them to its proxy, because each sees
 * the headers as the ones before it left them. A rule that fails by a header still does what its other headers want.
 */
function compileActingRules(
  rules: readonly HttpRule[],
  demands: readonly (readonly HeaderDemand[])[],
): CompiledHttpRules {
  const matchers = baseRules(rules).map(baseMatcher);
  const ordered = inJudgingOrder(rules).map((index) => ({
    index,
    matches: matchers[index] ?? (() => false),
    demands: demands[index] ?? [],
  }));
  const judge = (request: HttpRequestFacts, secrets: Secrets | undefined): HttpJudgement => {
    const actions: HeaderAction[] = [];
    let facts = request;
    let first = Infinity;
    for (const rule of ordered) {
      if (!rule.matches(facts)) continue;
      let isMet = true;
      for (const demand of rule.demands) {
        const before = actions.length;
        if (!meetsDemand(demand, facts, secrets, actions)) isMet = false;
        facts = afterActions(facts, actions.slice(before));
      }
      if (isMet) first = Math.min(first, rule.index);
    }
    return first === Infinity ? { allowed: false, actions } : { allowed: true, rule: first, actions };
  };
  const matcher: HttpMatcher = (request, secrets) => judge(request, secrets).allowed;
  return Object.assign(matcher, { judge });
}
