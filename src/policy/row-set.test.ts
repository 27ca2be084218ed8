import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Selector } from "../model/selector.ts";
import { RowSet } from "./row-set.ts";

const SIZE = 40;
const idOf = Array.from({ length: SIZE }, (_, row) => 1000 + row);
const rows = fc.uniqueArray(fc.nat(SIZE - 1), { maxLength: SIZE });
const lists = fc.array(rows, { maxLength: 5 });

describe("a set of rows", () => {
  it("has the rows of all its lists once, and finds them in others", () => {
    fc.assert(
      fc.property(lists, rows, (made, asked) => {
        const set = new RowSet(made, idOf);
        expect([...set.rows].sort()).toEqual([...new Set(made.flat())].sort());
        const found = asked.filter((row) => made.some((list) => list.includes(row)));
        expect(set.among(asked)).toEqual(found);
        const wanted = [asked, [], [...idOf.keys()]].map((some) => ({ rows: some, selection: undefined }));
        const [groups, rowLists]: [typeof wanted, (readonly number[])[]] = [[], []];
        set.findGroups(wanted, groups, rowLists);
        expect(groups).toEqual(wanted.filter(({ rows: some }) => set.among(some).length > 0));
        expect(rowLists).toEqual(groups.map(({ rows: some }) => set.among(some)));
      }),
    );
  });

  it("is not mixed up with another that is asked in between", () => {
    fc.assert(
      fc.property(lists, lists, fc.array(rows, { minLength: 1 }), (one, other, asked) => {
        const sets = [new RowSet(one, idOf), new RowSet(other, idOf)];
        const found = asked.map((list) => sets.map((set) => set.among([...list])));
        const alone = (made: readonly number[][], list: readonly number[]) => new RowSet(made, idOf).among(list);
        expect(found).toEqual(asked.map((list) => [alone(one, list), alone(other, list)]));
      }),
    );
  });

  it("finds the rows of a selection, whoever asked it before", () => {
    fc.assert(
      fc.property(fc.array(lists, { minLength: 1, maxLength: 4 }), rows, rows, (made, selected, some) => {
        const selector = {} as Selector;
        const selection = { selector, rows: selected, found: { mark: 0, rows: [] } };
        // a group of a selection, one of some rows of it, and the first again
        const groups = [selected, some, selected].map((each) => ({ rows: each, selection }));
        const sets = made.map((each) => new RowSet(each, idOf));
        for (const set of [...sets, ...sets]) {
          const found: (readonly number[])[] = [];
          set.findGroups(groups, [], found);
          expect(found).toEqual(groups.map((group) => set.among(group.rows)).filter((each) => each.length > 0));
        }
      }),
    );
  });

  it("is parted by lists, once for the same lists and anew for others", () => {
    const set = new RowSet([[3, 1, 2]], idOf);
    const [all, some] = [set.among([1, 2, 3, 4]), set.among([2, 5])];
    const parts = set.parted([all, some]);
    const found = parts.map(({ groups, ids }) => [groups.map(({ place }) => place), [...ids].sort()]);
    expect(found.sort()).toEqual([
      [[0, 1], [1002]],
      [[0], [1001, 1003]],
    ]);
    expect(set.parted([set.among([9]), all, some])).not.toBe(parts);
    expect(set.parted([some, all])).not.toBe(parts);
    expect(set.parted([all, some])).toBe(parts);
  });
});
