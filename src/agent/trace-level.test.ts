import { expect, it } from "vitest";
import { TraceLevel } from "./trace-level.ts";

it("is Medium, shows every packet while somebody monitors, and what was asked for in any case", () => {
  const written: number[] = [];
  const level = new TraceLevel({ setAggregation: (wanted) => written.push(wanted) });
  expect(level.name).toBe("Medium");
  level.watched(true);
  level.watched(false);
  level.set("Max");
  level.watched(true);
  expect(level.name).toBe("Max");
  expect(written).toEqual([2, 3, 4, 4]);
});
