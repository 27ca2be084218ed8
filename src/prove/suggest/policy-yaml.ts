import { countOf } from "../replay/recording.ts";
import { flowPlace, instantText, plainText, timesText } from "../replay/replay-text.ts";
import type { SuggestedPolicy } from "./suggest.ts";
import type { SuggestedRule } from "./suggested-rule.ts";

/** Evidence that is written out for one rule. */
const MOST_EVIDENCE = 12;

/** The policies as YAML of several documents, each rule below the flows that it is for. */
export function policyYaml(policies: readonly SuggestedPolicy[]): string {
  return policies
    .map((policy) =>
      policyLines(policy)
        .map((line) => `${line}\n`)
        .join(""),
    )
    .join("---\n");
}

function policyLines({ name, subject, matchLabels, rules }: SuggestedPolicy): string[] {
  const directions = (["ingress", "egress"] as const).flatMap((direction) => {
    const own = rules.filter((rule) => rule.direction === direction);
    return own.length === 0 ? [] : [`  ${direction}:`, ...own.flatMap(ruleLines)];
  });
  return [
    "apiVersion: cilium.io/v2",
    "kind: CiliumNetworkPolicy",
    "metadata:",
    `  name: ${scalar(name)}`,
    `  namespace: ${scalar(subject.namespace)}`,
    "spec:",
    `  endpointSelector: # ${plainText(subject.title)}`,
    ...(Object.keys(matchLabels).length === 0 ? ["    {}"] : yamlOf({ matchLabels }, "    ")),
    ...directions,
  ];
}

function ruleLines({ element, flows, widenings }: SuggestedRule): string[] {
  const told = flows.toSorted((a, b) => countOf(b) - countOf(a)).slice(0, MOST_EVIDENCE);
  const rest = flows.length - told.length;
  const [first = "", ...others] = yamlOf(element, "      ");
  return [
    ...told.map((flow) => {
      const { from, to, firstMs, lastMs, evidence, request } = flow;
      const [begin, end] = [instantText(firstMs), instantText(lastMs)];
      const span = begin === "" ? "" : begin === end ? `, ${begin}` : `, ${begin} to ${end}`;
      const what = request === undefined ? "" : ` ${request.title}`;
      return comment(
        `${from.title} -> ${to.title}${flowPlace(flow)}${what}: ${timesText(countOf(flow))}${span}; ${evidence.source}:${evidence.line}`,
      );
    }),
    ...(rest > 0 ? [comment(`and ${rest} more`)] : []),
    ...widenings.map((widening) => comment(`wider than recorded: ${widening}`)),
    `    - ${first.trimStart()}`,
    ...others,
  ];
}

/** What was recorded must not end the comment. */
function comment(text: string): string {
  return `    # ${plainText(text)}`;
}

/** Block style; short maps of plain values stand in one line. */
function yamlOf(value: unknown, indent: string): string[] {
  if (Array.isArray(value)) {
    return value.flatMap((item) => {
      const [first = "", ...rest] = yamlOf(item, `${indent}  `);
      return [`${indent}- ${first.trimStart()}`, ...rest];
    });
  }
  if (typeof value !== "object" || value === null) return [`${indent}${scalar(value)}`];
  if (isPlain(value)) {
    const inside = Object.entries(value).map(([key, item]) => `${scalar(key)}: ${scalar(item)}`);
    return [`${indent}{${inside.join(", ")}}`];
  }
  return Object.entries(value).flatMap(([key, item]) => {
    if (typeof item !== "object" || item === null || isPlain(item))
      return [`${indent}${scalar(key)}: ${yamlOf(item, "").join("")}`];
    return [`${indent}${scalar(key)}:`, ...yamlOf(item, `${indent}  `)];
  });
}

function isPlain(value: object): boolean {
  return !Array.isArray(value) && Object.values(value).every((item) => typeof item !== "object");
}

/** A text in quotes unless it can only be read as itself. */
function scalar(value: unknown): string {
  if (typeof value !== "string") return JSON.stringify(value);
  const isWord = /^[A-Za-z][A-Za-z0-9._/-]*$/.test(value) && !/^(true|false|yes|no|on|off|null|y|n)$/i.test(value);
  return isWord ? value : JSON.stringify(value);
}
