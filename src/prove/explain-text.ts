import type { Answer } from "./answer.ts";
import type { LocatedRule } from "./cluster.ts";
import type { CaseResult, SideResult } from "./explain.ts";

/** Rules of one kind that are shown; the JSON form has them all. */
const MOST_RULES = 6;

/** The answer for a person, several lines, each with its end. */
export function answerText({ verdict, missing, cases }: Answer): string {
  const differ =
    cases.length === 0 ||
    new Set(cases.map((each) => each.verdict)).size > 1 ||
    cases.some((each) => each.verdict !== verdict);
  const head = differ ? [`${verdict.toUpperCase()}: ${missing ?? "the cases differ"}`] : [];
  return [...head, ...cases.flatMap(caseLines)].map((line) => `${line}\n`).join("");
}

function caseLines({ from, to, protocol, port, verdict, missing, notes, egress, ingress }: CaseResult): string[] {
  const why = missing === undefined ? "" : `: missing is ${missing}`;
  const sides = [
    ...(egress === undefined
      ? [`  egress: ${from} is no endpoint here, nothing is enforced`]
      : sideLines("egress", egress)),
    ...(ingress === undefined
      ? [`  ingress: ${to} is no endpoint here, nothing is enforced`]
      : sideLines("ingress", ingress)),
  ];
  return [
    `${verdict.toUpperCase()}  ${from} -> ${to}  ${protocol} ${port}${why}`,
    ...notes.map((note) => `  note: ${note}`),
    ...sides,
  ];
}

function sideLines(direction: "ingress" | "egress", side: SideResult): string[] {
  const { endpoint, near, lost, requestRules, rules } = side;
  const builtIn = rules.every(({ policy }) => policy === "");
  const lines = [`  ${direction} of ${endpoint}: ${sideSentence(side, builtIn)}`];
  if (!builtIn) lines.push(...ruleLines(rules));
  if (requestRules.length > 0) lines.push("    the request by", ...ruleLines(requestRules));
  if (near.length > 0)
    lines.push("    nearly allowed by", ...some(near, (each) => [ruleLine(each), `        ${each.why}`]));
  const others = lost.filter((each) => each.rules.some(({ policy }) => policy !== ""));
  if (others.length > 0)
    lines.push("    matched as well", ...some(others, ({ rules, why }) => [...rules.map(ruleLine), `        ${why}`]));
  return lines;
}

function sideSentence(
  { verdict, enforced, redirected, byDefault, missing, requestRules }: SideResult,
  builtIn: boolean,
): string {
  if (!enforced) return "allowed, no policy speaks of it";
  if (verdict === "unknown")
    return redirected
      ? `unknown, the proxy judges the request; missing is ${missing}; sent there by`
      : `unknown, missing is ${missing}`;
  if (byDefault) return builtIn ? "denied, no rule allows it" : "denied, no rule allows it; default deny is on by";
  if (redirected)
    return requestRules.length === 0
      ? "denied, the proxy finds no rule that allows the request; sent there by"
      : `${verdict} by the proxy; sent there by`;
  return builtIn ? `${verdict}, as nothing else speaks of it` : `${verdict} by`;
}

function ruleLines(rules: readonly LocatedRule[]): string[] {
  return some(rules, (rule) => [ruleLine(rule)]);
}

function some<T>(all: readonly T[], linesOf: (each: T) => string[]): string[] {
  const rest = all.length - MOST_RULES;
  return [
    ...all.slice(0, MOST_RULES).flatMap(linesOf),
    ...(rest > 0 ? [`      … and ${rest} more (-o json has all)`] : []),
  ];
}

/** `      CiliumNetworkPolicy shop/cart  spec.ingress[0]  cart.yaml:12` */
function ruleLine({ policy, path, file, line }: LocatedRule): string {
  const parts = [policy, path, ...(file === undefined ? [] : [`${file}:${line}`])];
  return `      ${parts.filter((part) => part !== "").join("  ")}`;
}
