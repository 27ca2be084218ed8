import { expect, it } from "vitest";
import { KubeError } from "../../status.ts";
import type { Api } from "../context.ts";
import { checkRevision } from "./list.ts";

const api = { store: { revision: 7 } } as unknown as Api;

function codeOf(query: string): number {
  try {
    checkRevision(api, new URLSearchParams(query));
  } catch (error) {
    if (error instanceof KubeError) return error.code;
    throw error;
  }
  return 200;
}

it.each([
  ["", 200],
  ["resourceVersion=0", 200],
  ["resourceVersion=0&limit=1", 200],
  ["resourceVersion=3", 200],
  ["resourceVersion=3&resourceVersionMatch=NotOlderThan&limit=1", 200],
  ["resourceVersion=3&resourceVersionMatch=Exact", 410],
  ["resourceVersion=3&limit=1", 410],
  ["resourceVersion=7&limit=1", 200],
  ["resourceVersion=8", 504],
  ["resourceVersion=x", 400],
])("what is asked for with %s is answered by %i", (query, code) => expect(codeOf(query)).toBe(code));
