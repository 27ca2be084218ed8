import { expect, it } from "vitest";
import { cidrContains, parseCidr } from "./cidr.ts";
import { prefixKeys } from "./prefix-keys.ts";

const PREFIXES = [
  ...[
    "0.0.0.0/0",
    "10.0.0.0/7",
    "10.0.0.0/8",
    "10.1.0.0/15",
    "10.1.0.0/16",
    "10.1.2.0/24",
    "10.1.2.3/32",
    "11.1.0.0/16",
  ],
  ...[
    "::/0",
    "a00::/7",
    "a01::/16",
    "a01:200::/24",
    "a01:203::/32",
    "a01:203:405::/48",
    "a01:203:405:607::/64",
    "b01::/16",
  ],
].map((text) => ({ text, cidr: parseCidr(text)! }));

it("finds what contains a prefix under its own numbers, and nothing of the other family", () => {
  for (const outer of PREFIXES) {
    const key = prefixKeys(outer.cidr).at(-1)!;
    for (const inner of PREFIXES) {
      const found = prefixKeys(inner.cidr).includes(key);
      if (cidrContains(outer.cidr, inner.cidr))
        expect([outer.text, inner.text, found]).toEqual([outer.text, inner.text, true]);
      else if (outer.cidr.family !== inner.cidr.family) expect(found).toBe(false);
    }
  }
});

it("tells prefixes apart at the lengths where they are cut", () => {
  const keys = [
    "10.0.0.0/8",
    "11.0.0.0/8",
    "10.1.0.0/16",
    "10.2.0.0/16",
    "a01::/16",
    "a01:203::/32",
    "a01:204::/32",
  ].map((text) => prefixKeys(parseCidr(text)!).at(-1));
  expect(new Set(keys).size).toBe(keys.length);
});
