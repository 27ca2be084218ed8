import { expect, it } from "vitest";
import { isTimeZone, nextRun, parseCron } from "./cron.ts";

const at = (text: string): number => Date.parse(text);
const runs = (schedule: string, after: string, count: number, zone = "UTC"): (string | undefined)[] => {
  const found: (string | undefined)[] = [];
  for (let ms: number | undefined = at(after); found.length < count; ) {
    ms = nextRun(parseCron(schedule), ms!, zone);
    found.push(ms === undefined ? undefined : new Date(ms).toISOString().slice(0, 16));
    if (ms === undefined) break;
  }
  return found;
};

it.each([
  ["*/5 * * * *", "2026-01-01T00:00:30Z", ["2026-01-01T00:05", "2026-01-01T00:10"]],
  [
    "1/20 * * * *",
    "2026-01-01T00:00:00Z",
    ["2026-01-01T00:01", "2026-01-01T00:21", "2026-01-01T00:41", "2026-01-01T01:01"],
  ],
  ["30 9 * * MON-fri", "2026-01-02T10:00:00Z", ["2026-01-05T09:30"]],
  ["0 0 13 * 5", "2026-01-01T00:00:00Z", ["2026-01-02T00:00", "2026-01-09T00:00", "2026-01-13T00:00"]],
  ["0 0 13 * ?", "2026-01-01T00:00:00Z", ["2026-01-13T00:00", "2026-02-13T00:00"]],
  ["0 0 29 feb *", "2026-01-01T00:00:00Z", ["2028-02-29T00:00"]],
  ["0 0 31 2 *", "2026-01-01T00:00:00Z", [undefined]],
  ["@hourly", "2026-01-01T00:59:59Z", ["2026-01-01T01:00", "2026-01-01T02:00"]],
  ["@weekly", "2026-01-01T00:00:00Z", ["2026-01-04T00:00"]],
  ["@every 1h30m", "2026-01-01T00:00:00Z", ["2026-01-01T01:30", "2026-01-01T03:00"]],
])("%s after %s", (schedule, after, want) => {
  expect(runs(schedule, after, want.length)).toEqual(want);
});

it("goes by the clock of its time zone, also when that is put forward or back", () => {
  expect(runs("0 9 * * *", "2026-03-28T12:00:00Z", 2, "Europe/Zurich")).toEqual([
    "2026-03-29T07:00",
    "2026-03-30T07:00",
  ]);
  expect(runs("30 2 * * *", "2026-03-28T12:00:00Z", 1, "Europe/Zurich")).toEqual(["2026-03-30T00:30"]);
  expect(runs("30 2 * * *", "2026-10-24T12:00:00Z", 3, "Europe/Zurich")).toEqual([
    "2026-10-25T00:30",
    "2026-10-25T01:30",
    "2026-10-26T01:30",
  ]);
  expect([isTimeZone("Europe/Zurich"), isTimeZone("Nowhere/Land"), isTimeZone("local")]).toEqual([true, false, false]);
});

it.each([
  ["60 * * * *", "end of range (60) above maximum (59)"],
  ["* * * * 7", "end of range (7) above maximum (6)"],
  ["5-1 * * * *", "minute 5-1 begins after its end"],
  ["*/0 * * * *", "the step of minute */0 is no positive number"],
  ["1-2-3 * * * *", "too many hyphens"],
  ["* * * *", "expected exactly 5 fields, found 4"],
  ["* * * * * *", "expected exactly 5 fields, found 6"],
  ["", "expected exactly 5 fields, found 0"],
  ["0 0 L * *", "failed to parse day of month from L"],
  ["@reboot", "unrecognized descriptor: @reboot"],
  ["@every x", "failed to parse duration"],
  ["TZ=UTC * * * * *", "cannot use TZ"],
])("refuses %j", (schedule, why) => {
  expect(() => parseCron(schedule)).toThrow(why);
});
