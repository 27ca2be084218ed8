import { expect, test } from "vitest";
import { PolicyCache, type PolicyUpdate } from "./policy-cache.ts";
import { warmUp } from "./warm-up.ts";

test("a warm-up computes policies whose peers are somebody", () => {
  // A peer that no longer selects anybody would leave the code behind it cold.
  expect(warmUp()).toBe(5845);
});

test("a warm-up replaces policies that are made anew out of the old one's parts, and policies that are computed anew", () => {
  const updates: PolicyUpdate[] = [];
  const { replacePolicy } = PolicyCache.prototype;
  PolicyCache.prototype.replacePolicy = function (...args) {
    const own = replacePolicy.apply(this, args);
    updates.push(...own);
    return own;
  };
  try {
    warmUp();
  } finally {
    PolicyCache.prototype.replacePolicy = replacePolicy;
  }
  const anew = updates.filter(({ changes }) => changes === undefined);
  const moved = updates.filter(({ changes }) => changes !== undefined && changes.added.length > 0);
  expect({ errors: updates.filter(({ error }) => error !== undefined).length, anew: anew.length }).toEqual({
    errors: 0,
    anew: 104,
  });
  expect(moved.length).toBeGreaterThan(50);
});
