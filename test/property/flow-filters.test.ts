import { fromJson, type JsonValue } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Flow, FlowFilterSchema } from "../../proto/gen/flow_pb.js";
import { compileFilters } from "../../src/flow/filters/index.ts";
import { FIELDS, fieldJson, flows } from "../support/flow-filter-fields.ts";

const RUNS = Number(process.env["SG_PROPERTY_RUNS"] ?? 1000) / 2;

interface Wanted {
  readonly name: string;
  readonly values: readonly JsonValue[];
}
const wantedOf = (name: string): fc.Arbitrary<Wanted> =>
  fc.subarray([...FIELDS[name]!.values], { minLength: 1, maxLength: 2 }).map((values) => ({ name, values }));
/** HTTP fields beside an event type that is not L7 are refused, which is another test's. */
const filters = fc
  .uniqueArray(fc.constantFrom(...Object.keys(FIELDS).filter((name) => name !== "event_type")), { maxLength: 3 })
  .chain((names) => fc.tuple(...names.map(wantedOf)));
const filterOf = (wanted: readonly Wanted[]) =>
  fromJson(FlowFilterSchema, Object.fromEntries(wanted.map(({ name, values }) => [name, fieldJson(name, values)])));
const naive = (wanted: readonly Wanted[], flow: Flow) =>
  wanted.every(({ name, values }) => values.some((value) => FIELDS[name]!.matches(value as never, flow)));

it("has a naive reading of every field", () => {
  expect(Object.keys(FIELDS).sort()).toEqual(FlowFilterSchema.fields.map(({ name }) => name).sort());
});

describe("one field", () => {
  it.each(Object.keys(FIELDS))("%s", (name) => {
    const seen = new Set<boolean>();
    fc.assert(
      fc.property(wantedOf(name), flows, (wanted, flow) => {
        const expected = naive([wanted], flow);
        seen.add(expected);
        expect(compileFilters([filterOf([wanted])], [])(flow)).toBe(expected);
      }),
      { numRuns: RUNS },
    );
    expect([...seen].sort(), "matched sometimes, and sometimes not").toEqual([false, true]);
  });
});

it("any of the whitelist, none of the blacklist, all fields of each", () => {
  const list = fc.array(filters, { maxLength: 3 });
  fc.assert(
    fc.property(list, list, fc.array(flows, { minLength: 1, maxLength: 5 }), (whitelist, blacklist, all) => {
      const passes = compileFilters(whitelist.map(filterOf), blacklist.map(filterOf));
      for (const flow of all) {
        const isWanted = whitelist.length === 0 || whitelist.some((wanted) => naive(wanted, flow));
        expect(passes(flow)).toBe(isWanted && !blacklist.some((unwanted) => naive(unwanted, flow)));
      }
    }),
    { numRuns: RUNS },
  );
});
