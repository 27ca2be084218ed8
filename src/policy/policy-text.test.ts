import { describe, expect, it } from "vitest";
import { readPlainYaml } from "./plain-yaml.ts";
import { readPolicyText, resolveScalar, type TextLimits } from "./policy-text.ts";

function valuesOf(text: string): unknown[] {
  const read = readPolicyText(text);
  if (!read.ok) throw new Error(JSON.stringify(read.errors));
  return read.documents.map(({ value }) => value);
}

it("a field that is missing has the line of what it is missing in", () => {
  const read = readPolicyText('a:\n  b:\n    - c: 1\n    - "d.e/f[0]": 2\n---\nx: 1\ny: 2\n');
  if (!read.ok) throw new Error(JSON.stringify(read.errors));
  const [first, second] = read.documents;
  const fields = ["a.b[0].c", 'a.b[1]["d.e/f[0]"]', "a.b[1].x.y", "a.b[7].x", "nothing", ""];
  expect(fields.map((field) => first!.lineOf(field))).toEqual([3, 4, 4, 2, 1, 1]);
  expect(["y", "nothing"].map((field) => second!.lineOf(field))).toEqual([7, 6]);
});

describe("what is read", () => {
  it.each<[string, string, unknown[]]>([
    ["several documents", "a: 1\n---\nb: [x, {c: null}]\n", [{ a: 1 }, { b: ["x", { c: null }] }]],
    ["JSON", '{"a": ["b", 1, true, null, "\\u00e9\\/"]}', [{ a: ["b", 1, true, null, "é/"] }]],
    ["nothing", "", []],
    ["empty documents", "---\n---\n# only a comment\n---\na: 1\n...\n", [{ a: 1 }]],
    ["words of Kubernetes' tools", "a: yes\nb: off\nc: 'on'", [{ a: true, b: false, c: "on" }]],
    ["a date, as text", "a: 2020-01-01", [{ a: "2020-01-01" }]],
    ["keys as they are written", "yes: 1\n80: 2", [{ yes: 1, 80: 2 }]],
    ["marks within text", "a: |\n  *b !c &d\ne: '*f'\ng: h*i&j!k", [{ a: "*b !c &d\n", e: "*f", g: "h*i&j!k" }]],
    ["a byte order mark", "\ufeffa: 1", [{ a: 1 }]],
  ])("%s", (_, text, values) => {
    expect(valuesOf(text)).toEqual(values);
  });

  it("says on which line a document begins", () => {
    const read = readPolicyText("\na: 1\n---\n\nb: 2\n");
    expect(read.ok && read.documents.map(({ line }) => line)).toEqual([2, 5]);
  });

  it("makes own properties of keys that mean something to JavaScript", () => {
    const [value] = valuesOf("__proto__: {x: 1}\nconstructor: 2\n") as [Record<string, unknown>];
    expect(Object.keys(value)).toEqual(["__proto__", "constructor"]);
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect((value as { x?: unknown }).x).toBeUndefined();
    expect(({} as { x?: unknown }).x).toBeUndefined();
  });
});

describe("what is refused, and on which line", () => {
  const times = (text: string, count: number) => text.repeat(count);
  it.each<[string, string, number, string, Partial<TextLimits>?]>([
    ["no YAML", "a: 1\nb: c: d", 2, "mapping"],
    ["an open bracket", "\na: [", 2, "]"],
    ["a bracket that closes nothing", "a: 1\nb: ]", 2, "closes nothing"],
    ["a key given twice", "a: 1\nb:\n  c: 1\n  d: 2\n  c: 3", 5, '"c" is given twice'],
    ["a key given twice in JSON", '{"a": 1,\n"a": 2}', 2, '"a" is given twice'],
    ["a key that is a list", "a: 1\n? [b]\n: c", 2, "no text"],
    ["an alias", "a: 1\nb: *a", 2, "alias"],
    ["an anchor", "a: &b 1", 1, "anchor"],
    ["a tag", "a: !!binary aaaa", 1, "tag"],
    ["an empty place in a list", "a: [1,,2]", 1, "comma"],
    ["depth of brackets", times("[", 65), 1, "64 levels"],
    ["depth of dashes", times("- ", 66), 1, "64 levels"],
    ["depth of blocks", Array.from({ length: 70 }, (_, depth) => `${times(" ", depth)}a:`).join("\n"), 65, "64 levels"],
    ["length", "a: 1\n", 1, "longer than 4 characters", { length: 4 }],
    ["documents", times("--- a\n", 3), 3, "more than 2 documents", { documents: 2 }],
    ["depth by choice", "a:\n  b: 1", 2, "1 levels", { depth: 1 }],
  ])("%s", (_, text, line, part, limits = {}) => {
    const read = readPolicyText(text, limits);
    expect(read.ok).toBe(false);
    if (read.ok) return;
    expect(read.errors[0]!.line).toBe(line);
    expect(read.errors[0]!.message.toLowerCase()).toContain(part.toLowerCase());
  });

  it("ends soon and never throws, whatever is repeated", () => {
    for (const piece of [
      "[",
      "{a: ",
      "- ",
      "? ",
      ": ",
      "&a ",
      "*a ",
      "!a ",
      "%a\n",
      "---\n",
      "a: b: c\n",
      "'a",
      '"',
      ",",
      "\t",
    ]) {
      const read = readPolicyText(piece.repeat(10_000 / piece.length));
      expect(read.ok || read.errors.length).not.toBe(0);
    }
  });

  it("gives a bounded number of errors", () => {
    const read = readPolicyText("a: b: c\n".repeat(100));
    expect(!read.ok && read.errors.length).toBe(20);
  });
});

it("control characters are refused with their line, wherever they stand; tabs, ends of lines and letters are not", () => {
  for (const odd of ["\0", "\u0001", "\u000b", "\u001f", "\u007f", "\u0090"])
    for (const text of [`a: 1\nb: c${odd}\n`, `a: 1\nb: "${odd}"\n`, `a: 1\n# ${odd}\n`, `a: 1\n${odd}`]) {
      const read = readPolicyText(text);
      expect(read).toMatchObject({
        ok: false,
        errors: [{ line: 2, message: expect.stringMatching(/control character U\+00/) }],
      });
      expect(readPlainYaml(text, resolveScalar)).toBeUndefined();
    }
  expect(readPolicyText("a: b\tc\r\nd: \u00e4\u2028\u{1f600}\n").ok).toBe(true);
});
