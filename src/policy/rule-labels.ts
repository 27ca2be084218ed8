import { compareText } from "../model/label.ts";
import type { Field } from "./field.ts";
import type { PolicyKey } from "./rule.ts";

/** A metadata label of a rule. */
export interface RuleLabel {
  readonly key: string;
  readonly value: string;
  readonly source: string;
}

const POLICY_PREFIX = "io.cilium.k8s.policy";

export function ruleLabelText({ key, value, source }: RuleLabel): string {
  return value === "" ? `${source}:${key}` : `${source}:${key}=${value}`;
}

/** Reads `labels` of a rule. */
export function parsePolicyLabels(value: unknown, at: Field): RuleLabel[] {
  return at.list(value, parseRuleLabel) ?? [];
}

function parseRuleLabel(value: unknown, at: Field): RuleLabel | undefined {
  const label = { key: "", value: "", source: "unspec" };
  const part = (name: keyof RuleLabel) => (content: unknown, field: Field) => {
    const text = field.text(content);
    if (text !== undefined && text !== "") label[name] = text;
  };
  const isRead = at.object(value, { key: part("key"), value: part("value"), source: part("source") });
  if (isRead && label.key === "") at.child("key").refuse("is required", "name the label");
  return isRead ? label : undefined;
}

/** Adds the labels that name the policy (source k8s); sorted. `name` is the policy's own or one that an annotation gives. */
export function policyLabels(policy: PolicyKey, name: string, own: readonly RuleLabel[] = []): RuleLabel[] {
  const named: [string, string][] = [
    ["derived-from", policy.kind],
    ["name", name],
    ...(policy.namespace === "" ? [] : [["namespace", policy.namespace] as [string, string]]),
    ["uid", policy.uid],
  ];
  const labels = named.map(([part, value]) => ({ key: `${POLICY_PREFIX}.${part}`, value, source: "k8s" }));
  return [...labels, ...own].sort((a, b) => compareText(ruleLabelText(a), ruleLabelText(b)));
}
