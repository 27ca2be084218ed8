import type { Direction } from "../model/verdict.ts";
import { Field } from "./field.ts";
import { parseSelector, type WrittenSelector } from "./parse-selector.ts";
import type { RuleLabel } from "./rule-labels.ts";
import { type Scope, scopePeer, selectorToApi } from "./scope.ts";

export interface ApiContext {
  readonly subject: WrittenSelector;
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
  return {
    endpointSelector: selectorToApi(context.subject),
    ...Object.fromEntries(sections),
    labels: context.labels.map(({ key, value, source }) => ({ key, value, source })),
    enableDefaultDeny: context.defaultDeny,
    ...(typeof rule["description"] === "string" && rule["description"] !== ""
      ? { description: rule["description"] }
      : {}),
  };
}

function element(value: unknown, scope: Scope): unknown {
  return mapFields(value, (name, content) => {
    if (name === "fromEndpoints" || name === "toEndpoints") return list(content, (each) => peer(each, scope));
    if (name === "toPorts") return list(content, toPort);
    return content;
  });
}

function peer(value: unknown, scope: Scope): unknown {
  const written = parseSelector(value, new Field("", []));
  return written === undefined ? value : selectorToApi(scopePeer(written, scope));
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
