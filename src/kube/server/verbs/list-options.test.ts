import { expect, it } from "vitest";
import { KubeError } from "../../status.ts";
import { checkCounts, checkListOptions, checkRevisionText, checkWatchOptions } from "./list-options.ts";

function refusal(check: (query: URLSearchParams) => void, query: string): string {
  try {
    check(new URLSearchParams(query));
  } catch (error) {
    return error instanceof KubeError ? `${error.code} ${error.message}` : String(error);
  }
  return "";
}

it.each([
  ["sendInitialEvents=true", "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"],
  ["sendInitialEvents=false&resourceVersionMatch=Exact", "requires setting resourceVersionMatch to NotOlderThan"],
  ["resourceVersionMatch=NotOlderThan", "forbidden for watch unless sendInitialEvents is provided"],
  ["sendInitialEvents=true&resourceVersionMatch=NotOlderThan", ""],
  ["resourceVersionMatch=Exact", 'Unsupported value: "Exact": supported values: "NotOlderThan"'],
  ["resourceVersion=7", ""],
])("a watch with %s", (query, message) => {
  const got = refusal(checkWatchOptions, query);
  if (message === "") expect(got).toBe("");
  else expect(got).toContain(message);
});

it.each([
  ["sendInitialEvents=true", "422 ListOptions.meta.k8s.io"],
  ["sendInitialEvents=true&resourceVersionMatch=Exact", "[resourceVersionMatch: Forbidden: "],
  ["resourceVersionMatch=Exact", "forbidden unless resourceVersion is provided"],
  ["resourceVersionMatch=Exact&resourceVersion=0", 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'],
  ["resourceVersionMatch=Exact&resourceVersion=5&continue=x", "forbidden when continue is provided"],
  ["resourceVersionMatch=Near&resourceVersion=5", 'Unsupported value: "Near"'],
  ["resourceVersionMatch=Exact&resourceVersion=5", ""],
  ["limit=5&continue=x", ""],
])("a list with %s", (query, message) => {
  const got = refusal(checkListOptions, query);
  if (message === "") expect(got).toBe("");
  else expect(got).toContain(message);
});

it.each([
  ["timeoutSeconds=soon", 'parsing "soon": invalid syntax'],
  ["limit=1.5", 'parsing "1.5": invalid syntax'],
  ["limit=-1&timeoutSeconds=", ""],
])("counts as %s", (query, message) =>
  expect(refusal(checkCounts, query)).toBe(message && `400 strconv.ParseInt: ${message}`),
);

it.each([
  ["resourceVersion=-1", "invalid syntax"],
  ["resourceVersion=18446744073709551616", "value out of range"],
  ["resourceVersion=18446744073709551615", ""],
  ["resourceVersion=", ""],
])("a revision as %s", (query, message) => {
  const got = refusal(checkRevisionText, query);
  expect(message === "" ? got : got.endsWith(message)).toBe(message === "" ? "" : true);
});
