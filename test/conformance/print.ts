/**
 * `node test/conformance/print.ts`: every case as a JSON line, its scenario with `expected` beside it, for any engine to run;
 * with `--scenarios` the scenario alone, which is what `policy eval` reads.
 */
import { expectedFlows, readConformance } from "../support/conformance-case.ts";

const isAlone = process.argv.includes("--scenarios");
for (const { case: each, scenario } of readConformance().flatMap(({ cases }) => cases)) {
  const expected = expectedFlows(each).map(({ query, want, checks }) => ({ id: query.id, want, checks }));
  const beside = { isRefused: each.invalid !== undefined, upstreamDiffers: each.upstreamDiffers === true, expected };
  console.log(JSON.stringify({ ...scenario, ...(isAlone ? {} : beside) }));
}
