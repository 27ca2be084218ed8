import { expect, test } from "vitest";
import type { RuleOrigin } from "../policy/policy-map.ts";
import { RuleCookies } from "./rule-cookies.ts";

const origin = (name: string): RuleOrigin[] => [
  { kind: "CiliumNetworkPolicy", namespace: "default", name, labels: [], path: "spec.ingress[0]" },
];

test("the same rules have the same number in every agent, and other rules another", () => {
  const [before, after] = [new RuleCookies(), new RuleCookies()];
  before.cookieOf(origin("other"));
  const cookie = before.cookieOf(origin("rule1"));
  expect(after.originsOf(cookie)).toEqual([]);
  expect(after.cookieOf(origin("rule1"))).toBe(cookie);
  expect(after.originsOf(cookie)).toEqual(origin("rule1"));
  expect(before.cookieOf(origin("other"))).not.toBe(cookie);
});
