import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { answerQuestion } from "../../src/prove/answer.ts";
import { takeInventory } from "../../src/prove/inventory.ts";
import { lint } from "../../src/prove/lint/lint.ts";
import { matrixOf } from "../../src/prove/matrix.ts";
import { parseTarget } from "../../src/prove/target.ts";

/** Half-written and twisted manifests give errors with lines, or answers; nothing is thrown. */
const folder = join(import.meta.dirname, "../../examples/05-shop");
const SHOP = readdirSync(folder)
  .filter((name) => name.endsWith(".yaml"))
  .map((name) => readFileSync(join(folder, name), "utf8"))
  .join("---\n");
const DOCUMENTS = SHOP.split(/^---\n/m).filter((text) => /frontend|checkout/.test(text));
const SOME = DOCUMENTS.join("---\n");

function prove(text: string): void {
  const inventory = takeInventory([{ file: "f", text }]);
  for (const { line, file } of inventory.problems) expect([file, line > 0]).toEqual(["f", true]);
  matrixOf(inventory);
  lint(inventory);
}

describe("manifests", () => {
  it("may end anywhere", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: SOME.length }), (end) => prove(SOME.slice(0, end))),
      { numRuns: 60 },
    );
  });

  it("may have other values anywhere", () => {
    const values = ["{}", "[]", "null", "5", "-1", '""', "[null]", "{a: [{}]}", "true", "x"];
    fc.assert(
      fc.property(fc.nat(), fc.constantFrom(...values), (place, value) => {
        const lines = SOME.split("\n");
        const at = place % lines.length;
        prove(lines.with(at, lines[at]!.replace(/: .*$|:$/, `: ${value}`)).join("\n"));
      }),
      { numRuns: 120 },
    );
  });
});

it("a target is a target or an Error with a message, whatever is typed", () => {
  const inventory = takeInventory([{ file: "f", text: SOME }]);
  const piece = fc.constantFrom(
    "fqdn:",
    "entity:",
    "k8s:",
    "a",
    "/",
    ":",
    "80",
    "=",
    ",",
    "10.0.0.0/8",
    "[::1]",
    "svc",
    "..",
    "frontend",
    "*",
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 6 }), (pieces) => {
      const text = pieces.join("");
      try {
        parseTarget(text);
        answerQuestion(inventory, { from: text, to: "frontend:80" });
      } catch (error) {
        // A fault of the program would be a TypeError or a RangeError.
        expect((error as Error).constructor, text).toBe(Error);
      }
    }),
    { numRuns: 500 },
  );
});
