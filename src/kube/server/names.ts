import { randomInt } from "node:crypto";

/** No vowels and no look-alikes, so that no words appear. */
const SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789";
const MAX_GENERATED_BASE = 58;

/** `base` with five random characters, as generateName promises. */
export function generateName(base: string): string {
  const suffix = Array.from({ length: 5 }, () => SUFFIX_LETTERS[randomInt(SUFFIX_LETTERS.length)]).join("");
  return base.slice(0, MAX_GENERATED_BASE) + suffix;
}
