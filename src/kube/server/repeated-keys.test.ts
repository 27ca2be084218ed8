import { expect, it } from "vitest";
import { repeatedKeys, repeatedYamlKeys } from "./repeated-keys.ts";

const said = (text: string): readonly string[] => repeatedKeys(text, JSON.parse(text)).warned;

it("finds keys that a JSON text has twice, by their paths, each once", () => {
  expect(said('{"a":{"b":1,"b":2,"b":3},"c":[{"d":1},{"d":1,"d":2}]}')).toEqual([
    'duplicate field "a.b"',
    'duplicate field "c[1].d"',
  ]);
  expect(said('{"a":[[{"x":1},{"x":1, "x" :2}]],"a":3}')).toEqual([
    'duplicate field "a[0][1].x"',
    'duplicate field "a"',
  ]);
  expect(said('[{"op":"add","op":"test"}]')).toEqual(['json patch duplicate field "[0].op"']);
  expect(said('{"\\u0061":1,"a":2}')).toEqual(['duplicate field "a"']);
});

it("takes no text in a value for a key, and no key of another object for the same", () => {
  for (const text of [
    '{"a":"\\"b\\":1","b":"b"}',
    '{"a":{"c":1},"b":{"c":1}}',
    '{"a":["a","a",":"]}',
    '"a"',
    "[]",
    "{}",
  ])
    expect(said(text), text).toEqual([]);
});

it("says where a YAML text has a key again", () => {
  const text = "a: 1\n'a': 2\n";
  expect(repeatedYamlKeys(text, [5])).toEqual({
    warned: ['line 2: key "a" already set in map'],
    refused: ['yaml: unmarshal errors:\n  line 2: key "a" already set in map'],
  });
});
