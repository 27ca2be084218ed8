import { formatCidr } from "../model/cidr.ts";
import { compareText, splitSource } from "../model/label.ts";
import type { Requirement, Selector } from "../model/selector.ts";
import { isSelectorByNumber } from "./entities.ts";
import type { Repository } from "./repository.ts";
import type { Rule } from "./rule.ts";
import type { RuleLabel } from "./rule-labels.ts";

/** A selector in use, as Cilium's API tells of it. */
export interface SelectorReport {
  readonly selector: string;
  /** Of the identities that it selects now, ascending. */
  readonly identities: readonly number[];
  /** How many elements of rules use it. */
  readonly users: number;
  /** The labels of each rule that uses it. */
  readonly labels: readonly (readonly RuleLabel[])[];
}

const extended = ({ source, key }: Requirement) => `${source}.${key}`;

/** One value that must be there is a label to Cilium, anything else an expression. */
const isLabel = ({ operator, values }: Requirement) => operator === "In" && values.length === 1;

/** As the generated code of Kubernetes' API prints a label selector; Cilium's keys have their source before a point. */
function labelSelectorText(requirements: readonly Requirement[]): string {
  const sorted = [...requirements].sort((a, b) => compareText(extended(a), extended(b)));
  const labels = sorted.filter(isLabel).map((one) => `${extended(one)}: ${one.values[0]},`);
  const expressions = sorted
    .filter((one) => !isLabel(one))
    .map(
      (one) =>
        `LabelSelectorRequirement{Key:${extended(one)},Operator:${one.operator},Values:[${one.values.join(" ")}],},`,
    );
  const lists = `MatchLabels:map[string]string{${labels.join("")}},MatchExpressions:[]LabelSelectorRequirement{${expressions.join("")}},`;
  return `&LabelSelector{${lists}}`;
}

function groupText(requirements: readonly Requirement[]): string {
  const [first] = requirements;
  if (requirements.length !== 1 || first?.operator !== "Exists") return labelSelectorText(requirements);
  return `${first.source}:${first.key}`;
}

/** The selector as `cilium policy selectors` prints it. */
export function selectorText(selector: Selector): string {
  const exceptText = (except: Parameters<typeof formatCidr>[0][]) =>
    except.length === 0 ? "" : `-[${except.map(formatCidr).join(",")}]`;
  switch (selector.kind) {
    case "labels":
      return labelSelectorText(selector.requirements);
    case "fqdn":
      return `MatchName: ${selector.matchName ?? ""}, MatchPattern: ${selector.matchPattern ?? ""}`;
    case "cidr":
      return `cidr:${formatCidr(selector.cidr)}${exceptText([...selector.except])}`;
    case "cidrGroup":
      return groupText(selector.requirements) + exceptText([...selector.except]);
  }
}

function ruleLabel(text: string): RuleLabel {
  const { source, rest } = splitSource(text);
  const at = rest.indexOf("=");
  return at < 0 ? { key: rest, value: "", source } : { key: rest.slice(0, at), value: rest.slice(at + 1), source };
}

type SelectorsOf = (rule: Rule) => readonly Selector[];

function reports(repository: Repository, selectorsOf: SelectorsOf): SelectorReport[] {
  const found = new Map<string, { readonly selector: Selector; users: number; readonly rules: Set<Rule> }>();
  for (const { rules } of repository.list()) {
    for (const rule of rules) {
      for (const selector of selectorsOf(rule)) {
        const known = found.get(selector.text) ?? { selector, users: 0, rules: new Set<Rule>() };
        known.users++;
        known.rules.add(rule);
        found.set(selector.text, known);
      }
    }
  }
  return [...found.values()].map(({ selector, users, rules }) => ({
    selector: selectorText(selector),
    identities: [...repository.selectors.select(selector)].sort((a, b) => a - b),
    users,
    labels: [...rules].map(({ labels }) => labels.map(ruleLabel)),
  }));
}

/** Selectors of peers. */
export function peerSelectors(repository: Repository): SelectorReport[] {
  const peersOf = (rule: Rule) => rule.elements.flatMap(({ peers }) => peers);
  return reports(repository, (rule) =>
    peersOf(rule)
      .flatMap((peer) => repository.selectorsOf(peer))
      .filter((selector) => !isSelectorByNumber(selector)),
  );
}

/** Selectors of whom policies are about. */
export function subjectSelectors(repository: Repository): SelectorReport[] {
  return reports(repository, ({ subject }) => [subject]);
}
