import { expect, it } from "vitest";
import { KubeError } from "../../status.ts";
import { checkListOptions, checkWatchOptions } from "./list-options.ts";

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
  ["resourceVersion=7", ""],
])("a watch with %s", (query, message) => {
  const got = refusal(checkWatchOptions, query);
  if (message === "") expect(got).toBe("");
  else expect(got).toContain(message);
});

it.each([
  ["sendInitialEvents=true", "422 ListOptions.meta.k8s.io"],
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
