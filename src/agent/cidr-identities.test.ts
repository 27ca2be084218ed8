import { expect, test } from "vitest";
import { CidrIdentities } from "./cidr-identities.ts";

test("prefixes keep the numbers that the kernel has, and a number given up is not given to the next prefix", () => {
  const numbers = new CidrIdentities(
    new Map([
      ["10.0.0.0/8", { identity: 16_777_219 }],
      ["172.20.1.5/32", { identity: 4711 }],
    ]),
  );
  expect(numbers.numberOf("10.0.0.0/8")).toBe(16_777_219);
  expect(numbers.numberOf("10.1.0.0/16")).toBe(16_777_220);
  expect(numbers.keepOnly(new Set(["10.0.0.0/8"]))).toEqual([["10.1.0.0/16", 16_777_220]]);
  expect(numbers.numberOf("1.1.1.1/32")).toBe(16_777_221);
  expect(numbers.numberOf("172.20.1.5/32")).toBe(16_777_222);
});
