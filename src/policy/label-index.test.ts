import { describe, expect, it } from "vitest";
import { parseCidr } from "../model/cidr.ts";
import { parseLabel } from "../model/label.ts";
import { cidrSelector, labelSelector, requirement } from "../model/selector.ts";
import { LabelIndex } from "./label-index.ts";
import { SelectorCache } from "./selector-cache.ts";

const label = parseLabel;
const appIs = (...values: readonly string[]) => labelSelector([requirement("k8s:app", "In", values)]);

describe("the label index", () => {
  it("gives a label one number, and its conditions those labels that exist or come", () => {
    const index = new LabelIndex();
    const a = index.number(label("k8s:app=a"));
    expect(index.number(label("k8s:app=a"))).toBe(a);
    expect(index.label(a)).toEqual(label("k8s:app=a"));
    const [condition] = index.conditionsOf(appIs("a", "b"));
    const b = index.number(label("k8s:app=b"));
    index.number(label("k8s:app=c"));
    index.number(label("container:app=a"));
    expect([...condition!.labels]).toEqual([a, b]);
    expect(index.conditionsWith(b)).toEqual([condition]);
  });

  it("shares a condition among selectors until the last gives it back", () => {
    const index = new LabelIndex();
    const a = index.number(label("k8s:app=a"));
    const [first, second] = [index.conditionsOf(appIs("a")), index.conditionsOf(appIs("a"))];
    expect(second[0]).toBe(first[0]);
    index.release(first);
    expect(index.conditionsWith(a)).toEqual([second[0]]);
    index.release(second);
    expect(index.conditionsWith(a)).toEqual([]);
    expect(index.conditionsOf(appIs("a"))[0]).not.toBe(first[0]);
  });

  it("does not fill a condition that nobody has any more", () => {
    const index = new LabelIndex();
    const conditions = [
      ...index.conditionsOf(appIs("a")),
      ...index.conditionsOf(labelSelector([requirement("cidr:10.0.0.0/8", "Exists")])),
    ];
    index.release(conditions);
    for (const text of ["k8s:app=a", "cidr:10.1.0.0/16"]) {
      expect(index.conditionsWith(index.number(label(text)))).toEqual([]);
    }
    expect(conditions.map(({ labels }) => labels.size)).toEqual([0, 0]);
  });

  it("keeps a condition and its opposite apart", () => {
    const index = new LabelIndex();
    const [yes] = index.conditionsOf(appIs("a"));
    const [no] = index.conditionsOf(labelSelector([requirement("k8s:app", "NotIn", ["a"])]));
    expect([yes!.negative, no!.negative]).toEqual([false, true]);
    expect(index.conditionsWith(index.number(label("k8s:app=a")))).toEqual([yes, no]);
  });

  it("takes for a prefix only labels of the source cidr, and no others into its set", () => {
    const index = new LabelIndex();
    const [inside] = index.conditionsOf(cidrSelector(parseCidr("10.0.0.0/8")!));
    const numbers = ["cidr:10.1.0.0/16", "k8s:10.1.0.0/16", "cidr:11.0.0.0/8", "k8s:app=a"].map((text) =>
      index.number(label(text)),
    );
    expect([...inside!.labels]).toEqual([numbers[0]]);
  });
});

describe("a selection", () => {
  const [A, B] = [[label("k8s:app=a")], [label("k8s:app=b")]];
  const driven = appIs("a");
  const undriven = labelSelector([requirement("k8s:app", "NotIn", ["b"])]);

  it.each([driven, undriven])("follows identities while somebody uses it: $text", (selector) => {
    const cache = new SelectorCache();
    const selection = cache.retain(selector);
    expect(cache.retain(selector)).toBe(selection);
    expect(cache.upsertIdentity(1, A).selections).toEqual([selection]);
    expect(cache.upsertIdentity(2, B).selections).toEqual([]);
    cache.release(selection);
    expect(cache.upsertIdentity(3, A).selections).toEqual([selection]);
    expect(cache.removeIdentity(1)?.selections).toEqual([selection]);
    expect(selection.rows.map((row) => cache.identityAt(row))).toEqual([3]);
    cache.release(selection);
    expect(cache.upsertIdentity(4, A).selections).toEqual([]);
    const fresh = cache.retain(selector);
    expect(fresh).not.toBe(selection);
    expect(cache.upsertIdentity(5, A).selections).toEqual([fresh]);
  });

  it("leaves others with the same condition as they are", () => {
    const cache = new SelectorCache();
    const one = cache.retain(driven);
    const two = cache.retain(labelSelector([...driven.requirements, requirement("k8s:team", "DoesNotExist")]));
    cache.release(two);
    expect(cache.upsertIdentity(1, A).selections).toEqual([one]);
    cache.release(one);
    expect(cache.upsertIdentity(2, A).selections).toEqual([]);
  });

  it("is filled from the condition with the fewest rows, whichever it is", () => {
    for (const requirements of [
      ["k8s:app", "k8s:rare"],
      ["k8s:rare", "k8s:app"],
    ]) {
      const cache = new SelectorCache();
      for (let id = 1; id <= 9; id++) cache.upsertIdentity(id, id < 3 ? [...A, label("k8s:rare")] : A);
      cache.removeIdentity(1);
      const selector = labelSelector(requirements.map((key) => requirement(key, "Exists")));
      expect([...cache.select(selector)]).toEqual([2]);
    }
  });
});

describe("the selector cache", () => {
  it("knows the labels of an identity while it is there", () => {
    const cache = new SelectorCache();
    const labels = ["k8s:app=a", "k8s:team=x"].map(label);
    cache.upsertIdentity(7, labels);
    expect(cache.labelsOf(7)).toEqual(labels);
    expect([cache.hasIdentity(7), ...cache.identities()]).toEqual([true, 7]);
    cache.upsertIdentity(7, labels.slice(1));
    expect(cache.labelsOf(7)).toEqual(labels.slice(1));
    cache.removeIdentity(7);
    expect([cache.labelsOf(7), cache.hasIdentity(7), cache.removeIdentity(7)]).toEqual([undefined, false, undefined]);
  });

  it("numbers rows anew once thousands are gone, and selects as before", () => {
    const cache = new SelectorCache();
    const selection = cache.retain(appIs("a"));
    cache.upsertIdentity(1, [label("k8s:app=a")]);
    for (let round = 0; round < 4_098; round++) {
      cache.upsertIdentity(2, [label("k8s:app=b")]);
      expect(cache.generation).toBe(0);
      if (round < 4_097) cache.removeIdentity(2);
    }
    cache.removeIdentity(2);
    cache.upsertIdentity(3, [label("k8s:app=a")]);
    expect(cache.generation).toBe(1);
    expect(cache.idsByRow.length).toBeLessThan(5);
    expect(selection.rows.map((row) => cache.identityAt(row))).toEqual([1, 3]);
  });
});
