import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { normalizePath } from "./http-path.ts";

describe("a path is judged in the form that the server gets", () => {
  test.each([
    "/public%%32f..%%32fsecret",
    "/a/%2%65%2%65/secret",
    "/a/%%32e%%32e/secret",
    "/a/%2%66b",
    "/%",
    "/%4",
    "/%zz",
  ])("%s hides an escape behind another and is refused", (target) => {
    expect(normalizePath(target)).not.toHaveProperty("path");
  });

  test("normalizing once is enough: nothing that is left can be unescaped to a slash or a dot segment", () => {
    const piece = fc.constantFrom(
      "/",
      ".",
      "..",
      "%",
      "2",
      "f",
      "F",
      "e",
      "E",
      "5",
      "c",
      "%2f",
      "%2e",
      "%5C",
      "%25",
      "a",
      "b",
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 14 }), (pieces) => {
        const once = normalizePath(`/${pieces.join("")}`);
        if (!("path" in once)) return;
        expect(once.path).not.toMatch(/%2f|%5c|%2e/i);
        expect(once.path.split("/")).not.toContain("..");
        expect(normalizePath(once.path)).toEqual({ path: once.path, redirect: false });
      }),
      { numRuns: 2000 },
    );
  });
});
