import { expect, test } from "vitest";
import { warmUp } from "./warm-up.ts";

test("a warm-up gets an answer to all that it asks, and leaves nothing open", async () => {
  await expect(warmUp()).resolves.toBeUndefined();
});
