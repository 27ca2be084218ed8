import fc from "fast-check";
import { expect, it } from "vitest";
import { mergeTemplates, pathTemplate, templatePattern } from "./path-template.ts";

it.each([
  ["/orders/17", "/orders/{number}"],
  ["/orders/17/items?x=1", "/orders/{number}/items?{query}"],
  ["/u/0b9e5c2e-1f9a-4b5e-9d2f-6c1d2e3f4a5b", "/u/{uuid}"],
  ["/blob/9f86d081884c7d659a2feaa0c55ad015", "/blob/{hash}"],
  ["/s/01HV3Z9Y5W7Q8R6T2K4M", "/s/{id}"],
  ["/v1/request-landing", "/v1/request-landing"],
  ["/internationalization", "/internationalization"],
  ["/a/{any}", "/a/{brace}"],
])("%s is %s", (path, template) => expect(pathTemplate(path)).toBe(template));

const part = fc.oneof(
  fc.constantFrom("a", "b.c", "x+y", "(z", "{any}", "", "17", "deadbeef0123"),
  fc.string({ maxLength: 6 }).map((text) => text.replace(/[/?#]/g, "")),
);
const path = fc
  .tuple(fc.array(part, { minLength: 1, maxLength: 4 }), fc.boolean())
  .map(([parts, query]) => `/${parts.join("/")}${query ? "?q" : ""}`);

it("every path matches its template's expression, merged or not, and few are left", () => {
  fc.assert(
    fc.property(fc.array(path, { minLength: 1, maxLength: 30 }), fc.integer({ min: 1, max: 5 }), (paths, most) => {
      const merged = mergeTemplates(paths.map(pathTemplate), most);
      const patterns = merged.map((template) => new RegExp(`^(?:${templatePattern(template)})$`, "s"));
      for (const each of paths)
        expect(
          patterns.some((pattern) => pattern.test(each)),
          each,
        ).toBe(true);
      // one for each number of parts, with and without a query, is the least
      expect(merged.length).toBeLessThanOrEqual(Math.max(most, 8));
    }),
  );
});

it("an expression matches no path of another form", () => {
  expect(new RegExp(`^${templatePattern("/a.b/{number}")}$`).test("/axb/1")).toBe(false);
  expect(new RegExp(`^${templatePattern("/a/{any}")}$`).test("/a/b/c")).toBe(false);
  expect(new RegExp(`^${templatePattern("/a/{any}")}$`).test("/a/b?c")).toBe(false);
});
