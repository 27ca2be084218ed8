import type { Direction } from "../model/verdict.ts";
import { type ApiContext, ruleToApi } from "./api-form.ts";
import { type Field, isObject } from "./field.ts";
import { parseElement, SECTIONS } from "./parse-element.ts";
import { warnOfSelector } from "./parse-peers.ts";
import { parseSelector, type WrittenSelector } from "./parse-selector.ts";
import { ReadRule } from "./read-rule.ts";
import type { PeerRule, PolicyKey, Rule } from "./rule.ts";
import { parsePolicyLabels, type RuleLabel } from "./rule-labels.ts";
import { hasKey, NAMESPACE_KEY, type Scope, scopeSubject, selectsInit, toLabelSelector } from "./scope.ts";

/** What a policy's rules need to know of the cluster. */
export interface Surroundings {
  readonly clusterName: string;
  /** Peers without a cluster in their selector are sought in this cluster alone. */
  readonly isLocalOnly: boolean;
  readonly nodeSelectorLabels: boolean;
}

interface Parts {
  labels: readonly RuleLabel[];
  readonly enable: Partial<Record<Direction, boolean>>;
  log: string;
}

const MOST_LOG_LENGTH = 32;
const NO_LABELS: readonly RuleLabel[] = [];

/** Reads `spec` and `specs` of Cilium's own kinds. */
export function parseCiliumRules(
  object: Record<string, unknown>,
  root: Field,
  key: PolicyKey,
  around: Surroundings,
): Rule[] {
  const { spec = null, specs = null } = object;
  if (spec === null && specs === null) root.child("spec").refuse("the policy is empty", "write `spec` or `specs`");
  const one = spec === null ? undefined : parseRule(spec, root.child("spec"), key, around);
  const read = (value: unknown, at: Field) => parseRule(value, at, key, around);
  const several = specs === null ? [] : (root.child("specs").list(specs, read) ?? []);
  return one === undefined ? several : [one, ...several];
}

function parseRule(value: unknown, at: Field, key: PolicyKey, around: Surroundings): Rule | undefined {
  const elements: PeerRule[] = [];
  const parts: Parts = { labels: NO_LABELS, enable: {}, log: "" };
  const subject = readSubject(value, at, key);
  const scope = scopeOf(key, subject, around);
  const sections = SECTIONS.map((section) => [
    section.name,
    (content: unknown, field: Field) => {
      const isNode = subject?.isNode ?? false;
      const read = (each: unknown, item: Field) => parseElement(each, item, section, scope, isNode);
      for (const element of field.list(content, read) ?? []) elements.push(element);
    },
  ]);
  const isRead = at.object(value, {
    endpointSelector: () => {},
    nodeSelector: () => {},
    ...Object.fromEntries(sections),
    ...partReaders(parts),
  });
  if (!isRead) return undefined;
  checkSections(value, at);
  if (subject === undefined) return undefined;
  const defaultDeny = {
    ingress: parts.enable.ingress ?? elements.some(({ direction }) => direction === "ingress"),
    egress: parts.enable.egress ?? elements.some(({ direction }) => direction === "egress"),
  };
  const { isNode } = subject;
  const selector = isNode ? subject.selector : scopeSubject(subject.selector, key.namespace);
  // The list was filled one by one, and has room to spare.
  const rule = { subject: toLabelSelector(selector), isNode, elements: elements.slice(), defaultDeny };
  const source = { key, name: key.name, own: parts.labels };
  const toApi = apiForm(value, { isNode, scope, defaultDeny });
  return new ReadRule(parts.log === "" ? rule : { ...rule, log: parts.log }, source, toApi);
}

/** Made here, so that nothing but this is kept with the rule. */
function apiForm(
  value: Record<string, unknown>,
  context: Omit<ApiContext, "labels">,
): (labels: readonly RuleLabel[]) => unknown {
  return (labels) => ruleToApi(value, { ...context, labels });
}

/** Readers of what a rule says beside its subject and its four lists. */
function partReaders(parts: Parts): Record<string, (value: unknown, at: Field) => void> {
  return {
    labels: (content, field) => {
      parts.labels = parsePolicyLabels(content, field);
    },
    enableDefaultDeny: (content, field) => readDefaultDeny(content, field, parts.enable),
    description: (content, field) => {
      field.text(content);
    },
    log: (content, field) => {
      field.object(content, {
        value: (text, item) => {
          parts.log = readLogValue(text, item);
        },
      });
    },
  };
}

function readLogValue(value: unknown, at: Field): string {
  const text = at.text(value) ?? "";
  if ([...text].length <= MOST_LOG_LENGTH && /^\P{C}*$/u.test(text)) return text;
  at.refuse("not a log value", `use at most ${MOST_LOG_LENGTH} printable characters`, text);
  return "";
}

function scopeOf(key: PolicyKey, subject: Subject | undefined, around: Surroundings): Scope {
  return {
    namespace: key.namespace,
    cluster: around.isLocalOnly ? around.clusterName : "",
    entityCluster: around.clusterName,
    selectsInit: subject !== undefined && !subject.isNode && selectsInit(subject.selector),
    nodeSelectorLabels: around.nodeSelectorLabels,
  };
}

interface Subject {
  readonly selector: WrittenSelector;
  readonly isNode: boolean;
}

/** Reads `endpointSelector` or `nodeSelector`, of which there must be one. */
function readSubject(rule: unknown, at: Field, { namespace }: PolicyKey): Subject | undefined {
  if (!isObject(rule)) return undefined;
  const { endpointSelector, nodeSelector } = rule;
  const isNode = (nodeSelector ?? null) !== null;
  const field = at.child(isNode ? "nodeSelector" : "endpointSelector");
  if (!isNode && (endpointSelector ?? null) === null) {
    field.refuse("is required", "write `endpointSelector: {}` for every pod");
    return undefined;
  }
  if (isNode && (endpointSelector ?? null) !== null)
    field.refuse("cannot stand beside endpointSelector", "write one rule for each");
  if (isNode && namespace !== "")
    field.refuse("selects nodes, which have no namespace", "use a clusterwide policy", "matches-nothing");
  const selector = parseSelector(isNode ? nodeSelector : endpointSelector, field);
  if (selector === undefined) return undefined;
  if (!isNode) warnOfSubject(selector, field, namespace);
  return { selector, isNode };
}

function warnOfSubject(selector: WrittenSelector, at: Field, namespace: string): void {
  const written = selector.matchLabels.get(NAMESPACE_KEY);
  if (namespace !== "" && written !== undefined && written !== namespace)
    at.warn(`namespace ${written} has no effect: the policy is for its own namespace, ${namespace}`);
  if (namespace !== "" && hasKey(selector, (key) => key.startsWith("reserved:")))
    at.warn("selects nothing: what has reserved labels is in no namespace; use a clusterwide policy");
  else warnOfSelector(toLabelSelector(scopeSubject(selector, namespace)), at);
}

/** A rule without a single element says nothing and is a mistake. */
function checkSections(rule: Record<string, unknown>, at: Field): void {
  const isFilled = SECTIONS.some(
    ({ name }) => !Array.isArray(rule[name] ?? []) || (rule[name] as unknown[] | null)?.length,
  );
  if (isFilled) return;
  at.refuse(
    "a rule needs at least one of ingress, ingressDeny, egress, egressDeny",
    "to deny all ingress write `ingress: [{}]`",
  );
}

function readDefaultDeny(value: unknown, at: Field, enable: Parts["enable"]): void {
  const direction = (name: Direction) => (content: unknown, field: Field) => {
    const flag = field.flag(content);
    if (flag !== undefined) enable[name] = flag;
  };
  at.object(value, { ingress: direction("ingress"), egress: direction("egress") });
}
