import { describe, expect, it } from "vitest";
import { basePrecedence, isDenyPrecedence, levelOf, precedenceOf, type Ranked, rankLevels } from "./precedence.ts";
import { type RuleVerdict, Tier } from "./rule.ts";

const { Admin, Normal, Baseline, Default } = Tier;
const rule = (tier: number, priority: number, verdict: RuleVerdict = "allow"): Ranked => ({ tier, priority, verdict });
const rules = (tier: number, count: number, verdict: RuleVerdict = "allow") =>
  Array.from({ length: count }, (_, priority) => rule(tier, priority, verdict));

/** The number of a level, 0 = the first. */
const levelNumber = (base: number) => (basePrecedence(0) - base) / 256;

/** The levels of the rules, and the last one of each tier, as numbers. */
function levelsOf(...ranked: readonly Ranked[]) {
  const levels = rankLevels(ranked);
  return {
    at: ranked.map((each) => levelNumber(levels.baseOf(each))),
    ends: [...new Set(ranked.map(({ tier }) => tier))].map((tier) => levelNumber(levels.tierEnd(tier))),
  };
}

const LAST = 2 ** 24 - 1;

describe("a precedence", () => {
  it("has the level in its upper 24 bits, the other way round, and stops at the last", () => {
    expect(basePrecedence(0)).toBe(0xffff_ff00);
    expect(basePrecedence(1)).toBe(0xffff_fe00);
    expect([LAST, LAST + 1].map(basePrecedence)).toEqual([0, 0]);
  });

  it("ranks deny, redirects by the listener's priority, allow and pass on one level", () => {
    const redirects = [1, 2, 126, 127, 0].map((priority) => precedenceOf(512, "allow", priority) - 512);
    expect(redirects).toEqual([254, 253, 129, 129, 2]);
    expect(precedenceOf(512, "deny", undefined)).toBe(512 + 255);
    expect(precedenceOf(512, "allow", undefined)).toBe(512 + 1);
    expect(precedenceOf(512, "pass", undefined)).toBe(512);
  });

  it("tells a deny and the level again", () => {
    expect([511, 512, 513, 766, 767].map(isDenyPrecedence)).toEqual([true, false, false, false, true]);
    expect([511, 512, 767].map(levelOf)).toEqual([256, 512, 512]);
  });
});

describe("levels", () => {
  it.each<[string, readonly Ranked[], readonly number[], readonly number[]]>([
    ["what nobody ranked stands on the first", [rule(Normal, 0)], [0], [9]],
    ["the built-in rules stand behind", [rule(Normal, 0), rule(Default, 0, "deny")], [0, 10], [9, LAST]],
    ["the last tier alone begins at the first", [rule(Default, 0)], [0], [LAST]],
    ["a priority of one rule makes a level", [rule(Normal, 5), rule(Normal, 7)], [0, 1], [LAST]],
    ["equal priorities share one", [rule(Admin, 3), rule(Admin, 3), rule(Admin, 4)], [0, 0, 1], [LAST]],
    [
      "the order of the rules is of no matter",
      [rule(Normal, 0), rule(Admin, 9), rule(Admin, 2)],
      [10, 1, 0],
      [LAST, 9],
    ],
    ["tiers get tens", [...rules(Admin, 11), rule(Normal, 0)], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20], [19, LAST]],
    ["a priority in the last tier is no plain one", [rule(Normal, 0), rule(Default, 1)], [0, 10], [9, LAST]],
    ["another tier is no plain one", [rule(Normal, 0), rule(Baseline, 0)], [0, 10], [9, LAST]],
    [
      "behind a pass there is room for all later tiers",
      [rule(Admin, 1, "pass"), rule(Admin, 2, "deny"), rule(Normal, 0), rule(Default, 0)],
      [0, 21, 30, 40],
      [29, 39, LAST],
    ],
    [
      "one pass of several rules on a level is enough, and counts once",
      [rule(Admin, 1), rule(Admin, 1, "pass"), rule(Admin, 1, "pass"), rule(Admin, 2), rule(Normal, 0)],
      [0, 0, 0, 11, 20],
      [19, LAST],
    ],
    [
      "passes of two tiers multiply",
      [rule(Admin, 0, "pass"), rule(Baseline, 0, "pass"), rule(Baseline, 1), rule(Default, 0)],
      [0, 40, 51, 60],
      [39, 59, LAST],
    ],
    ["a pass of the normal tier", [rule(Normal, 0, "pass"), rule(Default, 0)], [0, 20], [19, LAST]],
    ["a pass that nothing follows takes one", [rule(Normal, 0, "pass"), rule(Normal, 1)], [0, 1], [LAST]],
  ])("%s", (_what, ranked, at, ends) => {
    expect(levelsOf(...ranked)).toEqual({ at, ends });
  });

  it("are as many as fit into 24 bits, and not one ten more", () => {
    const crowd = (admins: number) => [...rules(Admin, 4100, "pass"), ...rules(Admin, admins), ...rules(Normal, 4090)];
    expect(() => rankLevels(crowd(4120))).not.toThrow();
    expect(() => rankLevels(crowd(4121))).toThrow(/more than 2\^24 levels/);
  });
});

it("leaves no room for a pass where several rules of one priority have none", () => {
  const next = rule(Normal, 0);
  const [, , last] = levelsOf(rule(Admin, 0), rule(Admin, 0), next).at;
  expect(last).toBe(levelsOf(rule(Admin, 0), next).at.at(-1));
  expect(levelsOf(...rules(Admin, 40), next).at.at(-1)).toBe(
    levelsOf(...rules(Admin, 40), ...rules(Admin, 40), next).at.at(-1),
  );
});
