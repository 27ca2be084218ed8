import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Group, partition } from "./partition.ts";

/** Who is in the same groups, found row by row. */
function naiveParts(groups: readonly Group[], idOf: readonly number[]) {
  const parts = new Map<string, { places: number[]; ids: number[] }>();
  for (const [row, id] of idOf.entries()) {
    const places = groups.flatMap(({ rows }, place) => (rows.includes(row) ? [place] : []));
    if (places.length === 0) continue;
    const part = parts.get(`${places}`) ?? { places, ids: [] };
    parts.set(`${places}`, part);
    part.ids.push(id);
  }
  return inOrder([...parts.values()]);
}

function partsOf(groups: readonly Group[], idOf: readonly number[]) {
  const parts = partition(groups, idOf);
  return inOrder(parts.map(({ groups: of, ids }) => ({ places: of.map((group) => groups.indexOf(group)), ids })));
}

function inOrder(parts: { places: number[]; ids: number[] }[]) {
  for (const { ids } of parts) ids.sort((a, b) => a - b);
  return parts.sort((a, b) => a.ids[0]! - b.ids[0]!);
}

const world = fc.integer({ min: 1, max: 60 }).chain((size) =>
  fc.record({
    idOf: fc.constant(Array.from({ length: size }, (_, row) => 1000 + row)),
    groups: fc.array(
      fc.uniqueArray(fc.nat(size - 1), { maxLength: size }).map((rows) => ({ rows })),
      { maxLength: 8 },
    ),
  }),
);

describe("a partition", () => {
  it("keeps together who is in the same groups, whatever was parted before", () => {
    fc.assert(
      fc.property(world, ({ groups, idOf }) => {
        expect(partsOf(groups, idOf)).toEqual(naiveParts(groups, idOf));
      }),
    );
  });

  it("has nobody without groups, and nobody of an empty group", () => {
    expect(partition([], [7, 8])).toEqual([]);
    expect(partition([{ rows: [] }], [7, 8])).toEqual([]);
  });

  it("gives a part its groups in the order given and its identities by row", () => {
    const [a, b, c] = [{ rows: [2, 0, 1] }, { rows: [1] }, { rows: [0, 2] }];
    expect(partition([a, b, c], [50, 40, 30])).toEqual([
      { groups: [a, b], ids: [40] },
      { groups: [a, c], ids: [30, 50] },
    ]);
  });
});
