import type { Direction } from "../model/verdict.ts";
import { Field, noFindings } from "./field.ts";
import { CILIUM_KEYS, type KeyForm, parseSelector, type WrittenSelector } from "./parse-selector.ts";
import type { RuleLabel } from "./rule-labels.ts";
import { type Scope, scopeNode, scopePeer, scopeSubject, selectorToApi } from "./scope.ts";

export interface ApiContext {
  readonly isNode: boolean;
  readonly scope: Scope;
  readonly labels: readonly RuleLabel[];
  readonly defaultDeny: Readonly<Record<Direction, boolean>>;
}

type Json = Record<string, unknown>;

/**
 * The rule as Cilium's API prints it: selectors with sources and scope, names normalised, default deny spelled out.
 * Takes the rule as written; when it was refused, what comes out means nothing.
 */
export function ruleToApi(rule: Json, context: ApiContext): unknown {
  const sections = ["ingress", "ingressDeny", "egress", "egressDeny"].flatMap((name) => {
    const elements = rule[name];
    return Array.isArray(elements) && elements.length > 0
      ? [[name, elements.map((each) => element(each, context.scope))]]
      : [];
  });
  const { description, log } = rule;
  const { isNode, scope } = context;
  const subject = isNode ? "nodeSelector" : "endpointSelector";
  return {
    [subject]: selector(rule[subject], (written) => (isNode ? written : scopeSubject(written, scope.namespace))),
    ...Object.fromEntries(sections),
    ...labelsToApi(context),
    ...(typeof description === "string" && description !== "" ? { description } : {}),
    ...(((log ?? {}) as Json)["value"] ? { log } : {}),
  };
}

/** The end of every rule in the API: its labels and whether it turns default deny on. */
export function labelsToApi({ labels, defaultDeny }: Pick<ApiContext, "labels" | "defaultDeny">): object {
  return { labels: labels.map(({ key, value, source }) => ({ key, value, source })), enableDefaultDeny: defaultDeny };
}

function element(value: unknown, scope: Scope): unknown {
  return mapFields(value, (name, content) => {
    const kind = /^(?:from|to)(.*)$/.exec(name)?.[1];
    if (kind === "Endpoints") return list(content, (each) => selector(each, (written) => scopePeer(written, scope)));
    if (kind === "Nodes") return list(content, (each) => selector(each, (written) => scopeNode(written, scope)));
    if (kind === "CIDRSet") return list(content, cidrRule);
    return name === "toPorts" ? list(content, toPort) : content;
  });
}

function selector(
  value: unknown,
  inScope: (written: WrittenSelector) => WrittenSelector,
  form: KeyForm = CILIUM_KEYS,
): unknown {
  const written = parseSelector(value, new Field("", noFindings()), form);
  return written === undefined ? value : selectorToApi(inScope(written));
}

function cidrRule(value: unknown): unknown {
  const form = { source: "cidrgroup", allowsSource: true };
  return mapFields(value, (name, content) =>
    name === "cidrGroupSelector" ? selector(content, (written) => written, form) : content,
  );
}

function toPort(value: unknown): unknown {
  return mapFields(value, (name, content) => (name === "ports" ? list(content, port) : content));
}

function port(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  const { port: target, endPort, protocol } = value as Json;
  return {
    port: typeof target === "string" ? target.toLowerCase() : target,
    ...(typeof endPort === "number" && endPort !== 0 ? { endPort } : {}),
    protocol: typeof protocol === "string" && protocol !== "" ? protocol.toUpperCase() : "ANY",
  };
}

function list(value: unknown, each: (element: unknown) => unknown): unknown {
  return Array.isArray(value) ? value.map(each) : value;
}

function mapFields(value: unknown, change: (name: string, content: unknown) => unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const kept = Object.entries(value).filter(([, content]) => content !== null);
  return Object.fromEntries(kept.map(([name, content]) => [name, change(name, content)]));
}
