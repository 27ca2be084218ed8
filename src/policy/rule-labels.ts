import { compareText } from "../model/label.ts";
import type { Field } from "./field.ts";
import type { PolicyKey } from "./rule.ts";

/** A metadata label of a rule. */
export interface RuleLabel {
  readonly key: string;
  readonly value: string;
  readonly source: string;
}

/** Keys that every rule has, and how their labels begin: joined once, for every policy keeps the texts. */
const POLICY_KEYS = {
  kind: "io.cilium.k8s.policy.derived-from",
  name: "io.cilium.k8s.policy.name",
  namespace: "io.cilium.k8s.policy.namespace",
  uid: "io.cilium.k8s.policy.uid",
} as const;
const BEGINNINGS = new Map<string, string>(Object.values(POLICY_KEYS).map((key) => [key, `k8s:${key}=`]));

export function ruleLabelText({ key, value, source }: RuleLabel): string {
  if (value === "") return `${source}:${key}`;
  const beginning = source === "k8s" ? BEGINNINGS.get(key) : undefined;
  return beginning === undefined ? `${source}:${key}=${value}` : beginning + value;
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
  const label = (key: string, value: string) => ({ key, value, source: "k8s" });
  const named = [
    label(POLICY_KEYS.kind, policy.kind),
    label(POLICY_KEYS.name, name),
    ...(policy.namespace === "" ? [] : [label(POLICY_KEYS.namespace, policy.namespace)]),
    label(POLICY_KEYS.uid, policy.uid),
  ];
  if (own.length === 0) return named;
  return [...named, ...own].sort((a, b) => compareText(ruleLabelText(a), ruleLabelText(b)));
}
