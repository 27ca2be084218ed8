import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { HpackDecoder } from "./hpack-decoder.ts";
import { HpackEncoder } from "./hpack-encoder.ts";

const hex = (text: string) => Buffer.from(text.replaceAll(" ", ""), "hex");
const decode = (decoder: HpackDecoder, block: Uint8Array) => decoder.decode(block, 0, block.length);
const fresh = () => new HpackDecoder(100, 65_536);

describe("HpackDecoder", () => {
  // RFC 7541, C.3 to C.6: three blocks of one connection each, the second and third by the table of those before
  const requests = [
    ":method GET :scheme http :path / :authority www.example.com",
    ":method GET :scheme http :path / :authority www.example.com cache-control no-cache",
    ":method GET :scheme https :path /index.html :authority www.example.com custom-key custom-value",
  ];
  test.each([
    [
      "plain",
      [
        "828684410f7777772e6578616d706c652e636f6d",
        "828684be58086e6f2d6361636865",
        "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
      ],
    ],
    [
      "Huffman-coded",
      [
        "828684418cf1e3c2e5f23a6ba0ab90f4ff",
        "828684be5886a8eb10649cbf",
        "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
      ],
    ],
  ])("reads the requests of the specification, %s", (_, blocks) => {
    const decoder = fresh();
    expect(blocks.map((block) => decode(decoder, hex(block))?.section.join(" "))).toEqual(requests);
  });

  test("marks fields that must never be indexed", () => {
    const block = hex("100870617373776f726406736563726574");
    expect(decode(fresh(), block)).toEqual({
      section: ["password", "secret"],
      sensitive: ["password"],
      tooLarge: false,
      isKept: true,
    });
  });

  test.each([
    ["index 0", "80"],
    ["an index of no entry", "be"],
    ["an integer without an end", "ffffffffffffffffff"],
    ["an integer that is cut off", "7f"],
    ["a text beyond the block", "400a6375"],
    ["a literal without its value", "4001"],
    ["padding that is not of ones", "408100 00"],
    ["padding of a whole byte", "4082f8ff 00"],
    ["the end symbol within a text", "4084ffffffff 00"],
    ["a table that is too large", "3fe21f"],
    ["a table size after a field", "8220"],
  ])("refuses %s", (_, block) => expect(decode(fresh(), hex(block))).toBeUndefined());

  test("keeps its table right behind a section that is too large", () => {
    const decoder = new HpackDecoder(2, 200);
    const encoder = new HpackEncoder();
    const large = encoder.encode(["a", "1", "b", "2", "c", "3", "d", "4"], []);
    expect(decode(decoder, large)).toMatchObject({ tooLarge: true, section: ["a", "1", "b", "2"] });
    expect(decode(decoder, encoder.encode(["d", "4", "c", "3"], []))?.section).toEqual(["d", "4", "c", "3"]);
    expect(decode(decoder, encoder.encode(["e", "x".repeat(300)], []))).toMatchObject({ tooLarge: true, section: [] });
  });
});

/** RFC 7541's decoder in its plainest form, for blocks of short texts: nothing is remembered but the table. */
class PlainDecoder {
  private table: [string, string][] = [];
  private limit = 4096;

  /** Undefined when an index is that of no entry. */
  decode(ops: readonly Op[]): string[] | undefined {
    const section: string[] = [];
    for (const op of ops) {
      if (op.kind === "resize") {
        this.limit = op.size;
        this.evict();
      } else if (op.kind === "static") section.push(":method", op.index === 2 ? "GET" : "POST");
      else if (op.kind === "dynamic") {
        const entry = this.table[op.index];
        if (entry === undefined) return undefined;
        section.push(...entry);
      } else {
        section.push(op.name, op.value);
        if (op.kind === "insert") this.table.unshift([op.name, op.value]);
        this.evict();
      }
    }
    return section;
  }

  private evict(): void {
    const size = () => this.table.reduce((sum, [name, value]) => sum + name.length + value.length + 32, 0);
    while (size() > this.limit) this.table.pop();
  }
}

type Op =
  | { readonly kind: "static"; readonly index: number }
  | { readonly kind: "dynamic"; readonly index: number }
  | { readonly kind: "insert"; readonly name: string; readonly value: string }
  | { readonly kind: "literal"; readonly name: string; readonly value: string }
  | { readonly kind: "resize"; readonly size: number };

function blockOf(ops: readonly Op[]): Uint8Array {
  const text = (value: string) => [value.length, ...Buffer.from(value)];
  const bytes = ops.flatMap((op) => {
    if (op.kind === "resize") return op.size < 31 ? [0x20 + op.size] : [0x3f, op.size - 31];
    if (op.kind === "static") return [0x80 + op.index];
    if (op.kind === "dynamic") return [0x80 + 62 + op.index];
    return [op.kind === "insert" ? 0x40 : 0, ...text(op.name), ...text(op.value)];
  });
  return Uint8Array.from(bytes);
}

test("blocks that come again say what they say by the table of their moment", () => {
  const texts = fc.record({
    name: fc.constantFrom("a", "b", "x-long"),
    value: fc.constantFrom("1", "2", "y".repeat(100)),
  });
  const op = fc.oneof(
    fc.record({ kind: fc.constant("static" as const), index: fc.constantFrom(2, 3) }),
    fc.record({ kind: fc.constant("dynamic" as const), index: fc.constantFrom(0, 0, 1) }),
    texts.map((one) => ({ kind: "insert" as const, ...one })),
    texts.map((one) => ({ kind: "literal" as const, ...one })),
  );
  const size = fc.record({ kind: fc.constant("resize" as const), size: fc.constantFrom(0, 40, 100) });
  const block = fc
    .tuple(fc.option(size, { freq: 3 }), fc.array(op, { minLength: 1, maxLength: 4 }))
    .map(([first, ops]) => (first === null ? ops : [first, ...ops]));
  const sequence = fc
    .array(block, { minLength: 2, maxLength: 5 })
    .chain((blocks) => fc.array(fc.constantFrom(...blocks), { minLength: 20, maxLength: 30 }));
  let again = 0;
  fc.assert(
    fc.property(sequence, (blocks) => {
      const plain = new PlainDecoder();
      const decoder = fresh();
      const heads = new Set<unknown>();
      for (const ops of blocks) {
        const expected = plain.decode(ops);
        const head = decode(decoder, blockOf(ops));
        expect(head?.section).toEqual(expected);
        if (expected === undefined) return; // the connection is over
        if (heads.has(head)) again++;
        heads.add(head);
      }
    }),
    { numRuns: 1500 },
  );
  expect(again).toBeGreaterThan(500);
});

test("what the encoder writes, the decoder reads, whatever came before and however large the table is", () => {
  const name = fc.constantFrom(":path", "a", "cookie", "x-b", "etag", ":status", "x-longer-name");
  const value = fc.oneof(
    fc.constantFrom("", "1", "200", "gzip, deflate", "x".repeat(700), "y".repeat(3000)),
    fc.string({ unit: "binary-ascii" }),
  );
  const section = fc.array(fc.tuple(name, value), { maxLength: 12 }).map((fields) => fields.flat());
  const step = fc.record({
    section,
    sensitive: fc.subarray(["a", "etag"]),
    size: fc.option(fc.constantFrom(0, 60, 300, 4096, 9999)),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
      const encoder = new HpackEncoder();
      const decoder = new HpackDecoder(1000, 1 << 20);
      for (const { section, sensitive, size } of steps) {
        if (size !== null) encoder.resize(size);
        const read = decode(decoder, encoder.encode(section, sensitive));
        expect(read?.section).toEqual(section);
        expect(new Set(read?.sensitive)).toEqual(
          new Set(sensitive.filter((name) => section.some((given, at) => at % 2 === 0 && given === name))),
        );
      }
    }),
    { numRuns: 500 },
  );
});
