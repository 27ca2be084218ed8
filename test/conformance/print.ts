/** `node test/conformance/print.ts`: every case as a JSON line, its scenario with `expected` beside it, for any engine to run. */
import { expectedFlows, readConformance } from "../support/conformance-case.ts";

for (const { case: each, scenario } of readConformance().flatMap(({ cases }) => cases)) {
  const expected = expectedFlows(each).map(({ query, want, checks }) => ({ id: query.id, want, checks }));
  const isRefused = each.invalid !== undefined;
  console.log(JSON.stringify({ ...scenario, isRefused, upstreamDiffers: each.upstreamDiffers === true, expected }));
}
