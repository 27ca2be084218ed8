import { type RuleVerdict, Tier } from "./rule.ts";

/**
 * How rules are ranked, in the numbers that Cilium 1.20 puts into its maps: 24 bits of priority, inverted so that the
 * higher number wins, and a byte that ranks what stands on one level: pass 0, allow 1, redirects 2..254, deny 255.
 */
const BYTE = 256;
const LOWEST_PRIORITY = 2 ** 24 - 1;
const DENY_BYTE = 255;
const ALLOW_BYTE = 1;
const PASS_BYTE = 0;
const LAST_LISTENER_PRIORITY = 126;
/** Levels are reserved in tens, as Cilium does, so that small changes keep the numbers of the others. */
const LEVELS_ROUND = 10;

/** The part of a precedence that its level alone makes; the lowest byte is 0. */
export function basePrecedence(priority: number): number {
  return (LOWEST_PRIORITY - Math.min(priority, LOWEST_PRIORITY)) * BYTE;
}

/** `listenerPriority` 1..126 ranks redirects, lower first; 0 = the last of all; undefined = no redirect. */
export function precedenceOf(base: number, verdict: RuleVerdict, listenerPriority: number | undefined): number {
  if (verdict === "deny") return base + DENY_BYTE;
  if (verdict === "pass") return base + PASS_BYTE;
  if (listenerPriority === undefined) return base + ALLOW_BYTE;
  if (listenerPriority === 0) return base + ALLOW_BYTE + 1;
  return base + ALLOW_BYTE + DENY_BYTE - 1 - Math.min(listenerPriority, LAST_LISTENER_PRIORITY);
}

export function isDenyPrecedence(precedence: number): boolean {
  return precedence % BYTE === DENY_BYTE;
}

/** The level without its lowest byte: equal for all that stands on one level. */
export function levelOf(precedence: number): number {
  return precedence - (precedence % BYTE);
}

/** What a level needs to know of a rule. */
export interface Ranked {
  readonly tier: number;
  readonly priority: number;
  readonly verdict: RuleVerdict;
}

/** Where the levels of the rules of one direction of one endpoint are. */
export interface Levels {
  /** Base precedence of a rule's level. */
  baseOf(rule: Ranked): number;
  /** Base precedence of the last level that a tier may use; what lies below belongs to later tiers. */
  tierEnd(tier: number): number;
}

/** The levels where all rules stand on the first of the normal tier, as they mostly do. */
export const PLAIN_LEVELS: Levels = {
  baseOf: ({ tier }) => basePrecedence(tier === Tier.Default ? LEVELS_ROUND : 0),
  tierEnd: (tier) => basePrecedence(tier === Tier.Default ? LOWEST_PRIORITY : LEVELS_ROUND - 1),
};

interface Level {
  readonly priority: number;
  hasPass: boolean;
}

function roundUp(value: number): number {
  return Math.ceil(value / LEVELS_ROUND) * LEVELS_ROUND;
}

function levelsByTier(rules: readonly Ranked[]): Map<number, Level[]> {
  const tiers = new Map<number, Level[]>();
  for (const { tier, priority, verdict } of rules) {
    const levels = tiers.get(tier) ?? [];
    tiers.set(tier, levels);
    const known = levels.find((level) => level.priority === priority);
    if (known === undefined) levels.push({ priority, hasPass: verdict === "pass" });
    else known.hasPass ||= verdict === "pass";
  }
  for (const levels of tiers.values()) levels.sort((a, b) => a.priority - b.priority);
  return tiers;
}

/**
 * Gives every (tier, priority) a level. After a level with a pass verdict there is room for everything of the later tiers,
 * because what is passed to them ranks right behind the pass. Throws when there are more than 2^24 levels.
 */
export function rankLevels(rules: readonly Ranked[]): Levels {
  if (rules.every(isPlain) && rules.some(({ tier }) => tier === Tier.Normal)) return PLAIN_LEVELS;
  const tiers = levelsByTier(rules);
  const order = [...tiers.keys()].sort((a, b) => a - b);
  const sizes = tierSizes(order, tiers);
  const starts = new Map<number, number>();
  const bases = new Map<string, number>();
  let start = 0;
  for (const [index, tier] of order.entries()) {
    const behind = sizes[index + 1] ?? 0;
    starts.set(tier, start);
    let priority = start;
    for (const level of tiers.get(tier)!) {
      bases.set(`${tier}/${level.priority}`, basePrecedence(priority));
      priority += level.hasPass ? behind + 1 : 1;
    }
    start += sizes[index]! - behind;
  }
  return {
    baseOf: (rule) => bases.get(`${rule.tier}/${rule.priority}`)!,
    tierEnd: (tier) => {
      const next = order[order.indexOf(tier) + 1];
      return next === undefined ? 0 : basePrecedence(starts.get(next)!) + BYTE;
    },
  };
}

/** Whether the rule keeps to PLAIN_LEVELS. */
export function isPlain({ tier, priority, verdict }: Ranked): boolean {
  return (tier === Tier.Normal || tier === Tier.Default) && priority === 0 && verdict !== "pass";
}

/** How many levels each tier needs, with what may be passed from it to all later ones. */
function tierSizes(order: readonly number[], tiers: ReadonlyMap<number, readonly Level[]>): number[] {
  const sizes = new Array<number>(order.length).fill(0);
  for (let index = order.length - 1; index >= 0; index--) {
    const levels = tiers.get(order[index]!)!;
    const passes = levels.filter(({ hasPass }) => hasPass).length;
    const behind = sizes[index + 1];
    const own = roundUp(levels.length);
    sizes[index] = behind === undefined ? own : roundUp(own + (passes + 1) * behind);
  }
  if ((sizes[0] ?? 0) > LOWEST_PRIORITY) throw new Error("the policies have more than 2^24 levels of priority");
  return sizes;
}
