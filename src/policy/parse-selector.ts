import type { SelectorOperator } from "../model/selector.ts";
import type { Field } from "./field.ts";

export interface MatchExpression {
  readonly key: string;
  readonly operator: SelectorOperator;
  readonly values: readonly string[];
}

/** A label selector as written; keys carry their source. */
export interface WrittenSelector {
  readonly matchLabels: ReadonlyMap<string, string>;
  readonly matchExpressions: readonly MatchExpression[];
}

/** How the keys of a selector are read. */
export interface KeyForm {
  /** Source of a key that names none. */
  readonly source: string;
  /** Whether a key may name its source, which Kubernetes' own selectors never do. */
  readonly allowsSource: boolean;
  /** Stands between the source and the key, for labels that Cilium keeps under another name. */
  readonly prefix?: string;
}

/** Cilium's own selectors: `[source:]key`, and a key without a source matches every source. */
export const CILIUM_KEYS: KeyForm = { source: "any", allowsSource: true };

const OPERATORS: readonly SelectorOperator[] = ["In", "NotIn", "Exists", "DoesNotExist"];
const SOURCE = /^[a-z0-9]+$/i;
const LABEL_NAME = /^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/;
const LABEL_PREFIX = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

/** Reads `{matchLabels, matchExpressions}`; undefined when it is not even an object. */
export function parseSelector(value: unknown, at: Field, form: KeyForm = CILIUM_KEYS): WrittenSelector | undefined {
  let matchLabels: ReadonlyMap<string, string> = new Map();
  let matchExpressions: readonly MatchExpression[] = [];
  const isRead = at.object(value, {
    matchLabels: (content, field) => {
      matchLabels = parseMatchLabels(content, field, form);
    },
    matchExpressions: (content, field) => {
      matchExpressions = field.list(content, (element, item) => parseExpression(element, item, form)) ?? [];
    },
  });
  return isRead ? { matchLabels, matchExpressions } : undefined;
}

function parseMatchLabels(value: unknown, at: Field, form: KeyForm): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const [name, content] of at.textMap(value)) {
    const key = parseKey(name, at.key(name), form);
    if (key === undefined || !isLabelValue(content, at.key(name))) continue;
    if (found.has(key) && found.get(key) !== content)
      at.key(name).refuse(`${key} is given twice with different values`, "leave one of them out");
    found.set(key, content);
  }
  return found;
}

function parseExpression(value: unknown, at: Field, form: KeyForm): MatchExpression | undefined {
  let key: string | undefined;
  let operator: SelectorOperator | undefined;
  let values: readonly string[] = [];
  const isRead = at.object(
    value,
    {
      key: (content, field) => {
        const text = field.text(content);
        key = text === undefined ? undefined : parseKey(text, field, form);
      },
      operator: (content, field) => {
        operator = field.choice(content, OPERATORS);
      },
      values: (content, field) => {
        values = field.list(content, (element, item) => item.text(element)) ?? [];
        values.forEach((text, index) => {
          isLabelValue(text, field.index(index));
        });
      },
    },
    { required: ["key", "operator"] },
  );
  if (!isRead || key === undefined || operator === undefined) return undefined;
  checkValueCount(operator, values, at.child("values"));
  return { key, operator, values };
}

function checkValueCount(operator: SelectorOperator, values: readonly string[], at: Field): void {
  const wantsValues = operator === "In" || operator === "NotIn";
  if (wantsValues && values.length === 0) at.refuse(`operator ${operator} needs at least one value`, "write `values`");
  if (!wantsValues && values.length > 0)
    at.refuse(`operator ${operator} takes no values`, "leave `values` out", values);
}

/** True for `[prefix/]name` as Kubernetes wants label keys. */
function isLabelKey(text: string): boolean {
  const parts = text.split("/");
  const name = parts.at(-1)!;
  const prefix = parts.length === 2 ? parts[0]! : undefined;
  return (
    parts.length <= 2 &&
    name.length <= 63 &&
    LABEL_NAME.test(name) &&
    (prefix === undefined || (prefix.length <= 253 && LABEL_PREFIX.test(prefix)))
  );
}

/** A key with its source; undefined after refusing it. */
function parseKey(text: string, at: Field, form: KeyForm): string | undefined {
  const colon = text.indexOf(":");
  const source = colon === -1 ? form.source : text.slice(0, colon);
  const key = text.slice(colon + 1);
  if (isLabelKey(key) && (colon === -1 || (form.allowsSource && SOURCE.test(source))))
    return `${source}:${form.prefix ?? ""}${key}`;
  at.refuse(
    "not a label key",
    `write ${form.allowsSource ? "[source:]" : ""}[prefix/]name; the name has at most 63 letters, digits, '-', '_' or '.'`,
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
