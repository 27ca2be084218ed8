import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatLabels } from "../../model/label.ts";
import { type FqdnSelector, fqdnLabelKey, fqdnSelector } from "../../model/selector.ts";
import { compileFqdn } from "../dns-rule.ts";
import { FqdnLabels } from "./fqdn-labels.ts";

const API = fqdnSelector({ matchName: "api.example.com" });
const ANY_OF_EXAMPLE = fqdnSelector({ matchPattern: "*.example.com" });

function labelsOf(labels: FqdnLabels, address: string): string[] {
  return formatLabels(labels.labelsOf(address));
}

describe("labels of addresses", () => {
  test("an address has the label of every selector that selects one of its names", () => {
    const labels = new FqdnLabels();
    labels.setSelectors([API, ANY_OF_EXAMPLE, fqdnSelector({ matchName: "bank.org" })]);
    expect(labels.update("api.example.com.", ["192.0.2.1", "2001:db8::1"])).toEqual(["192.0.2.1", "2001:db8::1"]);
    expect(labels.update("www.example.com.", ["192.0.2.2"])).toEqual(["192.0.2.2"]);
    expect(labels.update("other.net.", ["192.0.2.3"])).toEqual([]);
    expect(labelsOf(labels, "192.0.2.1")).toEqual(["fqdn:*.example.com", "fqdn:api.example.com"]);
    expect(labelsOf(labels, "192.0.2.2")).toEqual(["fqdn:*.example.com"]);
    expect(labelsOf(labels, "192.0.2.3")).toEqual([]);
    expect([...labels.entries()].map(([prefix]) => prefix)).toEqual([
      "192.0.2.1/32",
      "2001:db8::1/128",
      "192.0.2.2/32",
    ]);
  });

  test("only a change of labels is told", () => {
    const labels = new FqdnLabels();
    labels.setSelectors([ANY_OF_EXAMPLE]);
    labels.update("a.example.com.", ["192.0.2.1"]);
    expect(labels.update("b.example.com.", ["192.0.2.1"])).toEqual([]);
    expect(labels.update("a.example.com.", ["192.0.2.1", "192.0.2.2"])).toEqual(["192.0.2.2"]);
    expect(labels.update("a.example.com.", [])).toEqual(["192.0.2.2"]);
    expect(labels.update("b.example.com.", [])).toEqual(["192.0.2.1"]);
    expect([...labels.entries()]).toEqual([]);
  });

  test("selectors that come select names that are known; those that go take their label along", () => {
    const labels = new FqdnLabels();
    labels.update("api.example.com.", ["192.0.2.1"]);
    expect(labels.setSelectors([API])).toEqual(["192.0.2.1"]);
    expect(labels.setSelectors([API])).toEqual([]);
    expect(labels.setSelectors([ANY_OF_EXAMPLE, API])).toEqual(["192.0.2.1"]);
    expect(labelsOf(labels, "192.0.2.1")).toEqual(["fqdn:*.example.com", "fqdn:api.example.com"]);
    expect(labels.setSelectors([ANY_OF_EXAMPLE])).toEqual(["192.0.2.1"]);
    expect(labelsOf(labels, "192.0.2.1")).toEqual(["fqdn:*.example.com"]);
    expect(labels.setSelectors([])).toEqual(["192.0.2.1"]);
  });

  test("selectors that write one name in several ways keep a label each", () => {
    const labels = new FqdnLabels();
    labels.update("api.example.com.", ["192.0.2.1"]);
    labels.setSelectors(["API.example.com", "api.example.com."].map((matchName) => fqdnSelector({ matchName })));
    expect(labelsOf(labels, "192.0.2.1")).toEqual(["fqdn:API.example.com", "fqdn:api.example.com."]);
    labels.setSelectors([fqdnSelector({ matchPattern: "API.example.com" })]);
    expect(labelsOf(labels, "192.0.2.1")).toEqual(["fqdn:API.example.com"]);
  });
});

const NAMES = ["a.x.", "b.x.", "a.b.x.", ".x.", "\\001.x.", "x.", ".", "A.x", "c.y."];
const SELECTORS = [
  ...["a.x", "B.x", "c.y.", "x"].map((matchName) => fqdnSelector({ matchName })),
  ...["*.x", "*.X.", "**.x", "*", "a*.x", "*.y.", "*.b.x"].map((matchPattern) => fqdnSelector({ matchPattern })),
];
const ADDRESSES = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1"];
const change = fc.oneof(
  fc.record({ name: fc.constantFrom(...NAMES), addresses: fc.subarray(ADDRESSES) }),
  fc.record({ selectors: fc.subarray(SELECTORS) }),
);

test("whatever the order of changes, labels are those of the state, and every change of them is told", () => {
  fc.assert(
    fc.property(fc.array(change, { maxLength: 12 }), (changes) => {
      const labels = new FqdnLabels();
      const names = new Map<string, readonly string[]>();
      let selectors: readonly FqdnSelector[] = [];
      let before = new Map(ADDRESSES.map((address) => [address, ""]));
      for (const each of changes) {
        const told = "name" in each ? labels.update(each.name, each.addresses) : labels.setSelectors(each.selectors);
        if ("name" in each) names.set(each.name, each.addresses);
        else selectors = each.selectors;
        const after = new Map(
          ADDRESSES.map((address) => {
            const own = [...names].filter(([, addresses]) => addresses.includes(address)).map(([name]) => name);
            const keys = selectors.filter((selector) => own.some(compileFqdn(selector))).map(fqdnLabelKey);
            return [address, [...new Set(keys)].sort().join()];
          }),
        );
        for (const address of ADDRESSES) {
          const has = labels.labelsOf(address).map(({ key }) => key);
          expect(has.join()).toBe(after.get(address));
          expect(told.includes(address)).toBe(after.get(address) !== before.get(address));
        }
        before = after;
      }
    }),
    { numRuns: 500 },
  );
});
