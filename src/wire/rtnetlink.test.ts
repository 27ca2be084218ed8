import { expect, test } from "vitest";
import { addAddress, addRoute, answerTo, deleteLink, raiseLink, withSequence } from "./rtnetlink.ts";

const hex = (text: string) => Buffer.from(text.replaceAll(/\s/g, ""), "hex");
const ROUTER = Uint8Array.of(172, 20, 1, 1);
const POD = Uint8Array.of(172, 20, 1, 5);

// Written by hand after the kernel's headers; test/kernel/pod-link.test.ts asks the kernel.
test("requests are laid out as rtnetlink(7) says", () => {
  expect(withSequence(addAddress(7, POD), 9)).toEqual(
    hex("28000000 1400 0506 09000000 00000000  02 20 00 00 07000000  0800 0200 ac140105  0800 0100 ac140105"),
  );
  expect(addRoute({ out: 7, destination: ROUTER })).toEqual(
    hex(
      "2c000000 1800 0506 00000000 00000000  02 20 00 00 fe 03 fd 01 00000000  0800 0100 ac140101  0800 0400 07000000",
    ),
  );
  expect(addRoute({ out: 7, gateway: ROUTER, source: POD })).toEqual(
    hex(`34000000 1800 0506 00000000 00000000  02 00 00 00 fe 03 00 01 00000000
      0800 0400 07000000  0800 0500 ac140101  0800 0700 ac140105`),
  );
  expect(deleteLink(7)).toEqual(hex("20000000 1100 0500 00000000 00000000  0000 0000 07000000 00000000 00000000"));
  expect(raiseLink(7, { quiet: true })).toEqual(
    hex(`30000000 1000 0500 00000000 00000000  0000 0000 07000000 01000000 01000000
      1000 1a00  0c00 0a00  0500 0800 01 000000`),
  );
  expect(() => addRoute({ out: 7 })).toThrow(RangeError);
});

test("an answer is known by its number, and says 0 or an errno", () => {
  const answer = (sequence: number, error: number, type = 2) => {
    const bytes = Buffer.alloc(36);
    bytes.writeUInt32LE(36, 0);
    bytes.writeUInt16LE(type, 4);
    bytes.writeUInt32LE(sequence, 8);
    bytes.writeInt32LE(error, 16);
    return bytes;
  };
  expect(answerTo(4, answer(4, 0))).toBe(0);
  expect(answerTo(4, answer(4, -17))).toBe(17);
  expect(answerTo(4, answer(3, -17))).toBeUndefined();
  expect(answerTo(4, answer(4, -17, 16))).toBeUndefined();
  expect(answerTo(4, Buffer.concat([answer(3, 0), answer(4, -1)]))).toBe(1);
  expect(answerTo(4, Buffer.alloc(40))).toBeUndefined();
  expect(answerTo(4, Buffer.alloc(3))).toBeUndefined();
});
