import { expect, test } from "vitest";
import { warmUp } from "./warm-up.ts";

test("a warm-up computes policies that have entries", () => {
  // A peer that no longer selects anybody would leave the code behind it cold.
  expect(warmUp()).toBe(65);
});
