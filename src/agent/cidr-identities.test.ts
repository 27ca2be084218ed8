import { describe, expect, test } from "vitest";
import type { Labels } from "../model/label.ts";
import { CidrIdentities } from "./cidr-identities.ts";

const WORLD = { source: "reserved", key: "world", value: "" };
const FIRST = 16_777_217;

function labelled(source: string, ...keys: string[]): Labels {
  return [...keys.map((key) => ({ source, key, value: "" })), WORLD];
}

const api = labelled("fqdn", "api.example.com");
const both = labelled("fqdn", "*.example.com", "api.example.com");

describe("numbers", () => {
  test("belong to labels: prefixes that have the same share one", () => {
    const numbers = new CidrIdentities(new Map());
    expect(numbers.numberOf("192.0.2.1/32", api)).toBe(FIRST);
    expect(numbers.numberOf("192.0.2.2/32", api)).toBe(FIRST);
    expect(numbers.numberOf("192.0.2.3/32", both)).toBe(FIRST + 1);
    expect(numbers.numberOf("192.0.2.1/32", both)).toBe(FIRST + 1);
    expect(numbers.takeFreed()).toEqual([]);
  });

  test("are given up with their last owner, and not given to the next labels", () => {
    const numbers = new CidrIdentities(new Map());
    numbers.numberOf("192.0.2.1/32", api);
    numbers.numberOf("192.0.2.2/32", api);
    numbers.release("192.0.2.1/32");
    expect(numbers.takeFreed()).toEqual([]);
    expect(numbers.numberOf("192.0.2.2/32", both)).toBe(FIRST + 1);
    expect(numbers.takeFreed()).toEqual([FIRST]);
    expect(numbers.takeFreed()).toEqual([]);
    expect(numbers.numberOf("192.0.2.3/32", api)).toBe(FIRST + 2);
    expect(numbers.owners()).toEqual(["192.0.2.2/32", "192.0.2.3/32"]);
  });
});

describe("after a restart", () => {
  const kernel = new Map([
    ["10.0.0.0/8", { identity: FIRST + 2 }],
    ["172.20.1.5/32", { identity: 4711 }],
    ["192.0.2.1/32", { identity: FIRST + 5 }],
    ["192.0.2.2/32", { identity: FIRST + 5 }],
    ["192.0.2.3/32", { identity: FIRST + 5 }],
  ]);
  const ten = labelled("cidr", "10.0.0.0/8");

  test("prefixes keep the numbers that the kernel has", () => {
    const numbers = new CidrIdentities(kernel);
    numbers.adopt(
      new Map([
        ["10.0.0.0/8", ten],
        ["192.0.2.1/32", api],
        ["192.0.2.2/32", api],
      ]),
    ); // the third is gone
    expect(numbers.numberOf("10.0.0.0/8", ten)).toBe(FIRST + 2);
    expect(numbers.numberOf("192.0.2.2/32", api)).toBe(FIRST + 5);
    expect(numbers.numberOf("172.20.1.5/32", both)).toBe(FIRST + 6);
  });

  test("a number whose prefixes are to have different labels goes to none of them", () => {
    const numbers = new CidrIdentities(kernel);
    numbers.adopt(
      new Map([
        ["192.0.2.1/32", api],
        ["192.0.2.2/32", both],
      ]),
    );
    const given = [numbers.numberOf("192.0.2.1/32", api), numbers.numberOf("192.0.2.2/32", both)];
    expect(given).toEqual([FIRST + 6, FIRST + 7]);
  });

  test("what is wanted later does not change what a number means", () => {
    const numbers = new CidrIdentities(kernel);
    numbers.adopt(new Map([["192.0.2.1/32", api]]));
    numbers.adopt(new Map([["192.0.2.1/32", both]]));
    expect(numbers.numberOf("192.0.2.1/32", both)).toBe(FIRST + 6);
    expect(numbers.numberOf("192.0.2.9/32", api)).toBe(FIRST + 5);
  });
});
