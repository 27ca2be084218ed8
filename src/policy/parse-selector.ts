import { splitSource } from "../model/label.ts";
import type { SelectorOperator } from "../model/selector.ts";
import type { Field } from "./field.ts";

interface MatchExpression {
  readonly key: string;
  readonly operator: SelectorOperator;
  readonly values: readonly string[];
}

/** A label selector as written; keys carry their source, `any:` when none was given. */
export interface WrittenSelector {
  readonly matchLabels: ReadonlyMap<string, string>;
  readonly matchExpressions: readonly MatchExpression[];
}

const OPERATORS: readonly SelectorOperator[] = ["In", "NotIn", "Exists", "DoesNotExist"];
const SOURCE = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/i;
const LABEL_NAME = /^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/;
const LABEL_PREFIX = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

/** Reads `{matchLabels, matchExpressions}`; undefined when it is not even an object. */
export function parseSelector(value: unknown, at: Field): WrittenSelector | undefined {
  let matchLabels: ReadonlyMap<string, string> = new Map();
  let matchExpressions: readonly MatchExpression[] = [];
  const isRead = at.object(value, {
    matchLabels: (content, field) => {
      matchLabels = parseMatchLabels(content, field);
    },
    matchExpressions: (content, field) => {
      matchExpressions = field.list(content, parseExpression) ?? [];
    },
  });
  return isRead ? { matchLabels, matchExpressions } : undefined;
}

function parseMatchLabels(value: unknown, at: Field): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const [name, content] of at.textMap(value)) {
    const key = parseKey(name, at.key(name));
    if (key === undefined || !isLabelValue(content, at.key(name))) continue;
    if (found.has(key) && found.get(key) !== content)
      at.key(name).refuse(`${key} is given twice with different values`);
    found.set(key, content);
  }
  return found;
}

function parseExpression(value: unknown, at: Field): MatchExpression | undefined {
  let key: string | undefined;
  let operator: SelectorOperator | undefined;
  let values: readonly string[] = [];
  const isRead = at.object(value, {
    key: (content, field) => {
      const text = field.text(content);
      key = text === undefined ? undefined : parseKey(text, field);
    },
    operator: (content, field) => {
      operator = OPERATORS.find((known) => known === content);
      if (operator === undefined)
        field.refuse("not a selector operator", `use one of: ${OPERATORS.join(", ")}`, content);
    },
    values: (content, field) => {
      values = field.list(content, (element, item) => item.text(element)) ?? [];
      values.forEach((text, index) => {
        isLabelValue(text, field.index(index));
      });
    },
  });
  if (!isRead) return undefined;
  const written = value as Record<string, unknown>;
  if ((written["key"] ?? null) === null) at.child("key").refuse("is required");
  if ((written["operator"] ?? null) === null) at.child("operator").refuse("is required");
  if (key === undefined || operator === undefined) return undefined;
  checkValueCount(operator, values, at.child("values"));
  return { key, operator, values };
}

function checkValueCount(operator: SelectorOperator, values: readonly string[], at: Field): void {
  const wantsValues = operator === "In" || operator === "NotIn";
  if (wantsValues && values.length === 0) at.refuse(`operator ${operator} needs at least one value`);
  if (!wantsValues && values.length > 0)
    at.refuse(`operator ${operator} takes no values`, "leave `values` out", values);
}

/** A key with its source; undefined after refusing it. */
function parseKey(text: string, at: Field): string | undefined {
  const { source, rest } = splitSource(text);
  const parts = rest.split("/");
  const name = parts.at(-1)!;
  const prefix = parts.length === 2 ? parts[0]! : undefined;
  const isValid =
    parts.length <= 2 &&
    name.length <= 63 &&
    LABEL_NAME.test(name) &&
    (prefix === undefined || (prefix.length <= 253 && LABEL_PREFIX.test(prefix))) &&
    (source === "" || SOURCE.test(source));
  if (isValid) return `${source || "any"}:${rest}`;
  at.refuse(
    "not a label key",
    "write [source:][prefix/]name; the name has at most 63 letters, digits, '-', '_' or '.'",
    text,
  );
  return undefined;
}

function isLabelValue(text: string, at: Field): boolean {
  if (text === "" || (text.length <= 63 && LABEL_NAME.test(text))) return true;
  at.refuse(
    "not a label value",
    "use at most 63 letters, digits, '-', '_' or '.', a letter or digit at both ends",
    text,
  );
  return false;
}
