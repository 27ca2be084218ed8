import type { Direction } from "../../model/verdict.ts";
import { type LocatedRule, policyName } from "../cluster.ts";
import type { Verdict } from "../explain.ts";
import type { Inventory } from "../inventory.ts";
import { FlowJudge, type Judgement, type SideJudgement } from "./judge.ts";
import { type Conversation, countOf, type Recording, type SideRecord } from "./recording.ts";

export const CHANGES = ["opened", "closed", "unknown", "unchanged"] as const;
export type Change = (typeof CHANGES)[number];

/** A distinct flow, and what becomes of it. */
export interface ReplayedFlow {
  readonly conversation: Conversation;
  readonly count: number;
  readonly now: Verdict;
  readonly after: Verdict;
  readonly change: Change;
  /** With `unknown`: the fact that would decide. */
  readonly missing?: string;
  /** What the recording shows beside the verdict: it changed meanwhile, it was audited, it disagrees with the set before. */
  readonly notes: readonly string[];
  /** Rules of the candidate that decide. */
  readonly rules: readonly LocatedRule[];
  /** Rules of the set before, where there is one. */
  readonly rulesBefore: readonly LocatedRule[];
}

/** A rule of the candidate, and whether it decided any flow. */
export interface RuleUse {
  readonly rule: LocatedRule;
  readonly isUsed: boolean;
}

export interface Replay {
  readonly flows: readonly ReplayedFlow[];
  readonly rules: readonly RuleUse[];
  /** Flows that `before` would not have judged as they were: it was not what was in force. */
  readonly disagreements: number;
}

/** What changes when the policies of `candidate` are in force: in the place of those of `before`, or of what the flows met. */
export function replay(recording: Recording, candidate: Inventory, before?: Inventory): Replay {
  const conversations = [...recording.conversations.values()];
  const later = new Verdicts(candidate, recording, conversations);
  const earlier = before && new Verdicts(before, recording, conversations);
  const used = new Set<string>();
  let disagreements = 0;
  const flows = conversations.map((conversation) => {
    const after = later.of(conversation);
    for (const { policy, path } of rulesOf(after)) used.add(`${policy} ${path}`);
    const recorded = recordedVerdict(conversation, later.judge, recording);
    const now = earlier === undefined ? recorded : earlier.of(conversation);
    const isOdd = earlier !== undefined && differs(recorded.verdict, now.verdict);
    if (isOdd) disagreements++;
    return flowOf(conversation, { recorded, now, after, isOdd, hasBefore: earlier !== undefined });
  });
  const rules = candidate.policies.flatMap(({ key, rules: own, object }) =>
    own.flatMap(({ elements }) =>
      elements.map(({ path }): RuleUse => {
        const policy = policyName(key);
        return { rule: { policy, path, ...object.placeOf(path) }, isUsed: used.has(`${policy} ${path}`) };
      }),
    ),
  );
  return { flows: flows.sort(inOrder), rules, disagreements };
}

function differs(a: Verdict, b: Verdict): boolean {
  return a !== b && a !== "unknown" && b !== "unknown";
}

/** The most telling first. */
function inOrder(a: ReplayedFlow, b: ReplayedFlow): number {
  return CHANGES.indexOf(a.change) - CHANGES.indexOf(b.change) || b.count - a.count || compare(titleOf(a), titleOf(b));
}

function titleOf({ conversation: { from, to, protocol, port, request } }: ReplayedFlow): string {
  return [from.title, to.title, protocol, port, request?.title ?? ""].join(" ");
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Verdicts of one set of policies. A connection whose requests are recorded is let in where they are judged one by one. */
export class Verdicts {
  readonly judge: FlowJudge;
  private readonly parsers = new Map<string, Set<string>>();

  constructor(inventory: Inventory, recording: Recording, conversations: readonly Conversation[]) {
    this.judge = new FlowJudge(inventory, conversations);
    for (const { request, connectionKey } of recording.conversations.values()) {
      if (request === undefined) continue;
      const parsers = this.parsers.get(connectionKey) ?? new Set();
      parsers.add(request.parser);
      this.parsers.set(connectionKey, parsers);
    }
  }

  of(conversation: Conversation): Judgement {
    const judgement = this.judge.judge(conversation);
    const { verdict, egress, ingress } = judgement;
    if (verdict !== "unknown" || conversation.request !== undefined) return judgement;
    const open = [egress, ingress].filter((side) => side?.verdict === "unknown");
    if (open.length === 0 || !open.every((side) => this.isSettled(conversation, side))) return judgement;
    return { verdict: "allowed", ...(egress && { egress }), ...(ingress && { ingress }) };
  }

  /** What one side of it says. */
  sideOf(conversation: Conversation, direction: Direction): SideJudgement | undefined {
    const side = this.judge.judge(conversation)[direction];
    return this.isSettled(conversation, side) ? { ...side!, verdict: "allowed" } : side;
  }

  private isSettled({ request, connectionKey }: Conversation, side: SideJudgement | undefined): boolean {
    return (
      request === undefined && side?.awaits !== undefined && this.parsers.get(connectionKey)?.has(side.awaits) === true
    );
  }
}

function rulesOf({ egress, ingress, verdict }: Judgement): LocatedRule[] {
  const sides = [egress, ingress].filter((side) => side !== undefined);
  const deciding = verdict === "denied" ? sides.filter((side) => side.verdict === "denied") : sides;
  return deciding.flatMap(({ rules }) => rules);
}

interface Recorded {
  readonly verdict: Verdict;
  readonly missing?: string;
}

/** What the flow met when it was recorded. */
export function recordedVerdict(conversation: Conversation, judge: FlowJudge, { conversations }: Recording): Recorded {
  const below = conversation.request && conversations.get(conversation.connectionKey);
  const both = below === undefined ? [conversation] : [conversation, below];
  const sides = both.flatMap((each) => Object.values(each.sides));
  if (sides.some(({ outcome }) => outcome === "failed"))
    return { verdict: "unknown", missing: "what became of it: the proxy had an error" };
  if (sides.some(({ outcome }) => outcome === "denied")) return { verdict: "denied" };
  const hasLeft = sides.length > 0 && !judge.isOurs(conversation.to);
  const hasArrived = both.some((each) => each.sides.ingress !== undefined);
  if (hasLeft || hasArrived || isProven(both)) return { verdict: "allowed" };
  const missing = `whether ${conversation.to.title} let it in: nothing of its side is recorded, and no answer`;
  return { verdict: "unknown", missing };
}

/** An answer proves that the other side let it in, unless the proxy of this side may have given it. */
function isProven(both: readonly Conversation[]): boolean {
  if (both.some(({ answered }) => answered === "request")) return true;
  return both.some(({ answered, sides }) => answered === "packet" && sides.egress?.outcome !== "redirected");
}

interface Comparison {
  readonly recorded: Recorded;
  readonly now: Pick<Judgement, "verdict" | "missing"> & Partial<Judgement>;
  readonly after: Judgement;
  readonly isOdd: boolean;
  readonly hasBefore: boolean;
}

function flowOf(conversation: Conversation, { recorded, now, after, isOdd, hasBefore }: Comparison): ReplayedFlow {
  const change = changeOf(conversation, now.verdict, after, hasBefore);
  const missing = change === "unknown" ? (after.missing ?? now.missing) : undefined;
  return {
    conversation,
    count: countOf(conversation),
    now: now.verdict,
    after: after.verdict,
    change,
    ...(missing !== undefined && { missing }),
    notes: notesOf(conversation, recorded, isOdd),
    rules: rulesOf(after),
    rulesBefore: hasBefore ? rulesOf(now as Judgement) : [],
  };
}

function changeOf({ sides }: Conversation, now: Verdict, after: Judgement, hasBefore: boolean): Change {
  if (now === after.verdict && now !== "unknown") return "unchanged";
  if (now === "denied" && after.verdict === "allowed") return "opened";
  if (now === "allowed" && after.verdict === "denied") return "closed";
  // one side is enough to close what that side let pass
  const closes = (side: Direction) => isOpen(sides[side]) && after[side]?.verdict === "denied";
  if (!hasBefore && (closes("egress") || closes("ingress"))) return "closed";
  return "unknown";
}

function isOpen(side: SideRecord | undefined): boolean {
  return side !== undefined && ["allowed", "redirected", "audited"].includes(side.outcome);
}

function notesOf({ sides }: Conversation, { verdict }: Recorded, isOdd: boolean): string[] {
  const all = Object.values(sides);
  return [
    ...(all.some(({ hasChanged }) => hasChanged)
      ? ["the verdict changed while it was recorded: the last one counts"]
      : []),
    ...(all.some(({ outcome }) => outcome === "audited") ? ["audited: a policy denied it, and was not enforced"] : []),
    ...(isOdd ? [`recorded as ${verdict}: the set before was not in force, or not alone`] : []),
  ];
}
