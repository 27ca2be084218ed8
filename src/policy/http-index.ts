import { type HeaderCheck, headerChecks, meetsChecks } from "./http-header.ts";
import type { HttpRequestFacts } from "./http-request.ts";
import { formMatcher, type TextForm, textForms } from "./http-text.ts";
import { TextTrie } from "./http-trie.ts";
import type { HttpRule } from "./l7-rule.ts";

/** A rule without its `headerMatches` that need more than a look. */
export interface BaseRule {
  readonly rule: number;
  readonly method: readonly TextForm[] | undefined;
  readonly path: readonly TextForm[] | undefined;
  readonly host: readonly TextForm[] | undefined;
  readonly checks: readonly HeaderCheck[];
}

type RequestTest = (request: HttpRequestFacts) => boolean;

/** Methods that get an index of their own; requests of other methods share one. */
const MOST_METHODS = 16;

/** Throws what `textForms` throws. */
export function baseRules(rules: readonly HttpRule[]): readonly BaseRule[] {
  const known = new Map<string, readonly TextForm[]>();
  const forms = (expression: string | undefined) => {
    if (!expression) return undefined;
    const found = known.get(expression) ?? textForms(expression);
    known.set(expression, found);
    return found;
  };
  return rules.map((rule, index) => ({
    rule: index,
    method: forms(rule.method),
    path: forms(rule.path),
    host: forms(rule.host),
    checks: headerChecks(rule),
  }));
}

/** A test of the parts of a rule that are given; undefined when it would always be true. */
function testOf({ method, path, host, checks }: Omit<BaseRule, "rule">): RequestTest | undefined {
  const [hasMethod, hasPath, hasHost] = [method, path, host].map((forms) => forms && formMatcher(forms));
  const parts: RequestTest[] = [];
  if (hasMethod !== undefined) parts.push((request) => hasMethod(request.method));
  if (hasPath !== undefined) parts.push((request) => hasPath(request.path));
  if (hasHost !== undefined) parts.push((request) => hasHost(request.host));
  if (checks.length > 0) parts.push((request) => meetsChecks(checks, request));
  const [first, ...others] = parts;
  if (first === undefined || others.length === 0) return first;
  return (request) => first(request) && others.every((test) => test(request));
}

/** Judges one rule without an index. */
export function baseMatcher(rule: BaseRule): RequestTest {
  return testOf(rule) ?? (() => true);
}

/** The rules that apply to one method: by path where they have one, else by host, else one after another. */
class MethodIndex {
  private readonly byPath = new TextTrie<HttpRequestFacts>();
  private readonly byHost = new TextTrie<HttpRequestFacts>();
  private readonly others: { readonly rule: number; readonly test: RequestTest | undefined }[] = [];

  /** `rules` in ascending order. */
  constructor(rules: readonly BaseRule[]) {
    for (const rule of rules) {
      if (rule.path !== undefined) {
        this.byPath.add(rule.path, rule.rule, testOf({ ...rule, path: undefined }));
      } else if (rule.host !== undefined) {
        this.byHost.add(rule.host, rule.rule, testOf({ ...rule, host: undefined }));
      } else {
        this.others.push({ rule: rule.rule, test: testOf(rule) });
      }
    }
  }

  find(request: HttpRequestFacts, isAnyEnough: boolean): number {
    let best = Infinity;
    for (const { rule, test } of this.others) {
      if (test !== undefined && !test(request)) continue;
      best = rule;
      break;
    }
    if (isAnyEnough && best !== Infinity) return best;
    best = this.byPath.find(request.path, request, best, isAnyEnough);
    if (isAnyEnough && best !== Infinity) return best;
    return this.byHost.find(request.host, request, best, isAnyEnough);
  }
}

/** Finds the rules that a request matches without trying them one by one. */
export class RuleIndex {
  private readonly byMethod = new Map<string, MethodIndex>();
  private readonly rest: MethodIndex;

  constructor(rules: readonly BaseRule[]) {
    const named = rules.map(({ method }) => exactTexts(method));
    const names = [...new Set(named.flatMap((texts) => texts ?? []))].slice(0, MOST_METHODS);
    for (const name of names) {
      const ofName = rules.filter(({ method }) => method === undefined || formMatcher(method)(name));
      this.byMethod.set(name, new MethodIndex(ofName.map((rule) => ({ ...rule, method: undefined }))));
    }
    const isNamed = (texts: readonly string[] | undefined) => texts?.every((text) => names.includes(text)) ?? false;
    this.rest = new MethodIndex(rules.filter((_, i) => !isNamed(named[i])));
  }

  /** The rule with the lowest index that matches, or with `isAnyEnough` any that does; Infinity = none. */
  find(request: HttpRequestFacts, isAnyEnough: boolean): number {
    return (this.byMethod.get(request.method) ?? this.rest).find(request, isAnyEnough);
  }
}

/** The only texts that match, or undefined when there are others. */
function exactTexts(forms: readonly TextForm[] | undefined): readonly string[] | undefined {
  return forms?.every(({ kind }) => kind === "exact") ? forms.map(({ prefix }) => prefix) : undefined;
}
