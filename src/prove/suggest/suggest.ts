import type { Direction } from "../../model/verdict.ts";
import { policyName } from "../cluster.ts";
import { type Inventory, takeInventory } from "../inventory.ts";
import type { RecordedParty } from "../replay/party.ts";
import type { Conversation, Recording } from "../replay/recording.ts";
import { recordedVerdict, replay, Verdicts } from "../replay/replay.ts";
import type { Target } from "../target.ts";
import { policyYaml } from "./policy-yaml.ts";
import { selectorOf } from "./stable-labels.ts";
import { type RuleOptions, rulesFor, type SuggestedRule } from "./suggested-rule.ts";

export interface SuggestOptions extends RuleOptions {
  /** For whom; empty = every pod that is in the recording. */
  readonly subjects: readonly Target[];
  /** Whether what was denied is wanted too. */
  readonly includeDenied: boolean;
  /** Whether existing policies count as if they were not there: the suggestions say all that is wanted. */
  readonly isStandalone: boolean;
}

/** A policy for the pods of one selector. */
export interface SuggestedPolicy {
  readonly name: string;
  readonly subject: RecordedParty;
  readonly matchLabels: Readonly<Record<string, string>>;
  readonly rules: readonly SuggestedRule[];
}

/** A flow that a suggestion does not do what is wanted with, and why. */
export interface Exception {
  readonly conversation: Conversation;
  readonly why: string;
}

export interface Suggestion {
  readonly policies: readonly SuggestedPolicy[];
  /** Text of the policies, with their evidence. */
  readonly yaml: string;
  readonly wantedCount: number;
  /** Ends of wanted flows, of which a flow between two subjects has two, that existing policies allow by a rule. */
  readonly alreadyAllowed: number;
  /** Denied ones that are not allowed. */
  readonly leftDenied: readonly Conversation[];
  /** Wanted, and not allowed once the suggestions are in force: empty = proven. */
  readonly unproven: readonly Exception[];
  /** Recorded as denied or not known, not wanted, and allowed once the suggestions are in force. */
  readonly alsoOpened: readonly Exception[];
}

/**
 * The least that has to be allowed for the flows of the subjects, beside what `existing` allows; and what comes of it when all flows are
 * replayed under both together. Throws an Error when nobody in the recording is meant.
 */
export function suggest(recording: Recording, existing: Inventory, options: SuggestOptions): Suggestion {
  const conversations = [...recording.conversations.values()];
  const base = options.isStandalone ? { ...existing, policies: [] } : existing;
  const before = new Verdicts(base, recording, conversations);
  const parties = new Map(conversations.flatMap(({ from, to }) => [from, to]).map((party) => [party.key, party]));
  const everybody = [...parties.values()];
  const subjects = everybody.filter((party) => before.judge.isOurs(party) && isMeant(party, options.subjects));
  if (subjects.length === 0)
    throw new Error(
      nobody(
        options.subjects,
        everybody.filter((each) => before.judge.isOurs(each)),
      ),
    );
  const verdictOf = (conversation: Conversation) => recordedVerdict(conversation, before.judge, recording).verdict;
  const isWanted = (conversation: Conversation) => options.includeDenied || verdictOf(conversation) !== "denied";
  const byEnd = {
    egress: Map.groupBy(conversations, ({ from }) => from.key),
    ingress: Map.groupBy(conversations, ({ to }) => to.key),
  };
  const sides = subjects.flatMap((subject) =>
    (["ingress", "egress"] as const).map((direction) =>
      sideOf(subject, direction, byEnd[direction].get(subject.key) ?? []),
    ),
  );
  const wanted = sides.map((side) => ({ ...side, flows: side.flows.filter(isWanted) }));
  const leftDenied = [...new Set(sides.flatMap(({ flows }) => flows.filter((flow) => !isWanted(flow))))];
  const open = wanted.map((side) => ({
    ...side,
    flows: side.flows.filter((flow) => !isAllowedByRule(before, flow, side.direction)),
  }));
  const policies = policiesOf(open, everybody, conversations, options);
  const yaml = policyYaml(policies);
  const candidate = together(base, yaml);
  const after = new Verdicts(candidate, recording, conversations);
  const unproven = wanted.flatMap(({ direction, flows }) =>
    flows.flatMap((conversation): Exception[] => {
      const side = after.sideOf(conversation, direction);
      if (side === undefined || side.verdict === "allowed") return [];
      const by = side.rules.map(({ policy, path }) => `${policy} ${path}`.trim()).join(", ");
      return [{ conversation, why: side.missing ?? `denied at ${direction} by ${by || "default"}` }];
    }),
  );
  const opened = replay(recording, candidate).flows.filter(({ change }) => change === "opened");
  const isOpened = new Set(opened.map(({ conversation }) => conversation));
  const known = new Set(wanted.flatMap(({ flows }) => flows));
  return {
    policies,
    yaml,
    wantedCount: known.size,
    alreadyAllowed:
      wanted.reduce((sum, { flows }) => sum + flows.length, 0) - open.reduce((sum, { flows }) => sum + flows.length, 0),
    leftDenied: leftDenied.filter((flow) => !isOpened.has(flow)),
    unproven,
    alsoOpened: opened
      .filter(({ conversation }) => !known.has(conversation))
      .map(({ conversation, rules }) => ({
        conversation,
        why: rules.map(({ policy, path }) => `${policy} ${path}`).join(", "),
      })),
  };
}

interface SubjectSide {
  readonly subject: RecordedParty;
  readonly direction: Direction;
  readonly flows: readonly Conversation[];
}

/** The node reaches its own pods by itself: nobody writes a rule for that. */
function sideOf(subject: RecordedParty, direction: Direction, conversations: readonly Conversation[]): SubjectSide {
  const flows = conversations.filter(({ from, to }) => {
    const peer = direction === "egress" ? to : from;
    return peer.kind !== "unknown" && !(direction === "ingress" && peer.labels.includes("reserved:host"));
  });
  return { subject, direction, flows };
}

function isAllowedByRule(before: Verdicts, conversation: Conversation, direction: Direction): boolean {
  const side = before.sideOf(conversation, direction);
  return side?.verdict === "allowed" && side.rules.some(({ policy }) => policy !== "");
}

function policiesOf(
  sides: readonly SubjectSide[],
  everybody: readonly RecordedParty[],
  conversations: readonly Conversation[],
  options: SuggestOptions,
): SuggestedPolicy[] {
  const bySelector = Map.groupBy(
    sides.filter(({ flows }) => flows.length > 0),
    ({ subject }) => JSON.stringify([subject.namespace, selectorOf(subject, everybody)]),
  );
  const names = new Set<string>();
  return [...bySelector.values()].map((same): SuggestedPolicy => {
    const { subject } = same[0]!;
    const rules = (["ingress", "egress"] as const).flatMap((direction) => {
      const flows = same.filter((side) => side.direction === direction).flatMap((side) => side.flows);
      const asked = namesAskedBy(subject, conversations);
      return flows.length === 0 ? [] : rulesFor({ subject, direction, flows, everybody, asked }, options);
    });
    const stem = `suggested-${subject.title.split("/").at(-1)!}`
      .toLowerCase()
      .replace(/[^a-z0-9.-]+/g, "-")
      .slice(0, 240);
    let name = stem.replace(/[-.]+$/, "");
    for (let number = 2; names.has(`${subject.namespace}/${name}`); number++) name = `${stem}-${number}`;
    names.add(`${subject.namespace}/${name}`);
    return { name, subject, matchLabels: selectorOf(subject, everybody), rules };
  });
}

function namesAskedBy(subject: RecordedParty, conversations: readonly Conversation[]): Set<string> {
  return new Set(
    conversations.flatMap(({ from, request }) =>
      from.key === subject.key && request?.parser === "dns" ? [(request.facts.dns ?? "").replace(/\.$/, "")] : [],
    ),
  );
}

function isMeant({ title, labels }: RecordedParty, targets: readonly Target[]): boolean {
  const [namespace, kind, name] = title.split("/");
  return (
    targets.length === 0 ||
    targets.some((target) => {
      if (target.kind === "labels")
        return Object.entries(target.labels).every(([key, value]) => labels.includes(`k8s:${key}=${value}`));
      if (target.kind !== "name" || target.name !== name) return false;
      const isHere = target.namespace === undefined || target.namespace === namespace;
      // who made a pod is not always recorded
      return isHere && (target.of === undefined || target.of.toLowerCase() === kind || kind === "pod");
    })
  );
}

function nobody(targets: readonly Target[], pods: readonly RecordedParty[]): string {
  const there = pods.map(({ title }) => title).sort();
  const list = there.length === 0 ? "no pod at all" : `${there.slice(0, 8).join(", ")}${there.length > 8 ? ", …" : ""}`;
  return `${targets.map(({ text }) => text).join(", ") || "pods"}: not in the recording; there is ${list}`;
}

function together(base: Inventory, yaml: string): Inventory {
  const added = takeInventory([{ file: "(suggested)", text: yaml }], { config: base.config });
  const wrong = added.problems.find(({ severity }) => severity === "error");
  if (wrong !== undefined) throw new Error(`the suggestion is no policy: line ${wrong.line}: ${wrong.message}`);
  const names = new Set(added.policies.map(({ key }) => policyName(key)));
  const clash = base.policies.find(({ key }) => names.has(policyName(key)));
  if (clash !== undefined)
    throw new Error(`${policyName(clash.key)} is there already: take it out of -f, or give it another name`);
  return { ...base, policies: [...base.policies, ...added.policies] };
}
