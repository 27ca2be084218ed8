import type { Answer, Scenario } from "../../src/policy/scenario.ts";

/** How often something occurred: the name of the feature, and in how many places. */
export type Coverage = ReadonlyMap<string, number>;

type SideFacts = Pick<NonNullable<Answer["ingress"]>, "enforced" | "matched"> & { readonly verdict: string };
type AnswerFacts = Pick<Answer, "verdict" | "final"> & { readonly ingress?: SideFacts; readonly egress?: SideFacts };
type Seen = (feature: string) => void;
/** Below these the keys are the user's own words. */
const FREE_KEYS = new Set(["matchLabels", "labels", "selector"]);
/** The values of these fields are words of the language. */
const WORDS = new Set(["operator", "protocol", "action", "tier", "mode", "mismatch", "family", "policyTypes"]);
const ENTITIES = new Set(["fromEntities", "toEntities"]);

/** Counts kinds, fields and words of policies, settings, facts of queries, and verdicts. */
export function coverageOf(scenarios: readonly Scenario[], answers: readonly AnswerFacts[]): Coverage {
  const counts = new Map<string, number>();
  const seen: Seen = (feature) => counts.set(feature, (counts.get(feature) ?? 0) + 1);
  for (const scenario of scenarios) {
    for (const [setting, value] of Object.entries(scenario.config ?? {})) seen(`config ${setting} ${String(value)}`);
    for (const field of Object.keys(scenario)) seen(`scenario ${field}`);
    for (const policy of scenario.policies) policyFeatures(policy, seen);
    for (const query of scenario.queries) {
      for (const fact of ["http", "dns", "sni"] as const) if (query[fact] !== undefined) seen(`query ${fact}`);
      seen(`query ${query.proto ?? "TCP"}`);
    }
  }
  for (const answer of answers) answerFeatures(answer, seen);
  return new Map([...counts].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function policyFeatures(policy: unknown, seen: Seen): void {
  if (typeof policy !== "object" || policy === null) {
    seen("policy text");
    return;
  }
  const { kind, spec, specs } = policy as { kind?: string; spec?: unknown; specs?: unknown[] };
  seen(`kind ${kind}`);
  if (specs !== undefined) seen("policy specs");
  fieldFeatures(specs ?? spec, String(kind), seen);
}

function fieldFeatures(value: unknown, kind: string, seen: Seen): void {
  if (Array.isArray(value)) {
    for (const element of value) fieldFeatures(element, kind, seen);
    return;
  }
  if (typeof value !== "object" || value === null) return;
  for (const [field, content] of Object.entries(value)) {
    seen(`field ${kind} ${field}${emptiness(content)}`);
    wordFeatures(field, content, seen);
    if (!FREE_KEYS.has(field)) fieldFeatures(content, kind, seen);
  }
}

function emptiness(content: unknown): string {
  if (content === null) return " null";
  return Array.isArray(content) && content.length === 0 ? " empty" : "";
}

function wordFeatures(field: string, content: unknown, seen: Seen): void {
  if (WORDS.has(field)) seen(`word ${field} ${String(content)}`);
  if (ENTITIES.has(field) && Array.isArray(content)) for (const entity of content) seen(`entity ${String(entity)}`);
  if (field === "port") seen(`port ${portKind(String(content))}`);
  if (field === "type") seen(`icmp type ${String(content)}`);
  if (field === "enableDefaultDeny") seen(`enableDefaultDeny ${JSON.stringify(content)}`);
}

function portKind(port: string): string {
  if (/^0\d/.test(port)) return "octal";
  if (port === "0") return "0";
  return /^\d+$/.test(port) ? "number" : "name";
}

function answerFeatures(answer: AnswerFacts, seen: Seen): void {
  seen(`verdict ${answer.verdict}${answer.final === undefined ? "" : ` ${answer.final}`}`);
  for (const direction of ["ingress", "egress"] as const) {
    const side = answer[direction];
    if (side === undefined) continue;
    const { verdict, enforced, matched } = side;
    seen(`${direction} ${verdict}${enforced ? " enforced" : ""}${matched ? " matched" : ""}`);
  }
}

/** A line for each feature, the rarest last. */
export function formatCoverage(coverage: Coverage): string {
  const width = Math.max(0, ...[...coverage.keys()].map((name) => name.length));
  return [...coverage]
    .sort(([, a], [, b]) => b - a)
    .map(([name, count]) => `${name.padEnd(width)} ${String(count).padStart(8)}`)
    .join("\n");
}
