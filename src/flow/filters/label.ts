import type { FlowFilter } from "../../../proto/gen/flow_pb.js";
import { anyOf, FilterError, type FlowTest } from "./flow-test.ts";

/** A label of a flow, split. */
interface FlowLabel {
  readonly source: string;
  readonly key: string;
  readonly value: string;
}

type Requirement = (labels: readonly FlowLabel[]) => boolean;

const KEY = /^(?:([a-zA-Z0-9-]+):)?([A-Za-z0-9](?:[-A-Za-z0-9_./:]*[A-Za-z0-9])?)$/;
const VALUE = /^(?:[A-Za-z0-9](?:[-A-Za-z0-9_.:]*[A-Za-z0-9])?)?$/;

function splitLabel(text: string): FlowLabel {
  const colon = text.indexOf(":");
  const equals = text.indexOf("=");
  const hasSource = colon >= 0 && (equals < 0 || colon < equals);
  const rest = hasSource ? text.slice(colon + 1) : text;
  const at = rest.indexOf("=");
  return {
    source: hasSource ? text.slice(0, colon) : "",
    key: at < 0 ? rest : rest.slice(0, at),
    value: at < 0 ? "" : rest.slice(at + 1),
  };
}

/** Commas within parentheses do not separate requirements. */
function splitRequirements(selector: string): string[] {
  const parts: string[] = [""];
  let depth = 0;
  for (const character of selector) {
    if (character === "(") depth++;
    if (character === ")") depth--;
    if (character === "," && depth === 0) parts.push("");
    else parts[parts.length - 1] += character;
  }
  return parts.map((part) => part.trim());
}

function keyTest(field: string, selector: string, text: string): (label: FlowLabel) => boolean {
  const match = KEY.exec(text.trim());
  if (!match)
    throw new FilterError(
      `${field}: invalid label selector ${JSON.stringify(selector)}: bad key ${JSON.stringify(text)}`,
    );
  const [, source, key] = match;
  return (label) => label.key === key && (source === undefined || source === "any" || label.source === source);
}

function valueTest(field: string, selector: string, values: readonly string[]): (value: string) => boolean {
  const trimmed = values.map((value) => value.trim());
  const bad = trimmed.find((value) => !VALUE.test(value));
  if (bad !== undefined)
    throw new FilterError(
      `${field}: invalid label selector ${JSON.stringify(selector)}: bad value ${JSON.stringify(bad)}`,
    );
  const allowed = new Set(trimmed);
  return (value) => allowed.has(value);
}

function parseRequirement(field: string, selector: string, text: string): Requirement {
  const set = /^(\S+)\s+(in|notin)\s*\((.*)\)$/.exec(text);
  if (set) {
    const [, key = "", operator, list = ""] = set;
    return membership(keyTest(field, selector, key), valueTest(field, selector, list.split(",")), operator === "in");
  }
  const equality = /^([^!=\s]+)\s*(!=|==|=)\s*(.*)$/.exec(text);
  if (equality) {
    const [, key = "", operator, value = ""] = equality;
    return membership(keyTest(field, selector, key), valueTest(field, selector, [value]), operator !== "!=");
  }
  if (text.startsWith("!")) {
    const absent = keyTest(field, selector, text.slice(1));
    return (labels) => !labels.some(absent);
  }
  const present = keyTest(field, selector, text);
  return (labels) => labels.some(present);
}

/** `notin` and `!=` also hold for labels without the key. */
function membership(
  key: (label: FlowLabel) => boolean,
  value: (value: string) => boolean,
  wanted: boolean,
): Requirement {
  if (wanted) return (labels) => labels.some((label) => key(label) && value(label.value));
  return (labels) => !labels.some((label) => key(label) && value(label.value));
}

/** A test of label texts by Kubernetes' selector syntax; keys may carry a source, as in `k8s:app` or `reserved:host`. */
function selectorTest(field: string, selector: string): (labels: readonly string[]) => boolean {
  if (selector.trim() === "") return () => true;
  const requirements = splitRequirements(selector).map((text) => parseRequirement(field, selector, text));
  return (labels) => {
    const split = labels.map(splitLabel);
    return requirements.every((requirement) => requirement(split));
  };
}

/** source_label, destination_label, node_labels. */
export function labelTests(filter: FlowFilter): FlowTest[] {
  const source = filter.sourceLabel.map((selector) => selectorTest("source_label", selector));
  const destination = filter.destinationLabel.map((selector) => selectorTest("destination_label", selector));
  const node = filter.nodeLabels.map((selector) => selectorTest("node_labels", selector));
  return [
    ...anyOf(source, (test, flow) => test(flow.source?.labels ?? [])),
    ...anyOf(destination, (test, flow) => test(flow.destination?.labels ?? [])),
    ...anyOf(node, (test, flow) => test(flow.nodeLabels)),
  ];
}
