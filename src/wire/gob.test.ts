import { expect, it } from "vitest";
import { GobEncoder } from "./gob.ts";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const int = { kind: "int" } as const;

it("writes the struct that the documentation of Go's encoding/gob takes apart", () => {
  const point = new GobEncoder({
    ...{ kind: "struct", name: "Point" },
    fields: [
      ["X", int],
      ["Y", int],
    ],
  });
  const definition = "1fff8103010105506f696e7401ff820001020101580104000101590104000000";
  expect(hex(point.definitions)).toBe(definition);
  expect(hex(point.message({ X: 22, Y: 33 }))).toBe("07ff82012c014200");
  expect(hex(point.alone({ X: 22, Y: 33 }))).toBe(`${definition}07ff82012c014200`);
  expect(hex(point.message({ Y: -129 }))).toBe("07ff8202fe010100");
  expect(hex(point.message({}))).toBe("03ff8200");
});

it("numbers what a struct is made of, and leaves out what is empty", () => {
  const names = { kind: "list", of: { kind: "string" } } as const;
  const struct = new GobEncoder({
    ...{ kind: "struct", name: "S" },
    fields: [
      ["Names", names],
      ["Also", names],
      ["Data", { kind: "bytes" }],
    ],
  });
  // 65 is the struct, 66 the list, which is defined once
  expect(hex(struct.definitions).match(/ff8[0-9]/g)).toEqual(["ff81", "ff82", "ff84", "ff84", "ff83", "ff84"]);
  expect(hex(struct.message({ Names: [], Also: ["a"], Data: new Uint8Array() }))).toBe("07ff820201016100");
});

it("writes a zero where it is to be kept", () => {
  const kept = { kind: "int", isKept: true } as const;
  const fields = [
    ["X", int],
    ["Y", kept],
  ] as const;
  const point = new GobEncoder({ kind: "struct", name: "Point", fields });
  expect(hex(point.message({ X: 0, Y: 0 }))).toBe("05ff82020000");
  expect(hex(point.message({}))).toBe("03ff8200");
});
