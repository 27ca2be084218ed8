import { expect, it } from "vitest";
import { copyJson } from "./object.ts";

it("copies JSON whole, and shares nothing with it", () => {
  const value = JSON.parse('{"a":[{"b":null},[1,"x",true]],"__proto__":"data","c":{"__proto__":{"d":{}}}}');
  const copy = copyJson(value);
  expect(JSON.stringify(copy)).toBe(JSON.stringify(value));
  copy.a[0].b = 1;
  copy.a[1].push(2);
  Object.getOwnPropertyDescriptor(copy.c, "__proto__")!.value.d.e = 1;
  expect(JSON.stringify(value)).toBe('{"a":[{"b":null},[1,"x",true]],"__proto__":"data","c":{"__proto__":{"d":{}}}}');
});
