import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { stringify } from "yaml";
import { readPlainYaml } from "../../src/policy/plain-yaml.ts";
import { readPolicyText, resolveScalar } from "../../src/policy/policy-text.ts";
import { ROOT } from "../support/lab.ts";

/** What the quick reader reads at all, it reads as the one that knows all of YAML does. */
function compare(text: string): boolean {
  const plain = readPlainYaml(text, resolveScalar);
  if (plain === undefined) return false;
  const whole = readPolicyText(text, { depth: 128 });
  if (!whole.ok) throw new Error(`read, and should not be: ${whole.errors[0]?.message}\n${text}`);
  expect(
    whole.documents.map(({ value, line }) => ({ value, line })),
    text,
  ).toEqual([plain]);
  return true;
}

const files = globSync("{examples,test/recipes,test/conformance,bench}/**/*.{yaml,yml}", { cwd: ROOT });
const documents = files.flatMap((file) => readFileSync(join(ROOT, file), "utf8").split(/^(?=---\s*$)/m));

test("documents that people wrote are read alike, and most of them at once", () => {
  expect(documents.filter(compare).length / documents.length).toBeGreaterThan(0.8);
});

test("so are documents with characters put in, taken out and moved", () => {
  const pieces = [
    " ",
    "  ",
    "\n",
    "-",
    "- ",
    ": ",
    ":",
    "#",
    " #",
    "'",
    '"',
    "{",
    "}",
    "[",
    "]",
    ",",
    "\\",
    "0",
    "1_0",
    "y",
    "~",
    ".5",
    "|",
    ">",
    "&a",
    "*a",
    "!",
    "?",
    "---\n",
    "1:20",
    "0x1f",
    "<<: ",
    "2001-01-01",
  ];
  let read = 0;
  fc.assert(
    fc.property(
      fc.constantFrom(...documents.filter((text) => text.length < 3000)),
      fc.array(fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.constantFrom(...pieces), fc.nat(3)), {
        minLength: 1,
        maxLength: 3,
      }),
      (text, edits) => {
        const edited = edits.reduce((now, [where, piece, gone]) => {
          const at = Math.floor(where * now.length);
          return now.slice(0, at) + piece + now.slice(at + gone);
        }, text);
        if (compare(edited)) read++;
      },
    ),
    { numRuns: 4000 },
  );
  expect(read).toBeGreaterThan(400);
});

test("and values of every kind, as a library writes them", () => {
  const scalar = fc.oneof(
    fc.string(),
    fc.stringMatching(/^[-+.\d:_eExa-f~ynYN]{1,8}$/),
    fc.constantFrom("yes", "No", "null", "~", "1e3", "0o7", "012", ".inf", "a: b", "a #b", "- a", "?", "on", "="),
    fc.integer(),
    fc.double(),
    fc.boolean(),
    fc.constant(null),
  );
  const value = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      scalar,
      fc.array(tie("value"), { maxLength: 3 }),
      fc.dictionary(fc.string(), tie("value"), { maxKeys: 3 }),
    ),
  })).value;
  fc.assert(
    fc.property(fc.dictionary(fc.string({ minLength: 1 }), value, { minKeys: 1, maxKeys: 4 }), (object) => {
      compare(stringify(object, { version: "1.1", lineWidth: 0 }));
      compare(stringify(object, { version: "1.1", collectionStyle: "flow", lineWidth: 0 }));
    }),
    { numRuns: 1500 },
  );
});
